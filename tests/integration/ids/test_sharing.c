/* SPDX-License-Identifier: MIT */
/*
 * Who gets how much, by caps and weights: the real daemon, clients of several
 * uids. Root only. How fast the machine is decides nothing: a cap is an upper
 * bound, and shares are compared by the width of a client's ticks.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define UID_ONE 1001u
#define UID_OTHER 1002u
#define TAKERS_MAX 32u
#define SEQUENCE_BITS 12u
#define WORKER_BITS 10u
#define MEASURE_NS INT64_C(2000000000)
#define MEASUREMENTS_MAX 10u

TestSuite(sharing, .timeout = 120);

/* One process with one handle, which takes all it can get. */
struct taker {
        _Atomic int result;     /* of the open: 1 not yet, 0 or -errno */
        _Atomic uint64_t ids;
        _Atomic uint64_t ticks; /* in which it had some */
        uint64_t ids_before, ticks_before;
        uid_t uid;
        pid_t pid;
};

static struct private_daemon d;
static struct taker *takers;
static unsigned n_takers;

static void need_root(void) {
        if (geteuid() != 0)
                cr_skip_test("only root can be several users");
}

static void begin(void) {
        need_root();
        takers = mmap(NULL, TAKERS_MAX * sizeof(*takers), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(takers, MAP_FAILED);
        n_takers = 0;
        private_daemon_prepare(&d);
        private_daemon_set(&d, "daemon.socket_mode=0666");
}

static void stop_takers(void) {
        for (unsigned i = 0; i < n_takers; i++) {
                kill(takers[i].pid, SIGKILL);
                cr_assert_eq(waitpid(takers[i].pid, NULL, 0), takers[i].pid);
        }
        n_takers = 0;
}

static void end(void) {
        stop_takers();
        munmap(takers, TAKERS_MAX * sizeof(*takers));
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static void take(struct taker *taker) {
        uint64_t first, tick = 0;
        uint32_t count;
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        /* relaxed: numbers on their own, here and where they are read */
        atomic_store_explicit(&taker->result, r, memory_order_relaxed);
        while (r == 0) {
                r = sfshm_next_span(s, 1u << (SEQUENCE_BITS + WORKER_BITS), &first, &count);
                if (r < 0)
                        break;
                if (first >> (SEQUENCE_BITS + WORKER_BITS) != tick)
                        atomic_fetch_add_explicit(&taker->ticks, 1, memory_order_relaxed);
                tick = first >> (SEQUENCE_BITS + WORKER_BITS);
                atomic_fetch_add_explicit(&taker->ids, count, memory_order_relaxed);
        }
        while (r == -EDQUOT) /* refused: until it is killed */
                pause();
        _exit(1);
}

static bool has_opened(void *context) {
        struct taker *taker = context;

        return atomic_load_explicit(&taker->result, memory_order_relaxed) != 1;
}

/* Returns when it is attached, or refused. */
static struct taker *start_taker(uid_t uid) {
        struct taker *taker = &takers[n_takers++];
        pid_t pid;

        cr_assert_leq(n_takers, TAKERS_MAX);
        *taker = (struct taker){ .result = 1, .uid = uid };
        pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
                    setresuid(uid, uid, uid) < 0)
                        _exit(126);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                take(taker);
        }
        taker->pid = pid; /* the child's page as well: not before it is known */
        cr_assert(wait_until(has_opened, taker, 60000));
        return taker;
}

static uint64_t ids_of(uid_t uid) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < n_takers; i++)
                if (takers[i].uid == uid)
                        sum += atomic_load_explicit(&takers[i].ids, memory_order_relaxed);
        return sum;
}

static void pass(int64_t ns) {
        int64_t until = test_monotonic_ns() + ns;

        while (test_monotonic_ns() < until)
                nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static void mark(void) {
        for (unsigned i = 0; i < n_takers; i++) {
                takers[i].ids_before = atomic_load(&takers[i].ids);
                takers[i].ticks_before = atomic_load(&takers[i].ticks);
        }
}

/* Positions per tick of all its processes together, since the mark: of the ticks
 * in which each ran, for the scheduler may keep it from others. */
static double width_of(uid_t uid) {
        double width = 0;

        for (unsigned i = 0; i < n_takers; i++) {
                uint64_t ticks = atomic_load(&takers[i].ticks) - takers[i].ticks_before;

                if (takers[i].uid == uid && ticks > 0)
                        width += (double)(atomic_load(&takers[i].ids) - takers[i].ids_before) /
                                 (double)ticks;
        }
        return width;
}

static void expect_capped(unsigned cap, unsigned processes, unsigned admitted) {
        unsigned in = 0;
        uint64_t before, ids;
        int64_t begun;

        private_daemon_set(&d, "caps.uid.%u=%u", UID_ONE, cap);
        private_daemon_start(&d);
        start_taker(UID_OTHER);
        /* from before the first one: coming buys nothing either */
        begun = test_monotonic_ns();
        before = ids_of(UID_ONE);
        for (unsigned i = 0; i < processes; i++) {
                int r = atomic_load(&start_taker(UID_ONE)->result);

                cr_assert(r == 0 || r == -EDQUOT, "%s", sfshm_strerror(r));
                in += r == 0;
        }
        cr_expect_eq(in, admitted, "%u were admitted", in);
        mark();
        pass(MEASURE_NS);
        ids = ids_of(UID_ONE) - before;
        cr_expect_gt(ids, 0);
        cr_expect_leq((double)ids, 1.05 * cap * (double)(test_monotonic_ns() - begun) / 1e9 +
                      2.0 * cap / 1000, "%lu IDs", (unsigned long)ids);
        cr_expect_geq(width_of(UID_OTHER), 0.9 * (1 << SEQUENCE_BITS) - cap / 1000.0);
}

/*
 * A position for each: the other fifteen are refused, and the log says why. Red
 * when each lane may have the whole cap in stock, as before caps.c.
 */
Test(sharing, more_processes_than_the_cap_has_positions) {
        begin();
        expect_capped(5000, 20, 5);
        end();
}

/* Red when what stands and what is planned are not counted together: idle lanes
 * in gather() (elastic.c), and newcomers that do not wait (standing.c). */
Test(sharing, many_processes_under_one_cap) {
        begin();
        expect_capped(30000, 20, 20);
        end();
}

static bool is_four(double ratio) {
        return ratio >= 4 * 0.8 && ratio <= 4 * 1.25;
}

/* On a loaded machine takers miss ticks, and what they leave goes to the others: measured
 * again until the processor was shared well enough. */
static double ratio(unsigned of_one, unsigned of_other) {
        double r = 0;

        for (unsigned i = 0; i < of_one; i++)
                cr_assert_eq(atomic_load(&start_taker(UID_ONE)->result), 0);
        for (unsigned i = 0; i < of_other; i++)
                cr_assert_eq(atomic_load(&start_taker(UID_OTHER)->result), 0);
        pass(1000000000);
        for (unsigned i = 0; i < MEASUREMENTS_MAX && !is_four(r); i++) {
                mark();
                pass(MEASURE_NS);
                r = width_of(UID_OTHER) / width_of(UID_ONE);
        }
        stop_takers();
        return r;
}

/* 1:4, whatever the number of connections. Red when the lanes share the run
 * without their uids (fair_share.c), or with the weights of nobody (account.c). */
Test(sharing, weights_of_users) {
        static const unsigned processes[][2] = { { 1, 1 }, { 6, 1 }, { 1, 3 } };

        begin();
        private_daemon_set(&d, "weights.uid.%u=4", UID_OTHER);
        private_daemon_start(&d);
        for (unsigned i = 0; i < 3; i++) {
                double r = ratio(processes[i][0], processes[i][1]);

                cr_expect(is_four(r), "%u against %u processes: 1:%.2f",
                          processes[i][0], processes[i][1], r);
        }
        end();
}
