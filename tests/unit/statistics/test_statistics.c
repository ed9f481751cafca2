/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/statistics/statistics.h"
#include "tests/support/own_space.h"
#include "tests/support/until.h"

/* Four workers of 4096 positions, from worker 8 on. */
#define WORKERS 4u
#define FIRST_WORKER 8u
#define RUN_START (FIRST_WORKER * 4096u)
#define CAPACITY 8u
#define BASE_TICK 1000u

static CDS_LIST_HEAD(clients);
static int mock_state;
static struct statistics_segment *segment;
static struct ticker *ticker;
static struct lease *lease;
static struct statistics *statistics;
static struct clock_segment *clock_page;

static int mock_open(void **ret_backend, const struct fleet_kind *kind,
                     const struct config *config) {
        (void)kind, (void)config;
        *ret_backend = &mock_state;
        return 0;
}
static int mock_claim(void *backend, struct lease_grant *ret) {
        (void)backend;
        *ret = (struct lease_grant){ .worker_first = FIRST_WORKER,
                                     .worker_count = WORKERS,
                                     .fence_tick = 5000 };
        return 0;
}
static int mock_write(void *backend, uint64_t fence_tick) {
        (void)backend;
        (void)fence_tick;
        return 0;
}
static void mock_close(void *backend) {
        (void)backend;
}
/* nothing fails, so nobody asks for its place */
static const struct lease_backend mock = {
        .open = mock_open,
        .claim = mock_claim,
        .write_fence = mock_write,
        .close = mock_close,
};

static void *pages(size_t size) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        cr_assert(map != MAP_FAILED);
        return map;
}

static void setup(void) {
        struct clock_line line = { .boot_base_ns = until_ns(CLOCK_BOOTTIME),
                                   .guarded_base_ns = 1000 * NS_PER_TICK };
        struct config config = { .backend = (char *)"local", .space = own_space() };

        rcu_register_thread();
        segment = pages(statistics_segment_size(CAPACITY));
        memcpy(segment->magic, STATISTICS_MAGIC, 8);
        segment->client_capacity = CAPACITY;
        segment->layout = id_layout_default;
        segment->layout.region_bits = 7;
        segment->worker_first = FIRST_WORKER;
        segment->worker_count = WORKERS;
        strcpy(segment->daemon_version, "1.2.3");
        clock_page = pages(sizeof(*clock_page));
        clock_latch_write(clock_page, &line);
        cr_assert_eq(ticker_new(&ticker, clock_page, &wall_clock_kernel), 0);
        cr_assert_eq(lease_new(&lease, &mock, NULL, &config), 0);
}

static struct histogram loop_delay;

static void start(void) {
        cr_assert_eq(statistics_new(&statistics, segment, &clients,
                                    &(struct statistics_sources){ ticker, lease, &loop_delay }), 0);
}

static void teardown(void) {
        statistics_free(statistics);
        ticker_free(ticker);
        lease_release(lease, 0);
        rcu_unregister_thread();
}

TestSuite(statistics, .init = setup, .fini = teardown);

static uint64_t sequence(void) {
        return atomic_load_explicit(&segment->sequence, memory_order_acquire);
}

/* A consistent copy, as a reader takes it; aligned as the segment is. */
static const struct statistics_segment *read_snapshot(void) {
        static uint64_t copy[(sizeof(struct statistics_segment) +
                              CAPACITY * sizeof(struct statistics_client)) /
                             8];
        const uint64_t *from = (const uint64_t *)(const void *)segment;
        uint64_t before;

        do {
                UNTIL(((before = sequence()) & 1) == 0);
                for (size_t i = 0; i < sizeof(copy) / 8; i++)
                        copy[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
                atomic_thread_fence(memory_order_acquire);
        } while (sequence() != before);
        return (const struct statistics_segment *)(const void *)copy;
}

/* A snapshot begun after now: the one under way, then one more. */
static const struct statistics_segment *fresh_snapshot(void) {
        uint64_t before;

        for (int i = 0; i < 2; i++) {
                before = sequence();
                statistics_poke(statistics);
                UNTIL(sequence() > before && (sequence() & 1) == 0);
        }
        return read_snapshot();
}

static const struct statistics_client *listed(const struct statistics_segment *s, uint32_t index) {
        return (const struct statistics_client *)(const void *)(s + 1) + index;
}

/* The client's own mapping of its cursors page. */
static struct cursors_page *cursors_of(const struct client *client) {
        size_t size = cursors_page_size(client->n_lanes, WORKERS);
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, client->cursors.fd, 0);

        cr_assert(map != MAP_FAILED);
        return map;
}

static _Atomic uint64_t *worker_ids_of(const struct client *client) {
        return (_Atomic uint64_t *)(void *)((char *)cursors_of(client) +
                                            cursors_worker_ids_offset(client->n_lanes));
}

static struct client *client_make(uint64_t id, uint32_t lanes) {
        struct client *client = calloc(1, sizeof(*client) + lanes * sizeof(client->lanes[0]));
        struct grants_page *grants = calloc(1, grants_page_size(lanes));
        int fd = memfd_create("cursors", MFD_CLOEXEC);

        cr_assert(client && grants && fd >= 0);
        cr_assert_eq(ftruncate(fd, cursors_page_size(lanes, WORKERS)), 0);
        grants->base_tick = BASE_TICK;
        grants->worker_first = FIRST_WORKER;
        grants->worker_counters = WORKERS;
        client->id = id;
        client->pid = 4711;
        client->uid = 1001;
        memcpy(client->comm, "somebody", 9);
        client->attached_boot_ns = until_ns(CLOCK_BOOTTIME);
        client->n_lanes = lanes;
        client->grants = (struct segment){ .fd = -1, .map = grants };
        client->cursors = (struct segment){ .fd = fd };
        cds_list_add_rcu(&client->link, &clients);
        return client;
}

static void client_unlink(struct client *client) {
        cds_list_del_rcu(&client->link);
        synchronize_rcu();
        close(client->cursors.fd);
        free(client->grants.map);
        free(client);
}

static void client_leaves(struct client *client) {
        statistics_retire(statistics, client);
        client_unlink(client);
}

static void no_step(void) {
}

static void grant(struct client *client, uint32_t lane, unsigned slot, uint32_t start_position,
                  uint32_t width, uint64_t t0, uint64_t t1) {
        struct grants_page *page = client->grants.map;
        struct rectangle r = { .start = start_position, .width = width, .t0 = t0, .t1 = t1 };

        cr_assert_eq(slot_grant(&page->slots[lane][slot], &r, no_step), 0);
}

static void set(_Atomic uint64_t *word, uint64_t value) {
        atomic_store_explicit(word, value, memory_order_relaxed);
}

static void set_cursor(struct client *client, uint32_t lane, uint64_t tick, unsigned slot,
                       uint64_t offset) {
        set(&cursors_of(client)->lanes[lane].cursor, cursor_pack(tick - BASE_TICK, slot, offset));
}

static uint64_t sum_of_workers(const struct statistics_segment *s) {
        uint64_t sum = 0;

        for (uint32_t i = 0; i < WORKER_COUNTERS_MAX; i++)
                sum += s->worker_ids[i];
        return sum;
}

Test(statistics, header_and_inputs_appear) {
        const struct statistics_segment *s;
        int64_t now_ms = until_ns(CLOCK_REALTIME) / 1000000;

        /* left odd by a writer who died */
        atomic_store(&segment->sequence, 7);
        start();
        statistics_count(statistics, &(struct statistics_counters){
                .attaches = 3, .grants = 4, .memory_bytes = 8192, .clock_reason = 5 });
        s = fresh_snapshot();
        cr_assert_eq(sequence() & 1, 0);
        cr_assert_eq(s->counters.attaches, 3);
        cr_assert_eq(s->counters.grants, 4);
        cr_assert_eq(s->counters.memory_bytes, 8192);
        cr_assert_eq(s->counters.clock_reason, 5); /* the last of the inputs */
        cr_assert_eq(s->counters.fence_unix_ms, ID_DEFAULT_EPOCH_UNIX_MS + 5000);
        cr_assert(s->counters.fence_ahead_ms <= 4000 && s->counters.fence_ahead_ms > -100000,
                  "%" PRId64, s->counters.fence_ahead_ms);
        cr_assert_neq(s->counters.fence_ahead_ms, 0);
        cr_assert_eq(s->counters.region, FIRST_WORKER >> 3);
        cr_assert_eq(s->counters.ticker_running, 0);
        cr_assert(s->counters.start_unix_ms >= now_ms);
        cr_assert_eq(s->pid, (uint32_t)getpid());
        cr_assert_eq(s->clients_offset, sizeof(struct statistics_segment));
        cr_assert_eq(s->client_count, 0);
        cr_assert(s->worker_first == FIRST_WORKER && s->worker_count == WORKERS);
        cr_assert_str_eq(s->daemon_version, "1.2.3");
        cr_assert(s->updated_boot_ns > 0 && s->updated_boot_ns <= until_ns(CLOCK_BOOTTIME));
}

/* Finished ticks from the counters, the unfinished one from cursor and slot,
 * by worker. Red when unfinished() is not added, or not split. */
Test(statistics, an_unfinished_tick_counts) {
        struct client *client;
        const struct statistics_segment *s;

        start();
        client = client_make(1, 2);
        atomic_store(&client->standing_width, 5);
        atomic_store(&client->elastic_width, 6);
        /* a tick that spans workers 8 and 9, 100 positions of each; begun at 7 */
        grant(client, 0, 2, RUN_START + 4096 - 100, 200, BASE_TICK + 1, BASE_TICK + 100);
        set(&cursors_of(client)->lanes[0].ids, 50 - 7);
        set(&worker_ids_of(client)[0], UINT64_MAX - 6); /* -7, counted off in advance */
        set(&worker_ids_of(client)[3], 50);
        set_cursor(client, 0, BASE_TICK + 5, 2, 130);
        /* the other lane ran past its width */
        grant(client, 1, 0, RUN_START + 2 * 4096, 10, BASE_TICK + 1, BASE_TICK + 100);
        set_cursor(client, 1, BASE_TICK + 5, 0, 999);
        set(&cursors_of(client)->lanes[1].overflows, 3);
        set(&cursors_of(client)->lanes[1].overflow_wait_ns, 3000);
        set(&cursors_of(client)->overflows[OVERFLOW_AGAIN], 1);
        set(&cursors_of(client)->overflows[OVERFLOW_WAITED], 2);
        set(&cursors_of(client)->waits[WAIT_OVERFLOW].buckets[1], 2);
        set(&cursors_of(client)->waits[WAIT_CLOCK].sum_ns, 70);
        s = fresh_snapshot();
        cr_assert_eq(s->client_count, 1);
        cr_assert_eq(s->worker_ids[0], 93);
        cr_assert_eq(s->worker_ids[1], 30);
        cr_assert_eq(s->worker_ids[2], 10);
        cr_assert_eq(s->worker_ids[3], 50);
        cr_assert_eq(listed(s, 0)->ids, 183);
        cr_assert_eq(sum_of_workers(s), 183);
        cr_assert_eq(s->counters.overflows_again, 1);
        cr_assert_eq(s->counters.overflows_waited, 2);
        cr_assert_eq(s->histograms.wait_overflow.buckets[1], 2);
        cr_assert_eq(s->histograms.wait_clock.sum_ns, 70);
        cr_assert_eq(listed(s, 0)->overflows, 3);
        cr_assert_eq(listed(s, 0)->overflow_wait_ns, 3000);
        cr_assert_eq(s->counters.clients, 1);
        cr_assert(listed(s, 0)->client == 1 && listed(s, 0)->lanes == 2);
        cr_assert(listed(s, 0)->pid == 4711 && listed(s, 0)->uid == 1001);
        cr_assert(listed(s, 0)->standing_width == 5 && listed(s, 0)->elastic_width == 6);
        cr_assert_str_eq(listed(s, 0)->comm, "somebody");
}

/* New and outdated cursors have no unfinished part that is known. */
Test(statistics, cursors_without_a_tick_count_nothing) {
        struct client *client;

        start();
        client = client_make(1, 1);
        grant(client, 0, 0, RUN_START, 4096, BASE_TICK - 1, BASE_TICK + 100);
        set_cursor(client, 0, BASE_TICK, 0, CURSOR_OFFSET_FULL);
        cr_assert_eq(listed(fresh_snapshot(), 0)->ids, 0);
        set_cursor(client, 0, BASE_TICK + 200, 0, 17);
        cr_assert_eq(listed(fresh_snapshot(), 0)->ids, 0);
        set_cursor(client, 0, BASE_TICK + 5, 0, 17);
        cr_assert_eq(listed(fresh_snapshot(), 0)->ids, 17);
}

/* What a client handed out stays in the totals when it leaves, looked at
 * before or not, and is counted once. Red when statistics_retire() does not
 * take in, or does not mark the client. */
Test(statistics, a_client_that_leaves_stays_in_the_totals) {
        struct client *seen, *unseen;
        const struct statistics_segment *s;

        start();
        seen = client_make(1, 1);
        set(&cursors_of(seen)->lanes[0].ids, 100);
        set(&worker_ids_of(seen)[1], 100);
        cr_assert_eq(fresh_snapshot()->worker_ids[1], 100);
        set(&cursors_of(seen)->lanes[0].ids, 150);
        set(&worker_ids_of(seen)[1], 150);

        /* retired, but still in the list */
        statistics_retire(statistics, seen);
        s = fresh_snapshot();
        cr_assert_eq(s->worker_ids[1], 150);
        cr_assert_eq(s->client_count, 0);
        client_unlink(seen);

        unseen = client_make(2, 1);
        set(&worker_ids_of(unseen)[1], 7);
        client_leaves(unseen);
        cr_assert_eq(fresh_snapshot()->worker_ids[1], 157);
}

/* Rule 13: whatever the page says, totals only grow and stay plausible, and
 * the others' are not touched. Red when take_in() leaves out either test. */
Test(statistics, S1_lies_are_left_out) {
        struct client *liar, *honest;
        const struct statistics_segment *s;
        _Atomic uint64_t *workers;
        uint64_t last = 0;

        start();
        liar = client_make(1, 1);
        honest = client_make(2, 1);
        set(&worker_ids_of(honest)[0], 40);
        workers = worker_ids_of(liar);
        for (uint64_t lie = 1; lie != 0; lie <<= 1) {
                set(&workers[0], lie);
                set(&cursors_of(liar)->lanes[0].ids, lie - 1);
                set(&cursors_of(liar)->lanes[0].overflows, lie);
                set(&cursors_of(liar)->lanes[0].overflow_wait_ns, ~lie);
                set(&cursors_of(liar)->lanes[0].cursor, lie | lie << 23);
                set(&cursors_of(liar)->overflow_wait[11], lie);
                set(&cursors_of(liar)->overflows[OVERFLOW_WAITED], lie);
                set(&cursors_of(liar)->waits[WAIT_GRANT].sum_ns, ~lie);
                s = fresh_snapshot();
                cr_assert(s->worker_ids[0] >= last);
                last = s->worker_ids[0];
                cr_assert(s->counters.overflows_waited >= 0);
                cr_assert(s->histograms.wait_grant.sum_ns <= INT64_MAX);
        }
        /* a minute's worth of one worker is more than this test can be old */
        cr_assert(last < UINT64_C(4096) * 1000 * 60, "%ju", (uintmax_t)last);
        cr_assert(last > 40);

        /* falling, then gone: nothing falls */
        set(&workers[0], 0);
        cr_assert_eq(fresh_snapshot()->worker_ids[0], last);
        cr_assert_eq(ftruncate(liar->cursors.fd, 0), 0);
        cr_assert_eq(fresh_snapshot()->worker_ids[0], last);
        set(&worker_ids_of(honest)[0], 41);
        cr_assert_eq(fresh_snapshot()->worker_ids[0], last + 1);
        client_leaves(liar);
        cr_assert_eq(fresh_snapshot()->worker_ids[0], last + 1);
}

/* More clients than the segment has room for are counted, the rest not shown. */
Test(statistics, the_list_ends_at_its_capacity) {
        const struct statistics_segment *s;

        start();
        for (uint64_t id = 1; id <= CAPACITY + 3; id++)
                set(&worker_ids_of(client_make(id, 1))[2], 1);
        s = fresh_snapshot();
        cr_assert_eq(s->client_count, CAPACITY);
        cr_assert_eq(s->worker_ids[2], CAPACITY + 3);
}

/* While the ticker runs a snapshot comes by itself, and none does while it is
 * idle. Red when ticker_on_run() is not registered, or the wait polls. */
Test(statistics, snapshots_follow_the_ticker) {
        uint64_t before;
        int64_t since;

        start();
        fresh_snapshot();
        before = sequence();
        ticker_set_running(ticker, true);
        UNTIL(sequence() >= before + 6); /* at once, then each second */
        UNTIL(read_snapshot()->counters.ticker_running == 1);
        ticker_set_running(ticker, false);
        UNTIL(read_snapshot()->counters.ticker_running == 0);
        before = sequence();
        since = until_ns(CLOCK_MONOTONIC);
        UNTIL(until_ns(CLOCK_MONOTONIC) > since + 1500000000);
        cr_assert_eq(sequence(), before);
}

/* Clients come and go while snapshots are taken: each is counted exactly once. */
Test(statistics, totals_are_exact_while_clients_come_and_go) {
        uint64_t handed_out = 0;

        start();
        for (uint64_t id = 1; id <= 200; id++) {
                struct client *client = client_make(id, 1);

                set(&worker_ids_of(client)[id % WORKERS], id);
                handed_out += id;
                statistics_poke(statistics);
                if (id % 3 != 0)
                        sched_yield();
                client_leaves(client);
        }
        cr_assert_eq(sum_of_workers(fresh_snapshot()), handed_out);
}

/* An older library knows one histogram, and counts -EAGAIN in it. Red without add_older(). */
Test(statistics, an_older_librarys_page_is_read) {
        struct client *client;
        const struct statistics_segment *s;

        start();
        client = client_make(1, 1);
        set(&cursors_of(client)->overflow_wait[4], 3); /* up to 1 ms */
        set(&cursors_of(client)->overflow_wait[OVERFLOW_BUCKETS - 1], 1);
        set(&cursors_of(client)->lanes[0].overflows, 4);
        set(&cursors_of(client)->lanes[0].overflow_wait_ns, 2000000);
        s = fresh_snapshot();
        cr_expect_eq(s->counters.overflows_waited, 4);
        cr_expect_eq(s->counters.overflows_again, 0);
        cr_expect_eq(s->histograms.wait_overflow.buckets[metrics_bucket(1000000)], 3);
        cr_expect_eq(s->histograms.wait_overflow.buckets[METRICS_BUCKETS - 1], 1);
        cr_expect_eq(s->histograms.wait_overflow.sum_ns, 2000000);
}

/* What an earlier daemon of this boot has shown goes on; gauges do not, nor what no daemon can
 * have counted. Red without continue_earlier(). */
Test(statistics, counters_go_on_from_the_segment) {
        const struct statistics_segment *s;
        struct client *client;

        segment->counters.grants = 1000;
        segment->counters.extensions = -5;
        segment->counters.overflows_again = 50;
        segment->counters.positions = 77;
        segment->counters.clock_last_rollback_unix_ms = 123;
        segment->histograms.wait_grant.buckets[3] = 8;
        segment->histograms.fence_write.buckets[2] = 9;
        segment->worker_ids[1] = 5000;
        start();
        statistics_count(statistics, &(struct statistics_counters){ .grants = 2, .extensions = 3 });
        client = client_make(1, 1);
        set(&worker_ids_of(client)[1], 7);
        set(&cursors_of(client)->overflows[OVERFLOW_AGAIN], 1);
        s = fresh_snapshot();
        cr_expect_eq(s->counters.grants, 1002);
        cr_expect_eq(s->counters.extensions, 3);
        cr_expect_eq(s->counters.overflows_again, 51);
        cr_expect_eq(s->counters.positions, 0);
        cr_expect_eq(s->counters.clock_last_rollback_unix_ms, 123);
        cr_expect_eq(s->histograms.wait_grant.buckets[3], 8);
        cr_expect_geq(s->histograms.fence_write.buckets[2], 9);
        cr_expect_eq(s->worker_ids[1], 5007);
}

/* A client's page keeps what was counted of it: the next daemon adds the rest, once. Red when
 * statistics_adopt() takes what the page shows for counted. */
Test(statistics, an_adopted_client_is_counted_from_its_page) {
        const uint32_t size = grants_page_size_counted(1, WORKERS);
        struct client *client = client_make(1, 1);
        struct grants_page *grants = calloc(1, size);
        uint64_t *counted;
        uint32_t workers;

        cr_assert_not_null(grants);
        memcpy(grants, client->grants.map, grants_page_size(1));
        free(client->grants.map);
        client->grants.map = grants;
        grants->lanes = 1;
        grants->size = size;
        counted = client_counted(client, &workers);
        cr_assert_eq(workers, WORKERS);
        cr_assert_eq((uintptr_t)(counted + GRANTS_COUNTED + WORKERS), (uintptr_t)grants + size);
        counted[GRANTS_COUNTED + 2] = 100;
        segment->worker_ids[2] = 100;
        set(&worker_ids_of(client)[2], 130);
        start();
        statistics_adopt(statistics, client);
        cr_expect_eq(fresh_snapshot()->worker_ids[2], 130);
        cr_expect_eq(counted[GRANTS_COUNTED + 2], 130);
        client_leaves(client);
        cr_expect_eq(fresh_snapshot()->worker_ids[2], 130);
}
