/* SPDX-License-Identifier: MIT */
/*
 * Memory of the segments is damaged while no daemon runs. The next daemon believes nothing
 * that cannot be: no durable fence rises by it, what the damaged record's client may still
 * use goes to nobody (U2), an event tells, and everybody else is served.
 *
 * Red when a t1 or a fence of memory is believed by itself: the fence on disk jumps as far
 * ahead, and a later daemon waits for years, or does not start at all.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/ledger.h"
#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(damaged_memory, .timeout = 240);

#define YEAR_TICKS UINT64_C(31536000000)
#define IDS 500
/* More than a daemon raises the fence by while a case lasts. */
#define RAISED_TICKS 240000u

static struct private_daemon d;

static uint64_t fence_on_disk(void) {
        unsigned long long tick = 0;
        char path[160], line[160];
        FILE *file;

        snprintf(path, sizeof(path), "%s/fence", d.state);
        file = fopen(path, "r");
        cr_assert_not_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (sscanf(line, "fence-tick %llu", &tick) == 1)
                        break;
        (void)fclose(file);
        return tick;
}

static void *map_segment(const char *segment, size_t size) {
        char path[160];
        void *map;
        int fd;

        snprintf(path, sizeof(path), "/dev/shm%s.%s", d.shm, segment);
        fd = open(path, O_RDWR | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        cr_assert_neq(map, MAP_FAILED);
        close(fd);
        return map;
}

#define RECORDS 1024u
#define LEDGER_BYTES ((size_t)ledger_segment_size(RECORDS))

static struct ledger_segment *map_ledger(void) {
        return map_segment("ledger", LEDGER_BYTES);
}

/* The slot that ends last: a standing reservation. */
static struct slot *last_slot(struct ledger_segment *ledger) {
        struct slot *last = &ledger->lanes[0].slots[0];

        for (uint32_t i = 0; i < RECORDS * SLOTS_PER_LANE; i++) {
                struct slot *slot = &ledger->lanes[i / SLOTS_PER_LANE].slots[i % SLOTS_PER_LANE];

                if (slot->t1 > last->t1)
                        last = slot;
        }
        cr_assert_gt(last->t1, 0);
        return last;
}

static void take(sfshm *s, struct arena *arena, size_t part) {
        for (int i = 0; i < IDS; i++) {
                uint64_t id;
                int r = sfshm_next(s, &id);

                cr_assert_eq(r, 0, "%s", sfshm_strerror(r));
                arena_add(arena, part, id);
        }
}

/* While no daemon is there: what the client still holds, for a second at most, and nothing
 * once the clock that it reads is damaged. */
static void take_left(sfshm *s, struct arena *arena, size_t part) {
        uint64_t id;

        for (int i = 0; i < IDS && sfshm_next(s, &id) == 0; i++)
                arena_add(arena, part, id);
}

static void expect_log(const char *part) {
        char *log = private_daemon_log(&d);

        cr_assert_not_null(strstr(log, part), "\"%s\" is not in the log:\n%s", part, log);
        free(log);
}

/* Nobody but that slot has any of its positions in a tick before `until`. */
static void expect_rests(struct ledger_segment *ledger, const struct slot *damaged,
                         uint32_t start, uint32_t width, uint64_t now, uint64_t until) {
        for (uint32_t i = 0; i < RECORDS * SLOTS_PER_LANE; i++) {
                const struct slot *slot =
                        &ledger->lanes[i / SLOTS_PER_LANE].slots[i % SLOTS_PER_LANE];
                struct rectangle r, rests = { .start = start, .width = width, .t0 = now,
                                              .t1 = until };

                if (slot == damaged || !slot_read(slot, &r) || r.t1 <= now)
                        continue;
                cr_assert_not(rectangle_overlaps(&r, &rests), "record %u", i / SLOTS_PER_LANE);
        }
}

/*
 * A flipped bit in the end of the one reservation that matters. Its client goes on with what
 * it has, newcomers get other positions, and over a stop and a loss of the segments nothing
 * of it is left in the fence.
 */
Test(damaged_memory, a_flipped_bit_of_an_end) {
        struct arena *arena = arena_new(10, 1 << 20);
        struct ledger_segment *ledger;
        uint64_t before, t1;
        struct slot *slot;
        uint32_t start, width;
        sfshm *s, *others[8];

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 8000);
        private_daemon_signal(&d, SIGKILL, true);
        before = fence_on_disk();
        ledger = map_ledger();
        slot = last_slot(ledger);
        start = span_start(slot->span);
        width = span_width(slot->span);
        t1 = atomic_fetch_xor(&slot->t1, UINT64_C(1) << 45);
        take(s, arena, 0);
        private_daemon_start(&d);
        expect_log("(event=ledger-damaged)");
        cr_assert_eq(slot->t1, before, "it rests until the fence that was durable");
        for (size_t i = 0; i < 8; i++) {
                others[i] = private_daemon_open(&d, 0);
                take(others[i], arena, i + 1);
        }
        take(s, arena, 0);
        arena_expect_unique(arena);
        expect_rests(ledger, slot, start, width, t1 - 8000, before);
        cr_expect_leq(fence_on_disk(), before + RAISED_TICKS, "the fence rose");
        for (size_t i = 0; i < 8; i++)
                sfshm_close(others[i]);
        sfshm_close(s);
        private_daemon_stop(&d);
        cr_expect_leq(fence_on_disk(), before + RAISED_TICKS, "the fence rose");
        cr_expect_geq(fence_on_disk(), before, "what may still be used is below it");
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        private_daemon_stop(&d);
        cr_expect_leq(fence_on_disk(), before + RAISED_TICKS);
        munmap(ledger, LEDGER_BYTES);
        private_daemon_remove(&d);
        arena_free(arena);
}

static struct ledger_segment *ledger_map;
static struct clock_segment *clock_map;

static void end_in_a_year(void) {
        last_slot(ledger_map)->t1 += YEAR_TICKS;
}
static void end_beyond_the_layout(void) {
        last_slot(ledger_map)->t1 = UINT64_MAX;
}
static void end_that_is_past(void) {
        last_slot(ledger_map)->t1 -= YEAR_TICKS;
}
static void width_beyond_the_run(void) {
        last_slot(ledger_map)->span |= UINT64_C(1) << 31;
}
static void start_beyond_the_run(void) {
        last_slot(ledger_map)->span |= UINT64_C(1) << 62;
}
static void a_width_of_nothing(void) {
        last_slot(ledger_map)->span &= ~UINT64_C(0xffffffff);
}
static void a_slot_that_looks_unfinished(void) {
        last_slot(ledger_map)->sequence ^= 1;
}
static void fence_of_the_ledger(void) {
        ledger_map->fence += YEAR_TICKS;
}
static void fence_of_the_clock(void) {
        clock_map->fence = UINT64_MAX / 2;
}
static void first_tick(void) {
        clock_map->first_tick += YEAR_TICKS;
}
static void number_that_fell(void) {
        ledger_map->next_client = 1;
}
static void line_of_the_clock(void) {
        struct clock_params *line = &clock_map->params[clock_map->latch & 1];

        line->guarded_base_ns += (int64_t)(YEAR_TICKS * (uint64_t)NS_PER_TICK);
}

/* On a machine where a restart takes longer than the reservation lasts, nothing is left of it
 * to speak of. */
static bool still_lasts(uint64_t t1) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 -
                       ledger_map->layout.epoch_unix_ms < (int64_t)t1;
}

static bool let_in(void *context) {
        return sfshm_open(context, d.socket, 0) == 0;
}

/* Every kind of number that a daemon takes over from memory. */
Test(damaged_memory, of_every_kind) {
        static const struct {
                const char *name, *event;
                void (*damage)(void);
        } cases[] = {
                { "an end in a year", "ledger-damaged", end_in_a_year },
                { "an end beyond the layout", "ledger-damaged", end_beyond_the_layout },
                { "an end that is past", "ledger-damaged", end_that_is_past },
                { "a width beyond the run", "ledger-damaged", width_beyond_the_run },
                { "a start beyond the run", "ledger-damaged", start_beyond_the_run },
                { "no width", "ledger-damaged", a_width_of_nothing },
                { "odd", NULL, a_slot_that_looks_unfinished },
                { "the ledger's fence", "memory-damaged", fence_of_the_ledger },
                { "the clock's fence", "memory-damaged", fence_of_the_clock },
                { "the first tick", "memory-damaged", first_tick },
                { "the next client", "ledger-damaged", number_that_fell },
                { "the line", "memory-damaged", line_of_the_clock },
        };
        struct arena *arena = arena_new(1, 16 << 20);
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=1s"); /* the fence is seconds ahead */
        private_daemon_start(&d);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                uint64_t before, t1;
                bool lasts;

                s = NULL;
                cr_assert(wait_until(let_in, &s, 60000), "%s", cases[i].name);
                reservation_take_until(s, 500);
                private_daemon_signal(&d, SIGKILL, true);
                before = fence_on_disk();
                ledger_map = map_ledger();
                clock_map = map_segment("clock", CLOCK_SIZE);
                t1 = last_slot(ledger_map)->t1;
                cases[i].damage();
                munmap(clock_map, CLOCK_SIZE);
                take_left(s, arena, 0);
                (void)truncate(d.log, 0);
                private_daemon_start(&d);
                lasts = still_lasts(t1);
                munmap(ledger_map, LEDGER_BYTES);
                sfshm_set_timeout(s, INT64_C(60000000000));
                take(s, arena, 0);
                sfshm_close(s);
                s = NULL;
                cr_assert(wait_until(let_in, &s, 60000), "%s", cases[i].name);
                sfshm_set_timeout(s, INT64_C(60000000000));
                take(s, arena, 0);
                arena_expect_unique(arena);
                cr_expect_leq(fence_on_disk(), before + RAISED_TICKS, "%s: the fence rose",
                              cases[i].name);
                if (cases[i].event != NULL && lasts)
                        expect_log(cases[i].event);
                sfshm_close(s);
        }
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}
