/* SPDX-License-Identifier: MIT */
/*
 * S1: clients that write nonsense into their cursors page. They may invent
 * numbers for themselves, or get errors; nobody else may notice.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shm/statistics.h"

TestSuite(hostile_scribble, .timeout = 120);

static struct private_daemon d;

static uint64_t random_word(uint64_t *state) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return *state;
}

/* All ones, zeros, noise, the highest plausible: anywhere in the page. */
static void scribble(struct raw_client *client, uint64_t *state) {
        _Atomic uint64_t *words = client->words;
        uint64_t n = client->welcome.cursors_size / 8;

        for (int i = 0; i < 64; i++) {
                const uint64_t values[] = { UINT64_MAX, 0, random_word(state), INT64_MAX,
                                            (uint64_t)INT64_MAX + 1, UINT64_MAX - 5, 1 };

                atomic_store(&words[random_word(state) % n], values[random_word(state) % 7]);
        }
        switch (random_word(state) % 8) {
        case 0:
                memset(client->words, 0xff, client->welcome.cursors_size);
                break;
        case 1:
                memset(client->words, 0, client->welcome.cursors_size);
                break;
        case 2:
                (void)!fallocate(client->cursors, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                 client->welcome.cursors_size);
                break;
        default:
                break;
        }
}

/* Demands everything, all the time: so that the planner reads the page. */
static int scribble_for_ever(void *context) {
        uint64_t state = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) | 1;
        _Atomic uint64_t *begun = context;
        struct raw_client client;

        if (raw_attach(&d, 4, &client) < 0)
                return 1;
        atomic_fetch_add(begun, 1);
        for (uint32_t round = 0; getppid() != 1; round++) {
                struct wire_want want = { .header = wire_header_of(WIRE_WANT, WIRE_VERSION),
                                          .lane = round % client.welcome.lanes,
                                          .count = (uint32_t)random_word(&state) };

                scribble(&client, &state);
                if (send(client.socket, &want, sizeof(want), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
                    errno != EAGAIN)
                        return 1;
                nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        }
        return 0;
}

static bool two_began(void *context) {
        return atomic_load((_Atomic uint64_t *)context) == 2;
}

static void refresh(void) {
        struct wire_refresh message = { .header = wire_header_of(WIRE_REFRESH, WIRE_VERSION) };
        int fd = raw_connect(&d);

        cr_assert_geq(fd, 0);
        cr_assert_eq(send(fd, &message, sizeof(message), MSG_NOSIGNAL), (ssize_t)sizeof(message));
        close(fd);
}

struct totals {
        int64_t updated_ns;
        struct statistics_counters counters;
        uint64_t worker_ids, honest_ids, honest_waits;
        struct histogram_values waits;
};

static void copy_totals(const struct statistics_segment *s, struct totals *ret) {
        const struct statistics_client *clients =
                (const void *)((const char *)s + s->clients_offset);

        *ret = (struct totals){ .updated_ns = s->updated_boot_ns, .counters = s->counters,
                                .worker_ids = s->worker_ids[0] };
        ret->waits = s->histograms.wait_overflow;
        for (uint32_t i = 0; i < s->client_count; i++)
                if (clients[i].uid == UID_HONEST) {
                        ret->honest_ids += clients[i].ids;
                        ret->honest_waits += clients[i].overflow_wait_ns;
                }
}

/* A consistent snapshot which is newer than `*last`. */
static struct totals next_totals(const struct statistics_segment *s, int64_t newer_than_ns) {
        int64_t until = test_monotonic_ns() + 20 * INT64_C(1000000000);
        struct totals totals;
        uint64_t before;

        do {
                cr_assert_lt(test_monotonic_ns(), until, "no new statistics");
                refresh();
                nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
                before = atomic_load(&s->sequence);
                copy_totals(s, &totals);
                atomic_thread_fence(memory_order_acquire);
        } while ((before & 1) != 0 || atomic_load(&s->sequence) != before ||
                 totals.updated_ns <= newer_than_ns);
        return totals;
}

static const struct statistics_segment *map_statistics(void) {
        uint64_t size = statistics_segment_size(4096);
        char name[160];
        void *map;
        int fd;

        snprintf(name, sizeof(name), "%s.statistics", d.shm);
        fd = shm_open(name, O_RDONLY, 0);
        cr_assert_geq(fd, 0);
        map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        cr_assert_neq(map, MAP_FAILED);
        close(fd);
        return map;
}

static void expect_monotonic(const struct totals *a, const struct totals *b) {
        cr_assert_geq(b->worker_ids, a->worker_ids);
        cr_assert_geq(b->counters.overflows_waited, a->counters.overflows_waited);
        cr_assert_geq(a->counters.overflows_waited, 0);
        cr_assert_geq(b->waits.sum_ns, a->waits.sum_ns);
        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                cr_assert_geq(b->waits.buckets[i], a->waits.buckets[i]);
}

/* Two scribblers, two honest clients. Red when take_in() (statistics.c) counts a
 * value that fell, or one above what can be: totals of all fall or wrap. */
Test(hostile_scribble, s1_cursors_of_others_do_no_harm) {
        struct arena *arena = arena_new(2, 1 << 21);
        _Atomic uint64_t *begun = shared_new();
        const struct statistics_segment *statistics;
        struct honest honest[2];
        struct totals before, after;
        pid_t scribblers[2];
        uint64_t taken;

        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        statistics = map_statistics();
        for (size_t i = 0; i < 2; i++)
                honest_start(&honest[i], &d, arena, i);
        for (size_t i = 0; i < 2; i++)
                scribblers[i] = attacker_start(UID_STRANGER, scribble_for_ever, (void *)begun);
        cr_assert(wait_until(two_began, (void *)begun, 20000));
        before = next_totals(statistics, 0);
        for (int round = 0; round < 12; round++) {
                honest_lasts(&honest[round % 2], 200);
                after = next_totals(statistics, before.updated_ns);
                expect_monotonic(&before, &after);
                before = after;
        }
        for (size_t i = 0; i < 2; i++)
                attacker_kill(scribblers[i]);
        taken = honest_taken(&honest[0]) + honest_taken(&honest[1]);
        after = next_totals(statistics, after.updated_ns);
        after = next_totals(statistics, after.updated_ns);
        expect_monotonic(&before, &after);
        /* what is said of the honest is what they took, and the skew at each tick */
        cr_expect_geq(after.honest_ids, taken);
        cr_expect_leq(after.honest_ids, 2 * (honest_taken(&honest[0]) + honest_taken(&honest[1])));
        for (size_t i = 0; i < 2; i++)
                honest_stop(&honest[i]);
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(begun);
        arena_free(arena);
}

/* The library on a page that another thread of the process scribbles on: any
 * number or error, but no crash and no call without an end. */
static int call_over_noise(void *context) {
        uint64_t state = 88172645463325252u, ids[64];
        int64_t until = test_monotonic_ns() + 700000000;
        char *line = NULL;
        size_t size = 0;
        sfshm *s = NULL;
        struct raw_client client = { .cursors = -1 };
        FILE *maps;

        (void)context;
        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        sfshm_set_timeout(s, 2000000);
        /* the library's own mapping, as a stray pointer of the program finds it */
        maps = fopen("/proc/self/maps", "re");
        while (maps != NULL && getline(&line, &size, maps) > 0) {
                uintptr_t from, to;

                if (strstr(line, "sfshm-cursors") != NULL &&
                    sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2) {
                        client.words = (void *)from;
                        client.welcome.cursors_size = (uint32_t)(to - from);
                }
        }
        if (client.words == NULL)
                return 2;
        while (test_monotonic_ns() < until) {
                uint32_t count;

                scribble(&client, &state);
                for (int i = 0; i < 50; i++) {
                        (void)sfshm_next(s, &ids[0]);
                        (void)sfshm_next_span(s, 64, &ids[0], &count);
                        (void)sfshm_next_batch(s, ids, 64);
                }
        }
        sfshm_close(s);
        return 0;
}

/* Red when clock_wait() does not look at the deadline: a cursor far in the
 * future is waited for. */
Test(hostile_scribble, s1_the_library_survives_its_own_page) {
        struct arena *arena = arena_new(1, 1 << 20);
        struct honest honest;

        prepare_daemon(&d, 0);
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        cr_assert_eq(attacker_run(UID_STRANGER, call_over_noise, NULL), 0);
        honest_goes_on(&honest, 1000);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}
