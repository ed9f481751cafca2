/* SPDX-License-Identifier: MIT */
/*
 * The table "What happens when" of shm/PROTOCOL.md, produced: each event happens to
 * the daemon's own code with the default configuration, in simulated time, while a
 * client takes an ID in each tick. The page must hold the same table. With
 * SFSHM_PRINT=1 it is printed, to be pasted there.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define BEGIN "<!-- event table: written by tests/sim/test_event_table.c -->\n"
#define END "<!-- end of the event table -->\n"
#define REATTACH_NS SECOND /* the library's longest backoff */
#define PHASES 6
#define PHASE_NS (5300 * MS) /* together a bit more than from one write of the fence to the next */

static struct sim_client *const client = &world.clients[0];

/* ---- events */

/* The client takes what it can get, each tick at first, later not as often. */
static void watch(int64_t ns) {
        int64_t end_ns = world.true_ns + ns, fine_ns = world.true_ns + 2 * SECOND;

        while (world.true_ns < end_ns) {
                world.poll_ns = world.true_ns < fine_ns ? MS : 20 * MS;
                world_pass(world.poll_ns);
        }
}

static void away(int64_t ns) {
        watch(ns);
        cr_assert_eq(daemon_start(), 0);
        clients_cut_off(REATTACH_NS);
        watch(2 * MINUTE);
}

static void step(int64_t by_ns, int64_t ns) {
        world_step(by_ns, 0);
        watch(ns);
}

static void reboot(bool clean, int64_t wall_error_ns, int64_t ns) {
        world_reboot(clean, 5 * SECOND, wall_error_ns);
        cr_assert_eq(daemon_start(), 0);
        client->attach_ns = world.boot_ns;
        watch(ns);
}

static void nothing(void) {
        watch(5 * MINUTE);
}

static void client_crash(void) {
        client_leave(&world.clients[1]);
        watch(MINUTE);
}

static void stop_8_s(void) {
        daemon_stop();
        away(8 * SECOND);
}

static void kill_8_s(void) {
        daemon_kill();
        away(8 * SECOND);
}

static void kill_1_min(void) {
        daemon_kill();
        away(MINUTE);
}

static void disk_full(int64_t ns) {
        world.disk_full = true;
        watch(ns);
        world.disk_full = false;
        world.disk_good_ns = world.boot_ns;
        watch(2 * MINUTE);
}

static void disk_full_20_s(void) {
        disk_full(20 * SECOND);
}

static void disk_full_5_min(void) {
        disk_full(5 * MINUTE);
}

static void files_removed(void) {
        memset(world.files, 0, sizeof(world.files));
        watch(MINUTE);
}

static void files_removed_stop(void) {
        memset(world.files, 0, sizeof(world.files));
        daemon_stop();
        away(SECOND);
}

static void files_removed_kill(void) {
        memset(world.files, 0, sizeof(world.files));
        daemon_kill();
        away(SECOND);
}

static void ledger_removed_kill(void) {
        world.files[1].map = NULL;
        daemon_kill();
        away(SECOND);
}

static void reboot_clean(void) {
        reboot(true, 0, 2 * MINUTE);
}

static void reboot_crash(void) {
        reboot(false, 0, 2 * MINUTE);
}

static void reboot_behind(void) {
        reboot(true, -HOUR, 10 * MINUTE);
        step(HOUR, MINUTE);
}

static void reboot_ahead(void) {
        reboot(true, HOUR, MINUTE);
        reboot(true, -HOUR, 2 * HOUR);
}

static void back_1_ms(void) {
        step(-MS, MINUTE);
}

static void back_100_ms(void) {
        step(-100 * MS, MINUTE);
}

static void leap_second(void) {
        step(-SECOND, 3 * MINUTE);
}

static void back_30_s(void) {
        step(-30 * SECOND, 30 * MINUTE);
}

static void back_1_h(void) {
        step(-HOUR, 90 * MINUTE);
}

static void accept_after_10_s(void) {
        watch(10 * SECOND);
        cr_assert_eq(daemon_accept(), 0);
        watch(MINUTE);
}

static void back_accepted(void) {
        world_step(-HOUR, 0);
        accept_after_10_s();
}

static void forward_50_ms(void) {
        step(50 * MS, MINUTE);
}

static void forward_10_s(void) {
        step(10 * SECOND, MINUTE);
}

static void forward_1_h(void) {
        step(HOUR, MINUTE);
}

static void forward_accepted(void) {
        world_step(HOUR, 0);
        accept_after_10_s();
}

static void forward_and_back(void) {
        step(HOUR, MINUTE);
        step(-HOUR, MINUTE);
}

static void step_disk_full(void) {
        world.disk_full = true;
        step(50 * SECOND, 20 * SECOND);
        world.disk_full = false;
        world.disk_good_ns = world.boot_ns;
        watch(MINUTE);
}

static void flapping(void) {
        for (int i = 0; i < 30; i++)
                step(i % 2 == 0 ? -5 * SECOND : 5 * SECOND, SECOND);
        watch(MINUTE);
}

static void suspend(void) {
        world_suspend(HOUR);
        world.measured.last_ns += HOUR; /* nobody wanted any meanwhile */
        /* the timer was due long ago */
        watch(MINUTE);
}

static void cloned(void) {
        world.cloned = true;
        daemon_round();
        accept_after_10_s();
}

static const struct event {
        const char *what;
        void (*happen)(void);
        bool policies; /* a row for each clock.on_rollback, where they differ */
        const char *then;
} events[] = {
        { "nothing", nothing, false, "" },
        { "another client crashes", client_crash, false,
          "others use what it held after at most 15 s" },
        { "daemon stopped, back after 8 s", stop_8_s, false,
          "clients re-attach by themselves" },
        { "daemon killed, back after 8 s", kill_8_s, false, "the same" },
        { "daemon killed, back after 1 min", kill_1_min, false,
          "the same, after up to 1 s of backoff" },
        { "state directory not writable for 20 s", disk_full_20_s, false,
          "the fence is raised in time" },
        { "state directory not writable for 5 min", disk_full_5_min, false,
          "FAILED, STUCK from the fence on; ends by itself, within a second once the disk is good" },
        { "files in `/dev/shm` removed", files_removed, false, "`sfshm-stat` finds no daemon" },
        { "the same, then the daemon is stopped and started", files_removed_stop, true,
          "waits for the last promise" },
        { "the same, then the daemon is killed and started", files_removed_kill, true,
          "waits for the fence" },
        { "only the ledger removed, daemon killed and started", ledger_removed_kill, false,
          "waits for the fence, by any policy" },
        { "clean stop, reboot of 5 s", reboot_clean, true, "waits for the last promise" },
        { "crash of the host, reboot of 5 s", reboot_crash, true, "waits for the fence" },
        { "reboot with the wall clock 1 h behind, set right after 10 min", reboot_behind, false,
          "when the wall clock is set right" },
        { "reboot with the wall clock 1 h ahead, another with it right", reboot_ahead, false,
          "waits for the last ID issued ahead" },
        { "wall clock set back by 1 ms", back_1_ms, false, "too small to notice" },
        { "wall clock set back by 100 ms", back_100_ms, true, "slewed away" },
        { "wall clock set back by 1 s, a leap second", leap_second, true,
          "when the wall clock has caught up; slewed away" },
        { "wall clock set back by 30 s", back_30_s, true, "the same" },
        { "wall clock set back by 1 h", back_1_h, true, "the same" },
        { "the same, accepted after 10 s", back_accepted, true,
          "`sfshm clock accept`; slewed away" },
        { "wall clock set forward by 50 ms", forward_50_ms, false, "slewed away" },
        { "wall clock set forward by 10 s", forward_10_s, false, "followed" },
        { "wall clock set forward by 1 h", forward_1_h, false,
          "HELD: IDs continue at the old time, with an alarm" },
        { "the same, set back after 1 min", forward_and_back, false, "ends by itself" },
        { "the same, accepted after 10 s", forward_accepted, false, "`sfshm clock accept`" },
        { "wall clock set forward by 50 s, disk full for 20 s", step_disk_full, false,
          "followed once the fence is written" },
        { "wall clock flapping by 5 s each second for 30 s", flapping, true, "ends by itself" },
        { "suspend for 1 h", suspend, false, "the fence is written again" },
        { "machine cloned or reverted, accepted after 10 s", cloned, false,
          "`sfshm clock accept`" },
};

/* ---- the table */

struct result {
        int64_t gap_ns, error_ns;
};

static struct result happens(const struct event *event, enum guard_rollback policy) {
        struct result worst = { 0 };

        for (int phase = 0; phase < PHASES; phase++) {
                world_begin(0, true, 10 * YEAR);
                world.config.clock.on_rollback = policy;
                cr_assert_eq(daemon_start(), 0);
                for (unsigned i = 0; i < 2; i++)
                        world.clients[i].attach_ns = world.boot_ns;
                world_pass(MINUTE + phase * PHASE_NS);
                world.measured.error_ns = world.measured.gap_ns = 0;
                event->happen();
                if (world.measured.gap_ns > worst.gap_ns)
                        worst.gap_ns = world.measured.gap_ns;
                if (world.measured.error_ns > worst.error_ns)
                        worst.error_ns = world.measured.error_ns;
                world_end();
        }
        return worst;
}

static const char *duration(int64_t ns, char text[32]) {
        if (ns < 5 * MS)
                snprintf(text, 32, "none");
        else if (ns < 995 * MS)
                snprintf(text, 32, "%ld ms", (long)((ns + 5 * MS) / (10 * MS) * 10));
        else if (ns < 10 * MINUTE)
                snprintf(text, 32, "%ld s", (long)((ns + SECOND / 2) / SECOND));
        else
                snprintf(text, 32, "%ld min", (long)((ns + MINUTE / 2) / MINUTE));
        return text;
}

static size_t row(char *at, size_t room, const struct event *event, const char *policy,
                  const struct result *result) {
        char gap[32], error[32];

        return (size_t)snprintf(at, room, "| %s%s | %s | %s | %s |\n", event->what, policy,
                                duration(result->gap_ns, gap), duration(result->error_ns, error),
                                event->then);
}

static bool same(const struct result *a, const struct result *b) {
        char text[4][32];

        return strcmp(duration(a->gap_ns, text[0]), duration(b->gap_ns, text[1])) == 0 &&
               strcmp(duration(a->error_ns, text[2]), duration(b->error_ns, text[3])) == 0;
}

static size_t rows(char *at, size_t room, const struct event *event) {
        static const char *const names[] = { ": `offset`", ": `wait`", ": `fail`",
                                             ": `wait`, `fail`" };
        struct result results[3];
        size_t size;

        results[0] = happens(event, GUARD_OFFSET);
        if (!event->policies)
                return row(at, room, event, "", &results[0]);
        results[1] = happens(event, GUARD_WAIT);
        results[2] = happens(event, GUARD_FAIL);
        if (same(&results[0], &results[1]) && same(&results[0], &results[2]))
                return row(at, room, event, "", &results[0]);
        size = row(at, room, event, names[0], &results[0]);
        if (same(&results[1], &results[2]))
                return size + row(at + size, room - size, event, names[3], &results[1]);
        for (int i = 1; i < 3; i++)
                size += row(at + size, room - size, event, names[i], &results[i]);
        return size;
}

static char *page(void) {
        char path[4096];
        char *text = calloc(1, 1 << 18);
        FILE *file;

        snprintf(path, sizeof(path), "%s/shm/PROTOCOL.md", getenv("SFSHM_SOURCE"));
        file = fopen(path, "r");
        cr_assert_not_null(file, "%s", path);
        cr_assert_gt(fread(text, 1, (1 << 18) - 1, file), 0);
        fclose(file);
        return text;
}

Test(event_table, is_that_of_the_protocol_page) {
        static char table[1 << 16];
        char *text = page(), *begin = strstr(text, BEGIN), *end = strstr(text, END);
        size_t size = 0;

        size += (size_t)snprintf(table, sizeof(table),
                                 "| event | gap without IDs | worst error of a tick | then |\n"
                                 "|---|---|---|---|\n");
        for (size_t i = 1; i < sizeof(events) / sizeof(events[0]); i++)
                size += rows(table + size, sizeof(table) - size, &events[i]);
        if (getenv("SFSHM_PRINT") != NULL)
                fputs(table, stderr);
        cr_assert(begin != NULL && end != NULL && end > begin, "PROTOCOL.md has no event table");
        begin += strlen(BEGIN);
        cr_assert((size_t)(end - begin) == size && memcmp(begin, table, size) == 0,
                  "shm/PROTOCOL.md must hold this table, between its marks:\n%s", table);
        free(text);
}

/* The measure itself. */
Test(event_table, nothing_is_no_event) {
        struct result result = happens(&events[0], GUARD_OFFSET);

        cr_assert_lt(result.gap_ns, 3 * MS);
        cr_assert_lt(result.error_ns, 3 * MS);
}
