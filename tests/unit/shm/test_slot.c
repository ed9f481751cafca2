/* SPDX-License-Identifier: MIT */
/* Slots: grant, extend, and what readers see meanwhile (rules 1 and 2, U2). */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "shm/slot.h"
#include "tests/unit/support/single_step.h"

static void no_step(void) {
}

static bool equal(const struct rectangle *a, const struct rectangle *b) {
        return a->start == b->start && a->width == b->width && a->t0 == b->t0 && a->t1 == b->t1;
}

Test(slot, a_zero_slot_is_a_grant_of_nothing) {
        struct slot slot = { 0 };
        struct rectangle r;

        cr_assert(slot_read(&slot, &r));
        cr_assert_not(rectangle_at(&r, 0));
        cr_assert_not(rectangle_at(&r, 5));
        cr_assert_eq(span_width(slot_span_at(&slot, 5)), 0);
}

Test(slot, grant_and_read) {
        struct slot slot = { 0 };
        struct rectangle r, granted = { .start = 70, .width = 30, .t0 = 5, .t1 = 9 };

        cr_assert_eq(slot_grant(&slot, &granted, no_step), 0);
        cr_assert(slot_read(&slot, &r));
        cr_assert(equal(&r, &granted));
        cr_assert_not(rectangle_at(&r, 4));
        cr_assert(rectangle_at(&r, 5));
        cr_assert(rectangle_at(&r, 8));
        cr_assert_not(rectangle_at(&r, 9));
        cr_assert_eq(slot_span_at(&slot, 4), 0);
        cr_assert_eq(slot_span_at(&slot, 5), span_pack(70, 30));
        cr_assert_eq(slot.sequence, 2);
}

Test(slot, rule_2_and_refusals_write_nothing) {
        struct slot slot = { 0 };
        struct rectangle r, granted = { .start = 70, .width = 30, .t0 = 5, .t1 = 9 };
        struct rectangle refused[] = {
                { .start = 0, .width = 0, .t0 = 9, .t1 = 10 },
                { .start = 0, .width = SLOT_WIDTH_MAX + 1, .t0 = 9, .t1 = 10 },
                { .start = 0, .width = UINT32_MAX, .t0 = 9, .t1 = 10 },
                { .start = 0, .width = 1, .t0 = 9, .t1 = 9 },
                { .start = 0, .width = 1, .t0 = 10, .t1 = 9 },
                { .start = 0, .width = 1, .t0 = 8, .t1 = 12 }, /* rule 2 */
                { .start = 70, .width = 30, .t0 = 5, .t1 = 9 },
        };

        cr_assert_eq(slot_grant(&slot, &granted, no_step), 0);
        for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                cr_assert_eq(slot_grant(&slot, &refused[i], no_step), i < 5 ? -EINVAL : -EBUSY,
                             "rectangle %zu", i);
                cr_assert(slot_read(&slot, &r) && equal(&r, &granted), "rectangle %zu", i);
                cr_assert_eq(slot.sequence, 2);
        }
        refused[5].t0 = 9;
        refused[5].width = SLOT_WIDTH_MAX;
        cr_assert_eq(slot_grant(&slot, &refused[5], no_step), 0);
}

Test(slot, U2_extending_only_grows) {
        struct slot slot = { 0 };
        struct rectangle r, granted = { .start = 1, .width = 2, .t0 = 5, .t1 = 9 };

        cr_assert_eq(slot_grant(&slot, &granted, no_step), 0);
        cr_assert_eq(slot_extend(&slot, 8), -EINVAL);
        cr_assert_eq(slot_extend(&slot, 9), 0);
        cr_assert_eq(slot_extend(&slot, 12), 0);
        cr_assert_eq(slot.sequence, 2, "a kill while extending must not invalidate the slot");
        cr_assert(slot_read(&slot, &r));
        cr_assert_eq(r.t1, 12);
        slot.sequence = 3;
        cr_assert_eq(slot_extend(&slot, 20), -EINVAL, "its writer died");
        cr_assert_eq(slot.t1, 12);
}

Test(slot, U2_overlap_is_both_ways_and_exact) {
        struct rectangle a = { .start = 10, .width = 10, .t0 = 5, .t1 = 9 };
        struct rectangle apart[] = {
                { .start = 20, .width = 1, .t0 = 5, .t1 = 9 },
                { .start = 9, .width = 1, .t0 = 5, .t1 = 9 },
                { .start = 10, .width = 10, .t0 = 9, .t1 = 10 },
                { .start = 10, .width = 10, .t0 = 4, .t1 = 5 },
        };
        struct rectangle shared[] = {
                { .start = 19, .width = 1, .t0 = 8, .t1 = 9 },
                { .start = 0, .width = 11, .t0 = 0, .t1 = 6 },
                { .start = 0, .width = UINT32_MAX, .t0 = 0, .t1 = UINT64_MAX },
        };

        for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
                cr_assert(!rectangle_overlaps(&a, &apart[i]) && !rectangle_overlaps(&apart[i], &a));
        for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
                cr_assert(rectangle_overlaps(&a, &shared[i]) && rectangle_overlaps(&shared[i], &a));
}

/* ---- a writer that dies between any two instructions ---- */

static const struct rectangle old_grant = { .start = 100, .width = 50, .t0 = 10, .t1 = 20 };
static const struct rectangle new_grant = { .start = 300, .width = 7, .t0 = 30, .t1 = 40 };

static void write_new_grant(void *argument) {
        (void)slot_grant(argument, &new_grant, no_step);
}

static void look_at_dead_grant(void *argument) {
        struct slot *slot = argument, next;
        struct rectangle r, third = { .start = 8, .width = 9, .t0 = 40, .t1 = 41 };
        uint64_t span = slot_span_at(slot, 15);

        if (slot_read(slot, &r))
                cr_assert(equal(&r, &old_grant) || equal(&r, &new_grant), "a mixed rectangle");
        /* a hot path in tick 15 of the old grant */
        cr_assert(span == 0 || span == span_pack(100, 50), "the new span in an old tick");

        /* the next daemon writes over whatever is there */
        __builtin_memcpy(&next, slot, sizeof(next));
        cr_assert_eq(slot_grant(&next, &third, no_step), 0);
        cr_assert(slot_read(&next, &r) && equal(&r, &third));
}

/* Red when rule 1's odd sequence is left out, when a field is stored outside
 * odd and even, or when span is stored before t0. */
Test(slot, rule_1_a_grant_cut_anywhere) {
        struct slot *slot = single_step_memory(sizeof(*slot));
        struct rectangle r;
        unsigned long steps;

        cr_assert_eq(slot_grant(slot, &old_grant, no_step), 0);
        steps = single_step(write_new_grant, look_at_dead_grant, slot);
        cr_assert_gt(steps, 5, "only %lu instructions: was it stepped at all?", steps);
        cr_assert(slot_read(slot, &r) && equal(&r, &new_grant));
}

static void write_extension(void *argument) {
        (void)slot_extend(argument, 25);
}

static void look_at_dead_extension(void *argument) {
        struct rectangle r;

        cr_assert(slot_read(argument, &r), "a kill while extending invalidated the slot");
        cr_assert(r.t1 == 20 || r.t1 == 25);
        r.t1 = 20;
        cr_assert(equal(&r, &old_grant));
}

Test(slot, A1_an_extension_cut_anywhere) {
        struct slot *slot = single_step_memory(sizeof(*slot));

        cr_assert_eq(slot_grant(slot, &old_grant, no_step), 0);
        (void)single_step(write_extension, look_at_dead_extension, slot);
        cr_assert_eq(slot->t1, 25);
}

/* ---- a writer and a reader at once ---- */

#define EVERY 16u /* grant n holds the ticks from n * EVERY on, at most EVERY of them */

static struct rectangle grant_of(uint64_t n) {
        return (struct rectangle){ .start = (uint32_t)(n * 7919 % 1000003),
                                   .width = 1 + (uint32_t)(n * 31 % 4093),
                                   .t0 = n * EVERY, .t1 = n * EVERY + 8 };
}

struct slot_race {
        struct slot slot;
        _Atomic bool stop;
        _Atomic uint64_t grants;
};

static void *write_grants(void *argument) {
        struct slot_race *race = argument;

        /* relaxed: the flag orders nothing */
        for (uint64_t n = 1; !atomic_load_explicit(&race->stop, memory_order_relaxed); n++) {
                struct rectangle r = grant_of(n);

                (void)slot_grant(&race->slot, &r, no_step);
                (void)slot_extend(&race->slot, r.t1 + 8);
                atomic_store_explicit(&race->grants, n, memory_order_relaxed);
        }
        return NULL;
}

/* Everything follows from t0, so a mix of two grants shows; t1 may be the
 * granted one or the extended one. */
static bool is_whole(const struct rectangle *r) {
        struct rectangle expected = grant_of(r->t0 / EVERY);

        return r->t0 % EVERY == 0 && r->start == expected.start && r->width == expected.width &&
               (r->t1 == expected.t1 || r->t1 == expected.t1 + 8);
}

/* The hot path, in a tick which slot_read() has shown to be granted as `r`. */
static bool spans_are_known(const struct slot *slot, const struct rectangle *r, uint64_t *seen) {
        for (int i = 0; i < 8; i++) {
                uint64_t span = slot_span_at(slot, r->t0 + 7);

                if (span != 0 && span != span_pack(r->start, r->width))
                        return false;
                *seen += span != 0;
        }
        return true;
}

/* Reads until enough was seen, or returns what is wrong. */
static const char *read_grants(struct slot_race *race, struct rectangle *ret) {
        uint64_t read = 0, hot = 0;

        while (read < 500000 || hot < 500 ||
               atomic_load_explicit(&race->grants, memory_order_relaxed) < 1000000) {
                if (!slot_read(&race->slot, ret))
                        continue;
                if (!is_whole(ret))
                        return "a mixed rectangle";
                if (!spans_are_known(&race->slot, ret, &hot))
                        return "the span of another grant in the ticks of this one";
                read++;
        }
        return NULL;
}

/* Red (within seconds) when the odd store or the second look at the sequence is
 * taken out, or when span is stored before t0. */
Test(slot, rule_1_readers_beside_a_writer) {
        struct slot_race race = { 0 };
        struct rectangle r = grant_of(0);
        const char *wrong;
        pthread_t writer;

        cr_assert_eq(slot_grant(&race.slot, &r, no_step), 0);
        cr_assert_eq(pthread_create(&writer, NULL, write_grants, &race), 0);
        wrong = read_grants(&race, &r);
        atomic_store_explicit(&race.stop, true, memory_order_relaxed);
        (void)pthread_join(writer, NULL);
        cr_assert_null(wrong, "%s: start %u, width %u, ticks %lu to %lu", wrong, r.start, r.width,
                       (unsigned long)r.t0, (unsigned long)r.t1);
}
