/* SPDX-License-Identifier: MIT */
/* Daemon, library and tools of different releases: it works, or is refused by
 * name, with both versions and what to do. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/tool.h"
#include "tests/skew/release.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"

TestSuite(versions, .timeout = 240);

static const char *const releases[] = { "this", "next", "far" };
#define RELEASES (sizeof(releases) / sizeof(releases[0]))

static struct private_daemon d;
static struct tool_result result;

static void start(const char *release) {
        private_daemon_prepare(&d);
        d.binary = release_daemon(release);
        private_daemon_start(&d);
}

static void end(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

static void take(const struct release *library, sfshm *s, struct arena *arena, size_t part) {
        for (int i = 0; i < 2000; i++) {
                uint64_t id;
                int r = library->next(s, &id);

                cr_assert_eq(r, 0, "%s: %s", library->name, library->strerror(r));
                arena_add(arena, part, id);
        }
}

/* Does the daemon serve that library? They take IDs, or part with a reason. */
static void meet(const struct release *daemon, const struct release *library, struct arena *arena,
                 size_t part) {
        bool agree = library->version_max >= daemon->version_min &&
                     daemon->version_max >= library->version_min;
        sfshm *s = (sfshm *)&d;
        int r = library->open(&s, d.socket, 0);
        char sentence[160];

        cr_assert_eq(r, agree ? 0 : -EPROTO, "daemon %s, library %s: %s", daemon->name,
                     library->name, library->strerror(r));
        if (agree) {
                take(library, s, arena, part);
                library->close(s);
                return;
        }
        cr_assert_eq(s, (sfshm *)&d, "ret was touched");
        cr_assert_not_null(strstr(library->strerror(r), "install the same release"));
        snprintf(sentence, sizeof(sentence), "the library speaks versions %u to %u of the "
                 "protocol, this daemon %u to %u: install matching releases",
                 library->version_min, library->version_max, daemon->version_min,
                 daemon->version_max);
        expect_log(sentence);
}

/* A library which is refused disturbs nobody. Red when wire_agree() takes no
 * notice of either side's oldest version. */
Test(versions, protocols_agree_or_are_refused_by_name) {
        struct arena *arena;
        struct release loaded[RELEASES];

        for (size_t i = 0; i < RELEASES; i++)
                loaded[i] = release_load(releases[i]);
        for (size_t i = 0; i < RELEASES; i++) {
                arena = arena_new(RELEASES, 10000);
                start(releases[i]);
                for (size_t j = 0; j < RELEASES; j++)
                        meet(&loaded[i], &loaded[j], arena, j);
                meet(&loaded[i], &loaded[i], arena, i);
                arena_expect_unique(arena);
                end();
                arena_free(arena);
        }
}

/* U1: clients of this release and the next on one daemon at the same time. */
Test(versions, libraries_side_by_side) {
        struct release old = release_load("this"), new = release_load("next");
        struct arena *arena = arena_new(2, 100000);
        sfshm *a = NULL, *b = NULL;

        start("next");
        cr_assert_eq(old.open(&a, d.socket, 0), 0);
        cr_assert_eq(new.open(&b, d.socket, SFSHM_PARALLEL), 0);
        for (int i = 0; i < 20; i++) {
                take(&old, a, arena, 0);
                take(&new, b, arena, 1);
        }
        arena_expect_increasing(arena, 0);
        cr_assert_eq(arena_expect_unique(arena), 80000);
        old.close(a);
        new.close(b);
        end();
}

static void refused_for_layout(const char *daemon, const char *library) {
        struct release release = release_load(library);
        struct arena *arena = arena_new(1, 10000);
        sfshm *s = (sfshm *)&d;

        start(daemon);
        cr_assert_eq(release.open(&s, d.socket, 0), -EPROTO);
        cr_assert_eq(s, (sfshm *)&d, "ret was touched");
        release = release_load(daemon);
        cr_assert_eq(release.open(&s, d.socket, 0), 0);
        take(&release, s, arena, 0);
        release.close(s);
        end();
        arena_free(arena);
}

/* The protocol is the same, the segments are not, as no release may be. Red (a crash
 * or IDs) when check_clock() and check_grants() look at no version. */
Test(versions, an_older_layout_is_refused) {
        refused_for_layout("this", "older");
        refused_for_layout("older", "this");
}

static void run(const char *variable, const char *const arguments[]) {
        tool_run(&result, variable, arguments, "", 0);
        cr_assert_neq(result.status, 0, "%s does not mind", variable);
}

static void expect_said(const char *part) {
        cr_assert_not_null(strstr(result.err, part), "\"%s\" is not in: %s", part, result.err);
}

/* Red without explain(): the tool knows no more than -EPROTO. */
Test(versions, the_tool_says_what_to_install) {
        start("this");
        run("SFSHM_TOOL_FAR", TOOL_ARGUMENTS("--socket", d.socket, "next"));
        expect_said("the daemon says: the library speaks versions 3 to 5 of the protocol, this "
                    "daemon 1 to 1: install matching releases");
        run("SFSHM_TOOL_OLDER", TOOL_ARGUMENTS("--socket", d.socket, "next"));
        expect_said("the daemon's clock segment has version 1, this release understands 0: "
                    "install matching releases");
        end();
        start("far");
        run("SFSHM_TOOL", TOOL_ARGUMENTS("--socket", d.socket, "next"));
        expect_said("versions 1 to 1 of the protocol, this daemon 3 to 5");
        end();
}

/* Red when check_start() does not look at the version. */
Test(versions, the_statistics_say_what_to_use) {
        start("next");
        run("SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket));
        expect_said(".statistics has version 3, this sfshm-stat understands 2: use the one "
                    "that came with that sfshmd");
        tool_run(&result, "SFSHM_STAT_TOOL_NEXT",
                 TOOL_ARGUMENTS("--socket", d.socket), "", 0);
        cr_assert_eq(result.status, 0, "%s", result.err);
        cr_assert_not_null(strstr(result.out, "other, pid"), "%s", result.out);
        end();
        start("this");
        run("SFSHM_STAT_TOOL_NEXT", TOOL_ARGUMENTS("--socket", d.socket));
        expect_said(".statistics has version 2, this sfshm-stat-next understands 3");
        run("SFSHM_STAT_TOOL_OLDER", TOOL_ARGUMENTS("--socket", d.socket));
        expect_said(".clock has version 1, this sfshm-stat-older understands 0");
        end();
}

/* S1: a second daemon on the same shared memory sees that the first one runs,
 * though it cannot read its ledger, whatever size that has. Red when
 * other_version_find() takes no lock. */
Test(versions, two_daemons_on_one_shared_memory) {
        static const char *const others[] = { "ledger", "older" };

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                struct private_daemon second;
                char *log;

                start("this");
                private_daemon_prepare(&second);
                private_daemon_set(&second, "daemon.shm=%s", d.shm);
                second.binary = release_daemon(others[i]);
                cr_assert_neq(private_daemon_start_fails(&second), 0);
                log = private_daemon_log(&second);
                cr_assert_not_null(strstr(log, "is locked by another daemon, of another version"),
                                   "%s", log);
                free(log);
                private_daemon_remove(&second);
                end();
        }
}
