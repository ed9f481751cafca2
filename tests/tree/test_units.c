/* SPDX-License-Identifier: MIT */
/* The systemd units against the daemon: what both state agrees. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/load.h"
#include "daemon/config/units.h"
#include "daemon/reserve/standing.h"
#include "daemon/host/exit_status.h"
#include "libclient/exporter/listen.h"

#define SECOND INT64_C(1000000000)
/* From exec to the first extension, with a margin; RestartSec= comes on top. */
#define START_NS (SECOND / 2)
/* A container whose image is there, up to the exec. */
#define CONTAINER_START_NS (15 * SECOND)

static struct config *config;

static void setup(void) {
        char *sets[] = { "workers.first=0", NULL };

        cr_assert_eq(config_load(&config, "/dev/null", sets), 0);
}

static void teardown(void) {
        config_free(config);
}

TestSuite(units, .init = setup, .fini = teardown);

/* The value of the only line KEY=… of the unit; of the manifest "KEY: …" or "KEY = …". */
static const char *value_of(const char *unit, const char *key) {
        static char values[8][128], line[256];
        static unsigned next;
        char path[4096], *value = values[next++ % 8];
        size_t length = strlen(key);
        unsigned found = 0;
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s/%s", getenv("SFSHM_SOURCE"),
                 strncmp(unit, "sfshm-exporter.", 15) == 0 ? "libclient/exporter" : "daemon/units",
                 unit);
        file = fopen(path, "re");
        cr_assert_not_null(file, "cannot read %s", path);
        while (fgets(line, sizeof(line), file)) {
                const char *at = line + strspn(line, " "), *sign;

                if (strncmp(at, key, length) != 0)
                        continue;
                sign = at + length + strspn(at + length, " ");
                if (*sign != '=' && *sign != ':')
                        continue;
                line[strcspn(line, "\n")] = '\0';
                sign++;
                snprintf(value, sizeof(values[0]), "%s", sign + strspn(sign, " "));
                found++;
        }
        fclose(file);
        cr_assert_eq(found, 1, "%s= appears %u times in %s", key, found, unit);
        return value;
}

static int64_t duration_in(const char *unit, const char *key, const char *kind) {
        char text[140];
        uint64_t ns;

        snprintf(text, sizeof(text), "%s%s", value_of(unit, key), kind);
        cr_assert_eq(config_parse_number(text, config_durations, &ns), 0, "%s", key);
        return (int64_t)ns;
}

static int64_t duration_of(const char *key) {
        return duration_in("sfshmd.service", key, "");
}

static long number_of(const char *key) {
        return strtol(value_of("sfshmd.service", key), NULL, 10);
}

/* A stopped thread is killed for at most one and a half periods after it stopped,
 * see watchdog.h; what clients hold was extended when STANDING_LEFT of it was left.
 * Red with WatchdogSec=5s, TimeoutAbortSec=4s or TimeoutStopSec=10s. */
Test(units, clients_hold_more_than_a_restart_takes) {
        int64_t left_ns = STANDING_LEFT(config->standing_ns) - START_NS -
                          duration_of("RestartSec");
        int64_t watchdog_ns = duration_of("WatchdogSec");

        cr_expect_lt(watchdog_ns + watchdog_ns / 2 + duration_of("TimeoutAbortSec"), left_ns);
        cr_expect_lt(duration_of("TimeoutStopSec"), left_ns);
}

/* The same for a pod, which is stopped before the next one is created; it may take as long
 * to stop as the unit allows. Red with terminationGracePeriodSeconds: 4 or 30. */
Test(units, clients_hold_more_than_a_new_pod_takes) {
        int64_t grace_ns = duration_in("kubernetes.yaml", "terminationGracePeriodSeconds", "s");
        int64_t standing_ns = duration_in("kubernetes.yaml", "standing", "");

        cr_expect_geq(grace_ns, duration_of("TimeoutStopSec"));
        cr_expect_lt(grace_ns + CONTAINER_START_NS + START_NS, STANDING_LEFT(standing_ns));
}

Test(units, descriptors_suffice_for_the_clients) {
        long stored = number_of("FileDescriptorStoreMax");

        cr_expect_eq(stored, 3L * config->max_clients);
        cr_expect_geq(number_of("LimitNOFILE"), stored + 1024);
}

Test(units, paths_and_modes_are_the_defaults) {
        cr_expect_str_eq(value_of("sfshmd.socket", "ListenSequentialPacket"), config->socket);
        cr_expect_eq(strtoul(value_of("sfshmd.socket", "SocketMode"), NULL, 8),
                     config->socket_mode);
        cr_expect_str_eq(config->state_dir, "/var/lib/sfshm");
        cr_expect_str_eq(value_of("sfshmd.service", "StateDirectory"), "sfshm");
        cr_expect_str_eq(value_of("sfshmd.service", "StateDirectoryMode"), "0700");
        cr_expect_str_eq(value_of("sfshmd.service", "RuntimeDirectory"), "sfshm");
        cr_expect_str_eq(value_of("sfshmd.service", "User"), "sfshm");
}

/* What needs the operator is not retried. */
Test(units, refusals_are_not_restarted) {
        char statuses[32];

        snprintf(statuses, sizeof(statuses), "%d %d", STATUS_USAGE, STATUS_REFUSED);
        cr_expect_str_eq(value_of("sfshmd.service", "RestartPreventExitStatus"), statuses);
        cr_expect_str_eq(value_of("sfshmd.service", "Restart"), "always");
        cr_expect_str_eq(value_of("sfshmd.service", "StartLimitIntervalSec"), "0");
        cr_expect_str_eq(value_of("sfshmd.service", "RestartSec"), "0");
}

/* Each of these would break something that shows only on a real system. */
Test(units, what_must_not_be_hardened_is_not) {
        cr_expect_str_eq(value_of("sfshmd.service", "PrivateUsers"), "no");
        cr_expect_str_eq(value_of("sfshmd.service", "RemoveIPC"), "no");
        cr_expect_str_eq(value_of("sfshmd.service", "ProtectClock"), "no");
}

/* The exporter reads what members of the daemon's group may read, and nobody sees it from
 * another host. */
Test(units, exporter) {
        cr_expect_str_eq(value_of("sfshm-exporter.socket", "ListenStream"), LISTEN_DEFAULT);
        cr_expect_str_eq(value_of("sfshm-exporter.socket", "IPAddressAllow"), "localhost");
        cr_expect_str_eq(value_of("sfshm-exporter.service", "SupplementaryGroups"),
                         value_of("sfshmd.service", "Group"));
        cr_expect_str_neq(value_of("sfshm-exporter.service", "User"),
                          value_of("sfshmd.service", "User"));
}
