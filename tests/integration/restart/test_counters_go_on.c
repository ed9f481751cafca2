/* SPDX-License-Identifier: MIT */
/*
 * The host's counters go on over kill -9 of the daemon: none falls, and IDs are what the
 * client itself has counted. Red without continue_earlier() and client_counted().
 */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/integration/support/fdstore.h"
#include "tests/support/sanitized.h"
#include "tests/support/tool.h"

TestSuite(counters_go_on, .timeout = 300);

static atomic_bool stop;
static atomic_uint_fast64_t taken;
static struct tool_result now, before;

static void *take(void *s) {
        uint64_t id;

        while (!stop) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                /* relaxed: read after the thread has ended */
                atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
        }
        return NULL;
}

static void look(void) {
        tool_run(&now, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--prometheus", "--socket", fdstore.daemon.socket), "", 0);
        cr_assert_eq(now.status, 0, "%s", now.err);
}

static const char *next_line(const char *line) {
        line = strchr(line, '\n');
        return line == NULL || line[1] == '\0' ? NULL : line + 1;
}

/* The line of that name and label, or NULL. */
static const char *find(const char *text, const char *name, size_t length) {
        for (const char *line = text; line != NULL; line = next_line(line))
                if (strncmp(line, name, length) == 0)
                        return line;
        return NULL;
}

static bool counts(const char *name, size_t length) {
        static const char *const marks[] = { "_total", "_bucket", "_count", "_sum" };
        size_t end = strcspn(name, "{ ");

        for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
                if (end <= length && end > strlen(marks[i]) &&
                    strncmp(name + end - strlen(marks[i]), marks[i], strlen(marks[i])) == 0)
                        return true;
        return false;
}

static void expect_none_falls(void) {
        before = now;
        look();
        for (const char *line = before.out; line != NULL; line = next_line(line)) {
                size_t length = strcspn(line, "\n");
                const char *space = memchr(line, ' ', length), *other;

                if (line[0] == '#' || space == NULL || !counts(line, length))
                        continue;
                other = find(now.out, line, (size_t)(space - line) + 1);
                cr_assert_not_null(other, "%.*s is gone", (int)length, line);
                cr_expect_geq(strtod(strchr(other, ' '), NULL), strtod(space, NULL),
                              "%.*s fell to %.*s", (int)length, line,
                              (int)strcspn(other, "\n"), other);
        }
}

static double shown_ids(void) {
        double ids = 0;

        look();
        for (const char *line = now.out; line != NULL; line = next_line(line))
                if (strncmp(line, "sfshm_ids_total{", 16) == 0)
                        ids += strtod(strchr(line, ' '), NULL);
        return ids;
}

static bool shows_all(void *own) {
        return shown_ids() >= *(const double *)own * 0.999;
}

Test(counters_go_on, over_five_kills) {
        const long pause_ms = getenv("SFSHM_LONG") != NULL ? 10000 : 1200;
        pthread_t thread;
        double own;
        sfshm *s;

        fdstore_begin();
        s = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        cr_assert_eq(pthread_create(&thread, NULL, take, s), 0);
        look();
        for (int i = 0; i < 5; i++) {
                int64_t until = test_monotonic_ns() + (pause_ms + 137 * i) * 1000000;

                while (test_monotonic_ns() < until) {
                        expect_none_falls();
                        service_manager_pump(&fdstore.manager);
                        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
                }
                private_daemon_signal(&fdstore.daemon, SIGKILL, true);
                service_manager_start(&fdstore.manager);
                expect_none_falls();
        }
        stop = true;
        pthread_join(thread, NULL);
        own = (double)taken;
        cr_expect(fdstore_goes_on(s), "it attached anew");
        cr_expect(wait_until(shows_all, &own, LIMIT_MS), "%.0f of %.0f", shown_ids(), own);
        cr_expect_leq(fabs(shown_ids() / own - 1), 0.001, "%.0f of %.0f", shown_ids(), own);
        fprintf(stderr, "%.0f IDs by the client, %.0f by the daemon: %+.4f %%\n", own, shown_ids(),
                (shown_ids() / own - 1) * 100);
        sfshm_close(s);
        fdstore_end();
}
