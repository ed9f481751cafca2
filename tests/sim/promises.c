/* SPDX-License-Identifier: MIT */
#include "promises.h"

#include <inttypes.h>
#include <string.h>

#include "world.h"

#define PROMISES 4096u
#define TICKS 65536u

static struct {
        uint64_t generation;
        uint64_t promised; /* the highest t1 */
        uint64_t floor;    /* of the owner that knows nothing */
        size_t n_promises, n_ids;
} now;

static struct rectangle promises[PROMISES];
/* IDs by tick: a table with open addressing, emptied by a new generation. */
static struct taken {
        uint64_t generation, tick;
        uint32_t start, width;
} ticks[TICKS];

void promises_begin(void) {
        uint64_t generation = now.generation + 1;

        memset(&now, 0, sizeof(now));
        now.generation = generation;
}

void promises_new_owner(void) {
        now.floor = now.promised;
}

bool promises_free(const struct rectangle *r) {
        for (size_t i = 0; i < now.n_promises; i++)
                if (rectangle_overlaps(&promises[i], r))
                        return false;
        return true;
}

/* ---- U2, U3 */

/* Those of long ago are forgotten. */
static size_t promise_add(void) {
        if (now.n_promises == PROMISES) {
                now.n_promises = PROMISES / 2;
                memmove(promises, promises + PROMISES / 2, PROMISES / 2 * sizeof(promises[0]));
        }
        return now.n_promises++;
}

/* `r` is new, nothing of it has been seen before. */
static void promise_check(const struct rectangle *r) {
        if (r->t1 > world.disk_fence)
                fail("U3: promised up to tick %" PRIu64 ", the fence is %" PRIu64, r->t1,
                     world.disk_fence);
        if (r->t0 < now.floor)
                fail("U3: an owner begins at tick %" PRIu64 ", up to %" PRIu64 " was promised",
                     r->t0, now.floor);
        for (size_t i = 0; i < now.n_promises; i++)
                if (promises[i].t1 > r->t0 && rectangle_overlaps(&promises[i], r))
                        fail("U2: promised twice: %u+%u in [%" PRIu64 ", %" PRIu64 ") and %u+%u "
                             "in [%" PRIu64 ", %" PRIu64 ")", r->start, r->width, r->t0, r->t1,
                             promises[i].start, promises[i].width, promises[i].t0, promises[i].t1);
        if (r->t1 > now.promised)
                now.promised = r->t1;
}

static bool same_grant(const struct rectangle *a, const struct rectangle *b) {
        return a->width == b->width && a->start == b->start && a->t0 == b->t0;
}

static void slot_withdrawn(struct sim_client *c, unsigned slot, uint64_t tick) {
        struct rectangle *seen = &c->seen[slot], r;

        if (c->leaves || !slot_read(&c->page->slots[0][slot], &r) || !same_grant(seen, &r) ||
            r.t1 >= seen->t1)
                return;
        if (slot < SLOT_ELASTIC_A)
                fail("U2: a promise shrank");
        promises_withdraw(seen, r.t1 > tick + 2 ? r.t1 : tick + 2);
        seen->t1 = r.t1;
}

void promises_look(uint64_t tick) {
        for (unsigned i = 0; i < CLIENTS; i++)
                for (unsigned slot = 0; slot < SLOTS_PER_LANE && world.clients[i].page; slot++)
                        slot_withdrawn(&world.clients[i], slot, tick);
}

static void slot_check(struct sim_client *c, unsigned slot) {
        struct rectangle *seen = &c->seen[slot], r, added;

        if (!slot_read(&c->page->slots[0][slot], &r) || r.width == 0)
                return;
        added = r;
        if (same_grant(seen, &r)) {
                added.t0 = seen->t1;
        } else if (seen->t1 > r.t0) {
                fail("rule 2: a slot was granted anew before it had run out");
        }
        if (added.t0 >= added.t1)
                return;
        promise_check(&added);
        promises[promise_add()] = added;
        *seen = r;
}

void check_pages(void) {
        promises_look(0);
        for (unsigned i = 0; i < CLIENTS; i++)
                for (unsigned slot = 0; slot < SLOTS_PER_LANE && world.clients[i].page; slot++)
                        slot_check(&world.clients[i], slot);
        if (now.promised > world.disk_fence)
                fail("U3: the fence is %" PRIu64 ", %" PRIu64 " was promised", world.disk_fence,
                     now.promised);
}

static void promise_shorten(struct rectangle *promise, uint64_t end) {
        if (promise->t0 >= end)
                *promise = (struct rectangle){ .width = 0 };
        else
                promise->t1 = end;
}

void promises_withdraw(const struct rectangle *r, uint64_t end) {
        now.promised = 0;
        for (size_t i = 0; i < now.n_promises; i++) {
                if (promises[i].t1 > end && rectangle_overlaps(&promises[i], r))
                        promise_shorten(&promises[i], end);
                if (promises[i].t1 > now.promised)
                        now.promised = promises[i].t1;
        }
        now.promised = 0; /* what was withdrawn holds no fence up */
        for (size_t i = 0; i < now.n_promises; i++)
                if (promises[i].t1 > now.promised)
                        now.promised = promises[i].t1;
}

/* ---- U1 */

void promises_take(const struct rectangle *r, uint64_t tick) {
        size_t at = (size_t)(tick * UINT64_C(0x9e3779b97f4a7c15) >> 48) % TICKS;

        if (++now.n_ids > TICKS / 2) { /* those of long ago are forgotten */
                now.generation++;
                now.n_ids = 1;
        }
        for (; ticks[at].generation == now.generation; at = (at + 1) % TICKS)
                if (ticks[at].tick == tick && ticks[at].start < r->start + r->width &&
                    r->start < ticks[at].start + ticks[at].width)
                        fail("U1: position %u of tick %" PRIu64 " twice", r->start, tick);
        ticks[at] = (struct taken){ now.generation, tick, r->start, r->width };
}
