/* SPDX-License-Identifier: MIT */
/* Upgrades and downgrades under load: clients stay attached throughout. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shm/ledger.h"
#include "tests/skew/release.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"

TestSuite(upgrade, .timeout = 240);

#define TAKERS 4u
#define NS_PER_S INT64_C(1000000000)

static struct private_daemon d;

/* What the takers tell; shared memory. */
struct report {
        _Atomic int stop;
        struct {
                _Atomic uint64_t failures;
                _Atomic int64_t longest_ns; /* from one ID to the next */
                _Atomic int error;          /* the last that failed */
        } takers[TAKERS];
};
static struct report *report;
static struct arena *arena;

/* As fast as it goes. */
static void take(const struct release *library, size_t part) {
        int64_t before = 0;
        sfshm *s = NULL;

        if (library->open(&s, d.socket, 0) < 0)
                _exit(1);
        while (!report->stop) {
                uint64_t id;
                int r = library->next(s, &id);
                int64_t now = test_monotonic_ns();

                if (r < 0) {
                        report->takers[part].failures++;
                        report->takers[part].error = r;
                        sched_yield();
                        continue;
                }
                if (before != 0 && now - before > report->takers[part].longest_ns)
                        report->takers[part].longest_ns = now - before;
                before = now;
                arena_add(arena, part, id);
        }
        library->close(s);
        _exit(0);
}

static void begin(const char *const libraries[TAKERS]) {
        report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
        arena = arena_new(TAKERS, 32 << 20);
        for (size_t i = 0; i < TAKERS; i++) {
                struct release library = release_load(libraries[i]);

                if (fork_bound() == 0)
                        take(&library, i);
        }
}

static bool all_take(void *context) {
        const size_t *before = context;

        for (size_t i = 0; i < TAKERS; i++)
                if (arena->parts[i].used < before[i] + 5000)
                        return false;
        return true;
}

/* Until the clients are old enough to hold a standing reservation, and each has
 * gone on for a while. */
static void go_on(int64_t ns) {
        int64_t until = test_monotonic_ns() + ns;
        size_t before[TAKERS];

        for (size_t i = 0; i < TAKERS; i++)
                before[i] = arena->parts[i].used;
        cr_assert(wait_until(all_take, before, 60000), "a client gets no IDs");
        while (test_monotonic_ns() < until)
                sched_yield();
}

/* What was before does not count. */
static void forget_pauses(void) {
        for (size_t i = 0; i < TAKERS; i++)
                report->takers[i].longest_ns = 0;
}

static int64_t longest_ns(void) {
        int64_t longest = 0;

        for (size_t i = 0; i < TAKERS; i++)
                if (report->takers[i].longest_ns > longest)
                        longest = report->takers[i].longest_ns;
        return longest;
}

static uint64_t failures(int *ret_error) {
        uint64_t sum = 0;

        for (size_t i = 0; i < TAKERS; i++) {
                sum += report->takers[i].failures;
                if (report->takers[i].error != 0)
                        *ret_error = report->takers[i].error;
        }
        return sum;
}

static void end(void) {
        report->stop = 1;
        expect_children(TAKERS);
        arena_expect_unique(arena);
        for (size_t i = 0; i < TAKERS; i++)
                arena_expect_increasing(arena, i);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
        munmap(report, sizeof(*report));
}

/* Goes over to the daemon of that release. */
static void change_to(const char *release, int signal) {
        private_daemon_signal(&d, signal, true);
        d.binary = release_daemon(release);
        private_daemon_start(&d);
}

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

static void expect_no_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_null(strstr(log, part), "\"%s\" is in the log:\n%s", part, log);
        free(log);
}

/*
 * A1: the daemons differ in protocol and statistics, their ledger is the same:
 * nobody is refused or waits, whatever the direction. Red when the ledger is not
 * adopted.
 */
Test(upgrade, same_ledger) {
        static const char *const libraries[TAKERS] = { "this", "next", "this", "next" };
        int error = 0;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        begin(libraries);
        go_on(NS_PER_S * 3 / 2);
        forget_pauses();
        for (int i = 0; i < 4; i++) {
                change_to(i % 2 == 0 ? "next" : "this", i < 2 ? SIGTERM : SIGKILL);
                go_on(NS_PER_S * 3 / 2);
        }
        cr_assert_eq(failures(&error), 0, "the last: %s", sfshm_strerror(error));
        fprintf(stderr, "longest pause of a client in 4 restarts into another version: %.2f ms\n",
                (double)longest_ns() / 1e6);
        expect_no_log("clock-fence");
        expect_no_log(".ledger has version");
        end();
}

struct file {
        int fd;
        off_t size;
        uint8_t *copy;
};

static struct file keep(const char *segment) {
        char path[160];
        struct file file;
        struct stat st;

        snprintf(path, sizeof(path), "/dev/shm%s.%s", d.shm, segment);
        file.fd = open(path, O_RDONLY | O_CLOEXEC);
        cr_assert_geq(file.fd, 0);
        cr_assert_eq(fstat(file.fd, &st), 0);
        file.size = st.st_size;
        file.copy = malloc((size_t)st.st_size);
        cr_assert_eq(pread(file.fd, file.copy, (size_t)st.st_size, 0), st.st_size);
        return file;
}

/* Rule 11: what was there lies there still, for whoever has it open, and the
 * name shows another file. */
static void expect_kept(struct file *file, const char *segment, bool replaced) {
        uint8_t *now = malloc((size_t)file->size);
        struct stat st, named;
        char path[160];

        snprintf(path, sizeof(path), "/dev/shm%s.%s", d.shm, segment);
        cr_assert_eq(fstat(file->fd, &st), 0);
        cr_assert_eq(stat(path, &named), 0);
        cr_assert_eq(st.st_size, file->size, "%s was truncated", segment);
        cr_assert_eq(named.st_ino != st.st_ino, replaced, "%s", segment);
        if (replaced) {
                cr_assert_eq(pread(file->fd, now, (size_t)st.st_size, 0), st.st_size);
                cr_assert_eq(memcmp(now, file->copy, (size_t)st.st_size), 0, "%s was changed",
                             segment);
        }
        close(file->fd);
        free(file->copy);
        free(now);
}

static bool served(void *context) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        (void)context;
        sfshm_close(s);
        return r == 0;
}

/*
 * The ledger is of another version, by number or by size as well: it is not
 * adopted, and clients live on what they hold until the clock is above the
 * fence. No ID twice, and the log says what happens and for how long. Red (a
 * duplicate) when a daemon that cannot read the ledger grants at once.
 */
static void other_ledger(const char *release, unsigned version, int signal) {
        static const char *const libraries[TAKERS] = { "this", "next", "this", "this" };
        char sentence[200];
        struct file ledger, statistics;
        uint64_t failed;
        int64_t before;
        int error = 0;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        private_daemon_start(&d);
        begin(libraries);
        go_on(NS_PER_S * 5 / 2);
        forget_pauses();
        private_daemon_signal(&d, signal, true);
        ledger = keep("ledger");
        statistics = keep("statistics");
        d.binary = release_daemon(release);
        private_daemon_start(&d);
        before = test_monotonic_ns();
        expect_kept(&ledger, "ledger", true);
        expect_kept(&statistics, "statistics", strcmp(release, "ledger") != 0);
        snprintf(sentence, sizeof(sentence), "%s.ledger has version 1, sfshmd other makes version "
                 "%u: it stays unchanged", d.shm, version);
        expect_log(sentence);
        cr_assert(wait_until(served, NULL, 60000));
        fprintf(stderr, "ledger of version %u after %s: new clients waited %.2f s, ", version,
                signal == SIGTERM ? "a clean stop" : "kill -9",
                (double)(test_monotonic_ns() - before) / 1e9);
        go_on(NS_PER_S / 2);
        failed = failures(&error);
        fprintf(stderr, "attached ones %.4f s at most, %" PRIu64 " calls failed (%s)\n",
                (double)longest_ns() / 1e9, failed, sfshm_strerror(error));
        cr_assert(error == 0 || error == -ETIME || error == -ENOTCONN, "%s",
                  sfshm_strerror(error));
        end();
}

Test(upgrade, other_ledger_after_a_clean_stop) {
        other_ledger("ledger", 2, SIGTERM);
}

Test(upgrade, other_ledger_after_a_crash) {
        other_ledger("ledger", 2, SIGKILL);
}

/* U1: all segments are of another version. Clients of this library cannot come
 * back, and say why; those of the other begin above what the first ones hold. */
Test(upgrade, everything_differs) {
        struct release new = release_load("older");
        static const char *const libraries[TAKERS] = { "this", "this", "this", "this" };
        uint64_t id, last = 0, first;
        int64_t until;
        sfshm *s = NULL;
        int r, error = 0;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        private_daemon_start(&d);
        begin(libraries);
        go_on(NS_PER_S * 5 / 2);
        change_to("older", SIGTERM);
        until = test_monotonic_ns() + 60 * NS_PER_S;
        while ((r = new.open(&s, d.socket, 0)) == -ETIME && test_monotonic_ns() < until)
                ;
        cr_assert_eq(r, 0, "%s", new.strerror(r));
        cr_assert_eq(new.next(s, &first), 0);
        while (test_monotonic_ns() < until &&
               (failures(&error) == 0 || error != -EPROTO)) {
                cr_assert_eq(new.next(s, &id), 0);
                last = id;
        }
        cr_assert_eq(error, -EPROTO, "%s", sfshm_strerror(error));
        cr_assert_gt(last, first);
        for (size_t i = 0; i < TAKERS; i++)
                cr_assert_lt(arena->parts[i].ids[arena->parts[i].used - 1], first,
                             "the new clock did not begin above what the old clients held");
        expect_log(".clock has version 1, sfshmd other makes version 0: it stays unchanged");
        new.close(s);
        end();
}
