/* SPDX-License-Identifier: MIT */
/*
 * sfshm fence --above, end to end: whatever the shared memory of this boot still
 * holds, the next daemon gives no ID up to what was said, and no ID twice.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/tool.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(fence_above, .timeout = 180);

#define AHEAD_MS 6000 /* beyond the fence of a daemon that was killed: 4 s */

static struct private_daemon d;
static struct tool_result result;

static int64_t unix_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The lowest ID of AHEAD_MS from now on. */
static uint64_t id_ahead(void) {
        static const struct sfshm_layout layout = SFSHM_LAYOUT_DEFAULT;
        uint64_t id = 0;

        cr_assert_eq(sfshm_first_id(&layout, unix_ms() + AHEAD_MS, &id), 0);
        return id;
}

static uint64_t raise_ahead(void) {
        uint64_t id = id_ahead();
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
        (void)tool_run_with(&result, &d, TOOL_ARGUMENTS("fence", "--above", text));
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "the next sfshmd gives no ID below"), "%s",
                           result.out);
        return id;
}

struct taker {
        sfshm *s;
        struct arena *arena;
        size_t part;
        uint64_t above; /* taken IDs are either old promises or above that */
        uint64_t last;
};

static bool let_in(void *context) {
        struct taker *taker = context;

        return sfshm_open(&taker->s, d.socket, 0) == 0;
}

/* Until the first ID above; what comes before is kept as well. */
static bool taken_above(void *context) {
        struct taker *taker = context;

        while (sfshm_next(taker->s, &taker->last) == 0) {
                arena_add(taker->arena, taker->part, taker->last);
                if (taker->last > taker->above)
                        return true;
        }
        return false;
}

static void take_for(struct taker *taker, int64_t ms) {
        int64_t until = test_monotonic_ns() + ms * 1000000;

        while (test_monotonic_ns() < until) {
                cr_assert_eq(sfshm_next(taker->s, &taker->last), 0);
                arena_add(taker->arena, taker->part, taker->last);
        }
}

/* The new client first: what it gets is never an older promise. */
static void expect_above(struct taker *old, struct arena *arena, uint64_t above) {
        struct taker new = { .arena = arena, .part = 1, .above = above };

        old->above = above;
        cr_assert(wait_until(let_in, &new, 60000));
        cr_assert_eq(sfshm_next(new.s, &new.last), 0);
        cr_expect_gt(new.last, above, "%llu", (unsigned long long)new.last);
        arena_add(arena, 1, new.last);
        take_for(&new, 100);
        cr_assert(wait_until(taken_above, old, 60000), "the old client does not go on");
        take_for(old, 100);
        arena_expect_unique(arena);
        sfshm_close(new.s);
        sfshm_close(old->s);
}

static void begin(struct taker *old, struct arena *arena) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        *old = (struct taker){ .s = private_daemon_open(&d, 0), .arena = arena };
        cr_assert_eq(sfshm_set_timeout(old->s, 50000000), 0);
        while (reservation_left_ms(old->s) < 600)
                take_for(old, 20);
}

static void end(struct arena *arena) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/*
 * U1: ledger and clock of this boot survive, and would be gone on with. Red when
 * the ledger is not given up (no ledger_id_forget()): the first IDs are below.
 */
Test(fence_above, U1_in_the_same_boot_after_a_crash) {
        struct arena *arena = arena_new(2, 64 << 20);
        struct taker old;
        uint64_t above;

        begin(&old, arena);
        private_daemon_signal(&d, SIGKILL, true);
        above = raise_ahead();
        private_daemon_start(&d);
        expect_above(&old, arena, above);
        end(arena);
}

Test(fence_above, U1_in_the_same_boot_after_a_clean_stop_and_another_crash) {
        struct arena *arena = arena_new(2, 64 << 20);
        struct taker old;
        uint64_t above;

        begin(&old, arena);
        private_daemon_stop(&d);
        above = raise_ahead();
        private_daemon_start(&d);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        private_daemon_stop(&d);
        private_daemon_start(&d);
        expect_above(&old, arena, above);
        end(arena);
}

/* A clean stop while it waits must not bring the fence down again either. */
Test(fence_above, U1_after_a_reboot) {
        struct arena *arena = arena_new(2, 64 << 20);
        struct taker old;
        uint64_t above;

        begin(&old, arena);
        private_daemon_stop(&d);
        private_daemon_lose_segments(&d);
        above = raise_ahead();
        private_daemon_start(&d);
        private_daemon_stop(&d);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        expect_above(&old, arena, above);
        end(arena);
}

/* Red when the tool leaves out --config, or another status than sfshmd's comes back. */
Test(fence_above, the_tool_runs_sfshmd_with_the_same_options) {
        char path[128];
        FILE *file;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        (void)tool_run_with(&result, &d, TOOL_ARGUMENTS("fence", "--above", "1"));
        cr_expect_eq(result.status, 1);
        cr_expect_not_null(strstr(result.err, "stop it first"), "%s", result.err);
        private_daemon_stop(&d);
        (void)tool_run_with(&result, &d, TOOL_ARGUMENTS("fence", "--above", "yesterday"));
        cr_expect_eq(result.status, 2);
        cr_expect_not_null(strstr(result.err, "\"yesterday\" is neither"), "%s", result.err);
        (void)tool_run_with(&result, &d, TOOL_ARGUMENTS("fence", "--above", "2094-01-01T00:00:00Z"));
        cr_expect_eq(result.status, 3);
        cr_expect_not_null(strstr(result.err, "--force"), "%s", result.err);

        snprintf(path, sizeof(path), "%s/conf", d.directory);
        file = fopen(path, "we");
        cr_assert_not_null(file);
        fprintf(file, "[workers]\nfirst = 0\n[daemon]\nstate_dir = %s\n", d.state);
        fclose(file);
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("fence", "--above", "2094-01-01T00:00:00.5Z", "--force",
                                "--config", path),
                 "", 0);
        cr_expect_eq(result.status, 0, "%s", result.err);
        cr_expect_not_null(strstr(result.out, "(2094-01-01T00:00:00.500Z) now"), "%s", result.out);
        cr_expect_not_null(strstr(result.out, d.state), "%s", result.out);
        private_daemon_remove(&d);
}

static void make_script(const char *path) {
        FILE *file = fopen(path, "we");

        cr_assert_not_null(file);
        fputs("#!/bin/sh\necho \"$@\"\n", file);
        fclose(file);
        cr_assert_eq(chmod(path, 0755), 0);
}

/* Away from where it was built the tool runs the installed sfshmd, or that of $PATH,
 * or says that there is none. Red when an argument is lost, or execvp() is left out. */
Test(fence_above, the_tool_says_when_there_is_no_sfshmd) {
        char command[512], path[128];

        snprintf(path, sizeof(path), "%s/sfshmd", getenv("SFSHM_SBINDIR"));
        if (access(path, X_OK) == 0)
                cr_skip_test("%s is installed and would be run", path);
        private_daemon_prepare(&d);
        snprintf(path, sizeof(path), "%s/sfshm", d.directory);
        snprintf(command, sizeof(command), "cp %s %s", getenv("SFSHM_TOOL"), path);
        cr_assert_eq(system(command), 0);
        setenv("SFSHM_TOOL", path, 1);
        setenv("PATH", d.directory, 1);
        (void)tool_run_with(&result, &d, TOOL_ARGUMENTS("fence", "--above", "1"));
        cr_expect_eq(result.status, 1);
        cr_expect_not_null(strstr(result.err, "cannot run sfshmd"), "%s", result.err);
        snprintf(path, sizeof(path), "%s/sfshmd", d.directory);
        make_script(path);
        tool_run(&result, "SFSHM_TOOL",
                 TOOL_ARGUMENTS("fence", "--above", "1", "--set", "a=b", "--force", "-s", "c=d"),
                 "", 0);
        cr_expect_str_eq(result.out, "--fence-above 1 --force --set a=b --set c=d\n");
        private_daemon_remove(&d);
}
