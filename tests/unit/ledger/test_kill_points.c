/* SPDX-License-Identifier: MIT */
/*
 * A daemon killed between any two stores leaves a journal which holds whatever
 * a client can see. Built with the kill points armed; each is visited.
 *
 * Red when: ledger_grant() writes the client's slot before the journal's;
 * ledger_extend() likewise; ledger_withdraw() the journal's before the client's;
 * journal_clear() makes the slot even first.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/ledger/withdraw.h"

#define RUN_WIDTH 4096u
#define CAPACITY 8u
/* odd with sums; then odd, t0, span, t1, even, in journal and page */
#define STORES_OF_A_GRANT (1u + 2u * 5u)
#define STORES_IN_THE_JOURNAL 6u
/* sums, t1, sums; then t1 in the page */
#define STORES_OF_AN_EXTENSION (3u + 1u)

/* What survives the daemon. */
struct world {
        struct slot page[SLOTS_PER_LANE];
        union {
                struct ledger_segment segment;
                uint8_t bytes[sizeof(struct ledger_segment) +
                              CAPACITY * sizeof(struct ledger_lane)];
        };
};

static struct world *world;

static void set_up(void) {
        world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                     -1, 0);
        cr_assert_neq(world, MAP_FAILED);
}

static void tear_down(void) {
        munmap(world, sizeof(*world));
}

TestSuite(kill_points, .init = set_up, .fini = tear_down);

static struct ledger *begin(uint64_t now) {
        struct ledger *ledger;

        cr_assert_eq(ledger_new(&ledger, &world->segment, (struct run){ 0, RUN_WIDTH }, now), 0);
        ledger_set_fence(ledger, 1000000);
        return ledger;
}

static int grant(struct ledger *ledger, struct ledger_entry *entry, unsigned slot, uint32_t start,
                 uint64_t t0, uint64_t t1) {
        struct rectangle r = { .start = start, .width = 64, .t0 = t0, .t1 = t1 };

        return ledger_grant(ledger, entry, slot, &r);
}

/* A case: what the daemon had done before, and what it is killed in. */
struct act {
        const char *name;
        uint64_t now; /* while it is killed, and at recovery */
        unsigned points;
        void (*before)(struct ledger *ledger, struct ledger_entry *entry);
        int (*act)(struct ledger *ledger, struct ledger_entry *entry);
};

static void nothing_before(struct ledger *ledger, struct ledger_entry *entry) {
        (void)ledger;
        (void)entry;
}

static void one_before(struct ledger *ledger, struct ledger_entry *entry) {
        cr_assert_eq(grant(ledger, entry, 0, 100, 1000, 1100), 0);
}

static void pair_before(struct ledger *ledger, struct ledger_entry *entry) {
        one_before(ledger, entry);
        cr_assert_eq(grant(ledger, entry, 1, 300, 1100, 1200), 0);
}

static int first_grant(struct ledger *ledger, struct ledger_entry *entry) {
        return grant(ledger, entry, 0, 100, 1000, 1100);
}

static int extension(struct ledger *ledger, struct ledger_entry *entry) {
        return ledger_extend(ledger, entry, 0, 1500);
}

static int successor(struct ledger *ledger, struct ledger_entry *entry) {
        return grant(ledger, entry, 1, 300, 1100, 1200);
}

static int rewriting(struct ledger *ledger, struct ledger_entry *entry) {
        return grant(ledger, entry, 0, 500, 1200, 1300);
}

static int rewriting_and_extension(struct ledger *ledger, struct ledger_entry *entry) {
        int r = rewriting(ledger, entry);

        return r < 0 ? r : ledger_extend(ledger, entry, 0, 1400);
}

/* The daemon was stopped for 20 ticks between its two readings. */
static uint64_t slow_clock(void *context) {
        static uint64_t tick = 1030;

        (void)context;
        return tick += 20;
}

static uint64_t no_cursor(const struct client *client, uint32_t lane) {
        (void)client, (void)lane;
        return 0;
}

static int withdrawal(struct ledger *ledger, struct ledger_entry *entry) {
        struct withdrawal list[] = { { .entry = entry, .slot = 0 }, { .entry = entry, .slot = 1 } };

        ledger_set_clock(ledger, (struct ledger_clock){ slow_clock, NULL });
        return ledger_withdraw(ledger, list, 2, no_cursor) == 1072 ? 0 : -EINVAL;
}

static int withdrawal_and_extension(struct ledger *ledger, struct ledger_entry *entry) {
        int r = withdrawal(ledger, entry);

        return r < 0 ? r : ledger_extend(ledger, entry, 0, 1080);
}

static const struct act acts[] = {
        { "grant", 1000, STORES_OF_A_GRANT, nothing_before, first_grant },
        { "extension", 1050, STORES_OF_AN_EXTENSION, one_before, extension },
        { "successor", 1050, STORES_OF_A_GRANT, one_before, successor },
        { "rewriting", 1100, STORES_OF_A_GRANT, pair_before, rewriting },
        { "rewriting and extension", 1150, STORES_OF_A_GRANT + STORES_OF_AN_EXTENSION, pair_before,
          rewriting_and_extension },
        { "withdrawal", 1050, 2 * STORES_OF_AN_EXTENSION, pair_before, withdrawal },
        { "withdrawal and extension", 1050, 3 * STORES_OF_AN_EXTENSION, pair_before, withdrawal_and_extension },
};

static void prepare(const struct act *act, struct ledger **ret_ledger,
                    struct ledger_entry **ret_entry) {
        memset(world, 0, sizeof(*world));
        world->segment.capacity = CAPACITY;
        world->segment.layout = id_layout_default;
        world->segment.next_client = 100;
        *ret_ledger = begin(1000);
        cr_assert_eq(ledger_open_lane(*ret_ledger, 1, 0, 0, 0, world->page, ret_entry), 0);
        act->before(*ret_ledger, *ret_entry);
        ledger_set_now(*ret_ledger, act->now);
}

static void arm(unsigned at) {
        char text[16];

        snprintf(text, sizeof(text), "%u", at);
        setenv("SFSHM_FAULT_AT", text, 1);
}

/* True when the child was killed, false when it came to the end. */
static bool reap(pid_t child) {
        int status;

        cr_assert_eq(waitpid(child, &status, 0), child);
        if (WIFSIGNALED(status)) {
                cr_assert_eq(WTERMSIG(status), SIGKILL);
                return true;
        }
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return false;
}

static bool killed_in(const struct act *act, unsigned at) {
        struct ledger_entry *entry;
        struct ledger *ledger;
        pid_t child;

        prepare(act, &ledger, &entry);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0) {
                arm(at);
                _exit(act->act(ledger, entry) == 0 ? 0 : 1);
        }
        ledger_free(ledger);
        return reap(child);
}

/* Whatever the client sees as valid at a tick from now on belongs to nobody
 * else then, and is in the journal. */
static void check_recovered(const struct act *act, struct ledger *ledger, unsigned at) {
        static struct slot other_page[SLOTS_PER_LANE];
        struct ledger_entry *other;
        unsigned visible = 0;

        memset(other_page, 0, sizeof(other_page));
        cr_assert_eq(ledger_open_lane(ledger, 2, 0, 0, 0, other_page, &other), 0);
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle seen, journal = { .width = 0 };

                if (!slot_read(&world->page[i], &seen))
                        continue;
                (void)slot_read(&world->segment.lanes[0].slots[i], &journal);
                for (uint64_t tick = act->now; tick < seen.t1; tick++) {
                        uint64_t t0 = tick;

                        if (!rectangle_at(&seen, tick))
                                continue;
                        visible++;
                        cr_assert_eq(grant(ledger, other, 0, seen.start, t0, t0 + 1), -EBUSY,
                                     "%s, killed at %u: slot %u at tick %lu", act->name, at, i,
                                     (unsigned long)tick);
                        cr_assert(rectangle_at(&journal, tick) && journal.start == seen.start &&
                                  journal.width == seen.width);
                }
        }
        if (act->before != nothing_before)
                cr_expect_gt(visible, 0, "%s, killed at %u: the old promise is gone", act->name,
                             at);
}

Test(kill_points, journal_holds_what_a_client_sees) {
        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
                unsigned at = 1;

                for (bool killed = true; killed; at++) {
                        struct ledger *ledger;

                        killed = killed_in(&acts[i], at);
                        ledger = begin(acts[i].now);
                        check_recovered(&acts[i], ledger, at);
                        ledger_free(ledger);
                }
                cr_expect_eq(at - 2, acts[i].points, "%s: %u kill points", acts[i].name, at - 2);
        }
}

/* The lane goes on with its client: from now on its page says what the journal
 * says, neither more nor less, and nobody else gets any of it. */
static void check_adopted(const struct act *act, struct ledger *ledger, unsigned at) {
        struct ledger_entry *entry = NULL;
        unsigned live = 0;

        cr_assert_eq(ledger_adopt_lane(ledger, 1, 0, world->page, &entry), 0, "%s, killed at %u",
                     act->name, at);
        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle seen = { .width = 0 }, journal = { .width = 0 };
                bool held = ledger_slot(ledger, entry, i, &journal);

                (void)slot_read(&world->page[i], &seen);
                cr_assert_eq(seen.t1 > act->now, held, "%s, killed at %u: slot %u", act->name, at,
                             i);
                live += held;
                if (!held)
                        continue;
                cr_assert(seen.start == journal.start && seen.width == journal.width &&
                          seen.t0 == journal.t0 && seen.t1 == journal.t1,
                          "%s, killed at %u: slot %u", act->name, at, i);
        }
        if (act->before != nothing_before)
                cr_expect_gt(live, 0);
        check_recovered(act, ledger, at);
        /* and on it goes */
        cr_assert_eq(grant(ledger, entry, 2, 700, act->now, act->now + 50), 0);
        cr_assert_eq(ledger_extend(ledger, entry, 2, act->now + 80), 0);
        ledger_set_now(ledger, 2000);
        cr_assert_eq(grant(ledger, entry, 0, 900, 2000, 2100), 0, "%s, killed at %u", act->name,
                     at);
        cr_assert_eq(grant(ledger, entry, 1, 1000, 2000, 2100), 0, "%s, killed at %u", act->name,
                     at);
}

/* Red when recovery_repair_slot() leaves a slot as it is, empties an odd one, or copies
 * only what is even. */
Test(kill_points, the_lane_goes_on_with_its_client) {
        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
                bool killed = true;

                for (unsigned at = 1; killed; at++) {
                        struct ledger *ledger;

                        killed = killed_in(&acts[i], at);
                        ledger = begin(acts[i].now);
                        check_adopted(&acts[i], ledger, at);
                        ledger_free(ledger);
                }
        }
}

/* The next daemon is killed while it takes the lane over; the one after it does. */
Test(kill_points, taking_over_may_be_killed) {
        unsigned points = 0;

        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
                for (unsigned at = 1; at <= acts[i].points; at++) {
                        bool killed = true;

                        for (unsigned again = 1; killed; again++) {
                                struct ledger_entry *entry;
                                struct ledger *ledger;
                                pid_t child;

                                cr_assert(killed_in(&acts[i], at));
                                child = fork();
                                cr_assert_geq(child, 0);
                                if (child == 0) {
                                        arm(again);
                                        ledger = begin(acts[i].now);
                                        _exit(ledger_adopt_lane(ledger, 1, 0, world->page,
                                                                &entry) != 0);
                                }
                                killed = reap(child);
                                points += killed;
                                ledger = begin(acts[i].now);
                                check_adopted(&acts[i], ledger, at);
                                ledger_free(ledger);
                        }
                }
        cr_expect_gt(points, 100);
}

/* Killed in a grant, and the next daemon killed while it clears up. */
Test(kill_points, recovery_itself_may_be_killed) {
        const struct act *act = &acts[3];
        unsigned points = 0;

        /* the journal slot is odd, and not complete but for that */
        for (unsigned at = 1; at < STORES_IN_THE_JOURNAL - 1; at++) {
                bool killed = true;

                for (unsigned again = 1; killed; again++) {
                        struct ledger *ledger;
                        struct rectangle r;
                        pid_t child;

                        cr_assert(killed_in(act, at));
                        child = fork();
                        cr_assert_geq(child, 0);
                        if (child == 0) {
                                arm(again);
                                ledger_free(begin(act->now));
                                _exit(0);
                        }
                        killed = reap(child);
                        points += killed;
                        ledger = begin(act->now);
                        check_recovered(act, ledger, at);
                        ledger_free(ledger);
                        cr_assert(slot_read(&world->segment.lanes[0].slots[0], &r));
                        cr_expect_eq(r.t1, 0);
                }
        }
        cr_expect_eq(points, (STORES_IN_THE_JOURNAL - 2) * 4);
}
