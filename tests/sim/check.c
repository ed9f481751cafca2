/* SPDX-License-Identifier: MIT */
/*
 * What must hold, told from what others can see: the pages, the published line,
 * the disk, and what was done to the host. Nothing here asks the daemon's code
 * what it thinks.
 *
 * T1 here: with d = guarded time less wall clock, at an ID of a line which a
 * daemon keeps and after it has looked at the last step,
 *   d <= what the policy allows (clock.max_offset with `offset`, else nothing; ten
 *        seconds of clock.max_slew in any case), or what a person accepted; beyond
 *        that the clock stands, and only the tick which was running then, and the
 *        few until it was noticed, are still given;
 *   d >= -(ten seconds of clock.max_slew), but for a jump that is held (more than
 *        clock.max_forward_step), or one that waits for the disk.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promises.h"
#include "world.h"

#define TOLERANCE_NS (5 * MS)
#define STANDS_WITHIN_TICKS 8u /* two bends with their leads, and late readings */
#define STEP_WITHIN_NS (13 * SECOND) /* the longest wait of a disk that works again */
#define READERS 128u

static struct {
        uint64_t seed;
        bool loud;
        size_t n_readers;
        /* T1 */
        int64_t accepted_ns; /* so far ahead is fine; INT64_MIN: nothing was accepted */
        bool accepted_forward, standing;
        bool doubtful; /* it may not count what was accepted: the clock was set since */
        uint64_t stand_tick;
        int64_t stepped_ns; /* since then */
        int64_t ahead_ns; /* at the end of the last round */
        int64_t unsettled_ns; /* CLOCK_BOOTTIME of the last thing that may move the clock */
        /* before the round */
        struct clock_segment *clock;
        struct clock_line line, earlier;
        int64_t turn_ns;
        bool served, turning; /* the daemon before died while it changed `earlier` */
} now;

static struct reader {
        struct clock_segment *clock;
        int64_t guarded_ns;
} readers[READERS];
void check_begin(uint64_t seed) {
        memset(&now, 0, sizeof(now));
        promises_begin();
        now.seed = seed;
        now.loud = getenv("SFSHM_SEED") != NULL;
        now.accepted_ns = INT64_MIN;
}

void trace(const char *format, ...) {
        va_list arguments;

        if (!now.loud)
                return;
        fprintf(stderr, "%14.6f wall %+.6f  ", (double)world.boot_ns / 1e9,
                (double)(world.wall_ns - world.true_ns) / 1e9);
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
}

void fail(const char *format, ...) {
        char text[400];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        trace("%s", text);
        cr_assert_fail("%s; history %" PRIu64 ": run again with SFSHM_SEED=%" PRIu64, text,
                       now.seed, now.seed);
        abort();
}

/* ---- the clock */

static struct reader *reader_of(struct clock_segment *clock) {
        for (size_t i = now.n_readers; i-- > 0;)
                if (readers[i].clock == clock)
                        return &readers[i];
        if (now.n_readers == READERS)
                fail("too many clock segments to remember");
        readers[now.n_readers] = (struct reader){ .clock = clock, .guarded_ns = INT64_MIN };
        return &readers[now.n_readers++];
}

static bool served(struct clock_segment *clock) {
        return atomic_load_explicit(&clock->unserved, memory_order_relaxed) == 0;
}

int64_t check_reader(struct clock_segment *clock) {
        struct clock_line line;
        struct reader *reader;
        int64_t guarded_ns;

        (void)clock_latch_begin(clock, &line);
        guarded_ns = clock_line_at(&line, world.boot_ns);
        if (!served(clock))
                return guarded_ns;
        reader = reader_of(clock);
        if (guarded_ns < reader->guarded_ns)
                fail("guarded time went back by %" PRId64 " ns", reader->guarded_ns - guarded_ns);
        reader->guarded_ns = guarded_ns;
        return guarded_ns;
}

/* ---- T1 */

static int64_t small_ns(void) {
        return GUARD_SMALL_S * world.config.clock.max_slew_ns + TOLERANCE_NS;
}

static bool too_far_ahead(int64_t ahead_ns) {
        int64_t allowed_ns = small_ns();

        if (world.config.clock.on_rollback == GUARD_OFFSET &&
            world.config.clock.max_offset_ns + TOLERANCE_NS > allowed_ns)
                allowed_ns = world.config.clock.max_offset_ns + TOLERANCE_NS;
        return ahead_ns > allowed_ns &&
               (now.accepted_ns == INT64_MIN || ahead_ns > now.accepted_ns + TOLERANCE_NS);
}

static void unsettle(void) {
        now.unsettled_ns = world.boot_ns;
}

void check_stepped(int64_t by_ns) {
        unsettle();
        now.stepped_ns += by_ns;
        now.doubtful = now.doubtful || by_ns > 1 || by_ns < 0;
        if (now.stepped_ns > WORLD_NOTICED_NS || now.stepped_ns < -WORLD_NOTICED_NS)
                world.stepped = true;
}

/* What was accepted was the clock as it was, and what stood stood for that. */
static void take_note_of_steps(void) {
        int64_t by_ns = now.stepped_ns;

        now.stepped_ns = 0;
        /* an earlier one, too small by itself, may have been the other way */
        if (by_ns <= 2 * WORLD_NOTICED_NS && by_ns >= -2 * WORLD_NOTICED_NS)
                return;
        unsettle();
        now.standing = false;
        now.accepted_ns = INT64_MIN;
        now.accepted_forward = false;
}

/* Nobody looked for a while: the machine, or the daemon, was stopped. */
void check_stopped(void) {
        unsettle();
        world.daemon.looked = now.standing = false;
        /* those who held little have lost it, and wait for their turn */
        for (unsigned i = 0; i < CLIENTS; i++)
                world.clients[i].attached_ns = world.boot_ns;
}

void check_accepted(void) {
        now.accepted_ns = check_reader(now.clock) - world.wall_ns;
        now.accepted_forward = true;
        now.doubtful = false;
        now.stepped_ns = 0;
        unsettle();
}

void check_cut(void) {
        int64_t ahead_ns = INT64_MIN;

        if (world.files[0].map != NULL)
                ahead_ns = check_reader(world.files[0].map) - world.wall_ns;
        now.ahead_ns = ahead_ns > now.ahead_ns ? ahead_ns : now.ahead_ns;
}

/* What was accepted goes on, whatever the policy is now. */
void check_started(void) {
        struct clock_segment *clock = segments_clock(&world.daemon.segments);
        int64_t ahead_ns;

        unsettle();
        now.standing = false;
        now.accepted_forward = atomic_load(&clock->accepted) != 0 && served(clock);
        now.accepted_ns = INT64_MIN;
        now.stepped_ns = 0;
        ahead_ns = check_reader(clock) - world.wall_ns;
        if (atomic_load(&clock->accepted) != 0 && served(clock) &&
            ahead_ns < now.ahead_ns + TOLERANCE_NS)
                now.accepted_ns = ahead_ns;
        if (!world.daemon.segments.adopted)
                promises_new_owner();
}

static void check_truth(const struct sim_client *c, uint64_t tick) {
        int64_t ahead_ns = (int64_t)tick * MS - world.wall_ns;
        bool held = -ahead_ns > world.config.clock.max_forward_step_ns - TOLERANCE_NS &&
                    (!now.accepted_forward || now.doubtful);
        uint64_t last = id_tick_max(&world.config.layout);
        int64_t since_ns = now.unsettled_ns > world.disk_good_ns ? now.unsettled_ns
                                                                 : world.disk_good_ns;

        if (!world.daemon.up || !world.daemon.looked || world.stepped ||
            c->clock != segments_clock(&world.daemon.segments))
                return;
        if (too_far_ahead(ahead_ns) && (!now.standing || tick > now.stand_tick))
                fail("T1: an ID %" PRId64 " us ahead of the wall clock", ahead_ns / US);
        if (atomic_load(&c->clock->state) != CLOCK_STATE_RUNNING)
                return; /* more of a tick at which it stands */
        if (-ahead_ns > small_ns() && !held && !world.disk_full && world.disk_slow_ns == 0 &&
            world.boot_ns - since_ns > STEP_WITHIN_NS && tick + 1 < last &&
            clock_tick_of(world.wall_ns) + 2 < last)
                fail("T1: an ID %" PRId64 " us behind the wall clock", -ahead_ns / US);
}

void check_id(struct sim_client *c, const struct rectangle *r, uint64_t tick) {
        promises_take(r, tick);
        check_truth(c, tick);
}

/* ---- rounds */

void check_before_round(void) {
        struct clock_segment *clock = segments_clock(&world.daemon.segments);

        take_note_of_steps();
        (void)clock_latch_begin(clock, &now.line);
        now.turning = clock_turn_open(clock, &now.earlier, &now.turn_ns);
        now.served = served(clock);
        now.clock = clock;
}

/* Where readers may have been at that time: in a turn, on either line (rule 16). */
static int64_t reached_at(int64_t boot_ns) {
        int64_t ns = clock_line_at(&now.line, boot_ns);
        int64_t until_ns = boot_ns < now.turn_ns ? boot_ns : now.turn_ns;
        int64_t earlier_ns = now.turning ? clock_line_at(&now.earlier, until_ns) : ns;

        return earlier_ns > ns ? earlier_ns : ns;
}

/* Only a jump that is small enough, or accepted, is followed; onto the wall clock. */
static void check_jump(const struct clock_line *line) {
        int64_t old_ns = reached_at(world.boot_ns);
        int64_t new_ns = clock_line_at(line, world.boot_ns);
        int64_t by_ns = world.wall_ns - old_ns;

        if (!now.served || new_ns - old_ns <= MS)
                return;
        /* no jump where it begins: the round has gone on for long since */
        if (clock_line_at(line, line->boot_base_ns) - reached_at(line->boot_base_ns) <= MS)
                return;
        if (!now.accepted_forward && by_ns > world.config.clock.max_forward_step_ns + TOLERANCE_NS)
                fail("a jump of %" PRId64 " us was followed, which was to be held", by_ns / US);
        /* stopped while it changes the line, it runs on until that is decided again */
        if (new_ns - world.wall_ns > MS && world.daemon.looked)
                fail("the clock jumped beyond the wall clock");
        if (world.daemon.looked && clock_tick_of(new_ns) > world.disk_fence &&
            world.disk_fence < id_tick_max(&world.config.layout))
                fail("rule 9: the clock was moved beyond the fence");
}

static bool holds(const struct sim_client *c, uint64_t tick) {
        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++) {
                struct rectangle r;

                if (slot_read(&c->page->slots[0][slot], &r) && rectangle_at(&r, tick))
                        return true;
        }
        return false;
}

/* Did the client hold something at `old` that nobody is in the way of, from `new` on? */
static bool could_be_carried(const struct sim_client *c, uint64_t old, uint64_t new) {
        for (unsigned slot = SLOT_STANDING_A; slot <= SLOT_STANDING_B; slot++) {
                struct rectangle r;

                if (!slot_read(&c->page->slots[0][slot], &r) || !rectangle_at(&r, old))
                        continue;
                r.t0 = r.t1;
                r.t1 = new + (uint64_t)(world.config.standing_ns / MS) + 2000;
                if (r.t0 < r.t1 && promises_free(&r))
                        return true;
        }
        return false;
}

/* Rule 9: where the clock has jumped, what was held before is held still. An adopted
 * ledger may hold what no page shows. */
void check_carried(void) {
        struct clock_line line;
        uint64_t old, new;

        check_pages();
        (void)clock_latch_begin(now.clock, &line);
        old = clock_tick_of(clock_line_at(&now.line, world.boot_ns));
        new = clock_tick_of(clock_line_at(&line, world.boot_ns));
        if (!now.served || !world.daemon.looked || world.daemon.segments.adopted || new <= old + 1)
                return;
        for (unsigned i = 0; i < CLIENTS; i++) {
                const struct sim_client *c = &world.clients[i];

                if (c->client != NULL && new - c->page->base_tick < CURSOR_TICK_MAX &&
                    new < id_tick_max(&world.config.layout) && !holds(c, new) &&
                    could_be_carried(c, old + 60, new))
                        fail("rule 9: client %u lost what it held when the clock jumped", i);
        }
}

/* A1, rule 9: whoever is connected for more than a second holds something, unless
 * the daemon waits for its clock or the disk. */
void check_served(void) {
        const struct sim_daemon *d = &world.daemon;
        uint64_t tick = clock_tick_of(check_reader(segments_clock(&d->segments)));

        trace("  %s, %s; tick %" PRIu64 ", fence %" PRIu64, clock_state_name(d->keeper.state),
              clock_reason_name(d->keeper.reason), tick, d->lease.fence);

        for (unsigned i = 0; i < CLIENTS && d->ready && !d->lease.news && !d->changed; i++) {
                const struct sim_client *c = &world.clients[i];

                if (c->client == NULL || world.boot_ns - c->attached_ns < 1100 * MS ||
                    d->lease.fence <= tick + 1 || tick - c->page->base_tick >= CURSOR_TICK_MAX)
                        continue;
                if (!holds(c, tick))
                        fail("A1: client %u is connected and holds nothing", i);
        }
}

void check_after_round(void) {
        struct clock_segment *clock = segments_clock(&world.daemon.segments);
        int64_t guarded_ns = check_reader(clock), ahead_ns = guarded_ns - world.wall_ns;
        struct clock_line line;

        (void)clock_latch_begin(clock, &line);
        check_pages();
        check_jump(&line);
        now.ahead_ns = ahead_ns;
        if (!served(clock))
                return;
        /* a bit before it must, as a small step may come */
        if (!too_far_ahead(ahead_ns + TOLERANCE_NS / 2)) {
                now.standing = false;
        } else if (!now.standing) {
                now.standing = true;
                now.stand_tick = clock_tick_of(guarded_ns) + STANDS_WITHIN_TICKS;
        } else if (too_far_ahead(ahead_ns) && clock_tick_of(guarded_ns) > now.stand_tick) {
                fail("T1: the clock is %" PRId64 " us ahead and does not stand", ahead_ns / US);
        }
        if (ahead_ns < MS && ahead_ns > -MS) {
                now.accepted_ns = INT64_MIN;
                now.accepted_forward = false;
        }
}
