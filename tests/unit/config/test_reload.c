/* SPDX-License-Identifier: MIT */
/* A reload takes all keys that can change, or nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config/value.h"
#include "daemon/config/keys.h"
#include "daemon/config/reload.h"
#include "tests/support/capture.h"
#include "tests/unit/support/config_fixture.h"

TestSuite(reload, .init = config_fixture_begin, .fini = config_fixture_end);

/* A value of every key that can change; none is the default. */
#define OTHERS                                                                                     \
        "recycle_delay = 1s\nhorizon = 1h\n"                                                       \
        "[clock]\non_rollback = wait\nmax_offset = 1s\nmax_forward_step = 2s\nmax_slew = 1ms\n"    \
        "require_sync = yes\n"                                                                     \
        "[reserve]\nstanding = 20s\nelastic = 100ms\n"                                             \
        "[limits]\nuid_clients = 1\nuid_lanes = 2\nuid_bytes = 3\n"                                \
        "cgroup_clients = 4\ncgroup_lanes = 5\ncgroup_bytes = 6\n"                                 \
        "[weights]\nuid.1 = 7\ncgroup./a = 8\n[caps]\nuid.1 = 9\ncgroup./b = 10\n"

static struct reload begin(const char *text) {
        return (struct reload){ .config = config_fixture_load(text, NULL),
                                .path = config_fixture.path };
}

static const char *text_of(const struct config *config, const struct config_key *key) {
        static char texts[2][4096];
        static unsigned next;
        char *text = NULL;

        next = 1 - next;
        cr_assert_eq(config_value_text(config, key, &text), 0);
        snprintf(texts[next], sizeof(texts[next]), "%s", text);
        free(text);
        return texts[next];
}

/* A value that differs from the file's. It need not be allowed, because some keys have only
 * one allowed value. */
static void make_other(struct config *config, const struct config_key *key) {
        void *field = (char *)config + key->offset;

        switch (key->type) {
        case KEY_MODE:
                *(mode_t *)field ^= 1;
                break;
        case KEY_U8:
                *(uint8_t *)field += 1;
                break;
        case KEY_U32:
                *(uint32_t *)field += 1;
                break;
        case KEY_DURATION:
                *(int64_t *)field += 1;
                break;
        case KEY_EPOCH:
                *(int64_t *)field += 1000;
                break;
        case KEY_LAYOUT:
                ((struct id_layout *)field)->sequence_bits += 1;
                break;
        default:
                cr_assert(config_key_is_text(key), "teach this test the type of %s", key->name);
                free(*(char **)field);
                *(char **)field = strdup("/another");
        }
}

Test(reload, every_key_says_whether_it_can_change) {
        for (size_t i = 0; i < config_n_keys; i++)
                cr_expect(config_keys[i].change == KEY_RESTART ||
                          config_keys[i].change == KEY_LIVE, "%s", config_keys[i].name);
}

/* Red when the comparison omits a key, or when keys are applied before all are compared. */
Test(reload, each_key_that_cannot_change_is_refused_by_name_and_nothing_applied) {
        unsigned n = 0;

        for (size_t i = 0; i < config_n_keys; i++) {
                const struct config_key *key = &config_keys[i];
                struct reload reload;
                char expected[200];
                const char *log;

                if (key->change == KEY_LIVE)
                        continue;
                reload = begin(FIRST);
                make_other(reload.config, key);
                config_fixture_write("sfshmd.conf", FIRST OTHERS);
                cr_assert_eq(reload_config(&reload), -EBUSY, "%s", key->name);
                log = capture_take();
                snprintf(expected, sizeof(expected), "restart needed: %s is \"%s\" and cannot "
                         "become \"", key->name, text_of(reload.config, key));
                cr_assert_contains(log, expected);
                cr_assert_null(strstr(strstr(log, "restart needed") + 1, "restart needed"));
                cr_assert_contains(log, "the new configuration is not applied: restore that "
                                        "key, or restart sfshmd");
                cr_assert_eq(reload.config->uid_clients, 1024);
                cr_assert_eq(reload.config->clock.on_rollback, GUARD_OFFSET);
                cr_assert_eq(reload.config->weights.n, 0);
                config_free(reload.config);
                n++;
        }
        cr_assert_gt(n, 10);
}

Test(reload, several_are_all_named) {
        struct reload reload = begin(FIRST);
        const char *log;

        config_fixture_write("sfshmd.conf",
                             FIRST "count = 2\n[daemon]\nmax_clients = 5\nshm = /other\n");
        cr_assert_eq(reload_config(&reload), -EBUSY);
        log = capture_take();
        cr_assert_contains(log, "daemon.max_clients is \"4096\" and cannot become \"5\"");
        cr_assert_contains(log, "daemon.shm is \"/sfshm\" and cannot become \"/other\"");
        cr_assert_contains(log, "workers.count is \"1\" and cannot become \"2\"");
        cr_assert_contains(log, "restore those keys, or restart sfshmd");
        config_free(reload.config);
}

/* And back again. Red when a field is not taken over. */
Test(reload, each_key_that_can_change_is_applied_and_named) {
        struct reload reload = begin(FIRST);
        struct config *others = config_fixture_load(FIRST OTHERS, NULL);
        const char *const files[] = { FIRST OTHERS, FIRST };

        for (unsigned round = 0; round < 2; round++) {
                const char *log;

                config_fixture_write("sfshmd.conf", files[round]);
                cr_assert_eq(reload_config(&reload), 0, "%s", capture_take());
                log = capture_take();
                for (size_t i = 0; i < config_n_keys; i++) {
                        const struct config_key *key = &config_keys[i];
                        bool as_others = strcmp(text_of(reload.config, key),
                                                text_of(others, key)) == 0;
                        char expected[200];

                        cr_expect_eq(as_others, round == 0 || key->change == KEY_RESTART, "%s",
                                     key->name);
                        snprintf(expected, sizeof(expected), "%s is now \"%s\" (was \"",
                                 key->name, text_of(reload.config, key));
                        cr_expect_eq(strstr(log, expected) != NULL, key->change == KEY_LIVE,
                                     "%s in %s", expected, log);
                }
        }
        config_free(reload.config);
        config_free(others);
}

/* Others hold pointers to it. Red when all of the configuration is swapped. */
Test(reload, text_stays_where_it_is) {
        struct reload reload = begin(FIRST);
        struct config before = *reload.config;

        config_fixture_write("sfshmd.conf", FIRST OTHERS);
        cr_assert_eq(reload_config(&reload), 0);
        cr_assert_eq(reload.config->state_dir, before.state_dir);
        cr_assert_eq(reload.config->socket, before.socket);
        cr_assert_eq(reload.config->shm, before.shm);
        cr_assert_str_eq(before.state_dir, "/var/lib/sfshm");
        config_free(reload.config);
}

Test(reload, what_cannot_be_loaded_changes_nothing) {
        struct reload reload = begin(FIRST "[limits]\nuid_lanes = 77\n");
        const char *log;

        config_fixture_write("sfshmd.conf", FIRST "[limits]\nuid_lanes = 78\nuid_clients = x\n");
        cr_assert_eq(reload_config(&reload), -EINVAL);
        log = capture_take();
        cr_assert_contains(log, "sfshmd.conf:5: limits.uid_clients = \"x\" is not allowed");
        cr_assert_contains(log, "the old one stays in force");
        cr_assert_eq(unlink(config_fixture.path), 0);
        cr_assert_eq(reload_config(&reload), -ENOENT);
        cr_assert_contains(capture_take(), "the old one stays in force");
        cr_assert_eq(reload.config->uid_lanes, 77);
        config_free(reload.config);
}

/* --set stays in force. */
Test(reload, the_command_line_wins_again) {
        char *sets[] = { "limits.uid_lanes=5", NULL };
        struct reload reload = { .config = config_fixture_load(FIRST, sets),
                                 .path = config_fixture.path,
                                 .sets = sets };

        config_fixture_write("sfshmd.conf", FIRST "[limits]\nuid_lanes = 6\nuid_clients = 6\n");
        cr_assert_eq(reload_config(&reload), 0);
        cr_assert(reload.config->uid_lanes == 5 && reload.config->uid_clients == 6);
        cr_assert_contains(capture_take(), "keys that changed: 1 ");
        config_free(reload.config);
}
