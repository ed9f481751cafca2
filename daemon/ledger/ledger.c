/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/ledger/adoption.h"
#include "daemon/ledger/hold.h"
#include "daemon/ledger/gone.h"
#include "daemon/ledger/internal.h"
#include "daemon/ledger/journal.h"
#include "daemon/ledger/tell.h"
#include "daemon/util/kill_point.h"
#include "shm/probe.h"

int ledger_new(struct ledger **ret, struct ledger_segment *segment, struct run run,
               uint64_t now_tick) {
        struct ledger *ledger = calloc(1, sizeof(*ledger));
        size_t capacity = segment->capacity;

        if (!ledger)
                return -ENOMEM;
        *ledger = (struct ledger){ .segment = segment, .run = run, .now = now_tick };
        ledger->places = calloc(capacity + 1, sizeof(ledger->places[0]));
        ledger->free_places = calloc(capacity + 1, sizeof(ledger->free_places[0]));
        if (!ledger->places || !ledger->free_places ||
            rectangle_set_init(&ledger->live, adoption_rectangles(segment)) < 0 ||
            adoption_begin(ledger) < 0) {
                ledger_free(ledger);
                return -ENOMEM;
        }
        ledger->adopted_end = ledger->last_promise;
        *ret = ledger;
        return 0;
}

struct ledger *ledger_free(struct ledger *ledger) {
        if (!ledger)
                return NULL;
        rectangle_set_fini(&ledger->live);
        recovery_fini(&ledger->recovery);
        free(ledger->places);
        free(ledger->free_places);
        free(ledger);
        return NULL;
}

void ledger_set_fence(struct ledger *ledger, uint64_t fence_tick) {
        if (fence_tick <= ledger->fence)
                return;
        ledger->fence = fence_tick;
        /* one that a segment has from an earlier daemon is not lowered */
        fence_word_raise(fence_word_ledger(ledger->segment), fence_tick);
        if (ledger->fence_copy.tick)
                fence_word_raise(ledger->fence_copy, fence_tick);
        ledger_store_in_order();
}

void ledger_lower_fence(struct ledger *ledger, uint64_t fence_tick) {
        ledger->fence = fence_tick;
        if (ledger->fence_copy.tick)
                fence_word_set(ledger->fence_copy, fence_tick);
        fence_word_set(fence_word_ledger(ledger->segment), fence_tick);
}

struct run ledger_run(const struct ledger *ledger) {
        return ledger->run;
}

void ledger_resize_run(struct ledger *ledger, uint32_t run_width) {
        ledger->run.width = run_width;
}

uint64_t ledger_end(const struct ledger *ledger) {
        return rectangle_set_end(&ledger->live);
}

void ledger_copy_fence(struct ledger *ledger, struct fence_word copy) {
        ledger->fence_copy = copy;
}

void ledger_set_clock(struct ledger *ledger, struct ledger_clock clock) {
        ledger->clock = clock;
}

uint64_t ledger_fence(const struct ledger *ledger) {
        return ledger->fence;
}

static void run_out(void *context, const struct live_rectangle *live) {
        struct ledger *ledger = context;

        ledger->places[live->record].n_live--;
        ledger->expired++;
        ledger_rest(ledger, live->record);
}

uint64_t ledger_expired(const struct ledger *ledger) {
        return ledger->expired;
}

void ledger_set_now(struct ledger *ledger, uint64_t now_tick) {
        if (now_tick > ledger->now)
                ledger->now = now_tick;
        rectangle_set_expire(&ledger->live, ledger->now, run_out, ledger);
}

const struct ledger_lane *ledger_former(const struct ledger *ledger, uint64_t client,
                                        uint32_t *ret_lanes) {
        uint32_t lanes;
        size_t first;

        lanes = recovery_lanes(&ledger->recovery, client, &first);
        if (lanes == 0)
                return NULL;
        *ret_lanes = lanes;
        return &ledger->segment->lanes[ledger->recovery.records[first].record];
}

static struct ledger_entry *place_open(struct ledger *ledger, uint32_t record,
                                       struct slot *slots) {
        struct place *place = &ledger->places[record];

        place->open = true;
        place->awaits = place->left = place->succeeded = false;
        ledger->n_open++;
        place->entry = (struct ledger_entry){ .record = &ledger->segment->lanes[record],
                                              .slots = slots };
        return &place->entry;
}

int ledger_adopt_lane(struct ledger *ledger, uint64_t client, uint32_t lane, struct slot *slots,
                      struct ledger_entry **ret) {
        uint32_t lanes, index;
        size_t first;
        int r = 0;

        lanes = recovery_lanes(&ledger->recovery, client, &first);
        if (lane >= lanes)
                return -ENOENT;
        index = ledger->recovery.records[first + lane].record;
        if (!ledger->places[index].awaits)
                return -ENOENT;
        if (ledger->places[index].damaged)
                return -EBADMSG;
        for (unsigned slot = 0; slot < SLOTS_PER_LANE && r == 0; slot++)
                r = recovery_repair_slot(&ledger->segment->lanes[index].slots[slot], &slots[slot],
                                         ledger->now);
        if (r < 0)
                return r;
        *ret = place_open(ledger, index, slots);
        return 0;
}

void ledger_end_adoption(struct ledger *ledger) {
        for (size_t i = ledger->recovery.n; i-- > 0;) {
                uint32_t record = ledger->recovery.records[i].record;

                if (!ledger->places[record].awaits)
                        continue;
                ledger->places[record].awaits = false;
                /* relaxed: as in ledger_open_lane() */
                atomic_store_explicit(&ledger->segment->lanes[record].client, 0,
                                      memory_order_relaxed);
                ledger_rest(ledger, record);
        }
        recovery_fini(&ledger->recovery);
}

uint64_t ledger_number_client(struct ledger *ledger) {
        /* relaxed: only this thread counts; the next daemon continues from there */
        return atomic_fetch_add_explicit(&ledger->segment->next_client, 1, memory_order_relaxed);
}

int ledger_open_lane(struct ledger *ledger, uint64_t client, uint32_t lane, uint32_t uid,
                     uint32_t pid, struct slot *slots, struct ledger_entry **ret) {
        struct ledger_lane *record;
        uint32_t index;

        ledger_end_adoption(ledger);
        if (ledger->n_free == 0)
                return -ENOSPC;
        index = ledger->free_places[--ledger->n_free];
        ledger_succeed(ledger, uid, pid);
        record = &ledger->segment->lanes[index];
        record->cgroup = 0;
        record->lane = lane;
        record->uid = uid;
        record->pid = pid;
        /* relaxed: no rectangle depends on the record's owner */
        atomic_store_explicit(&record->client, client, memory_order_relaxed);
        *ret = place_open(ledger, index, slots);
        return 0;
}

struct ledger_entry *ledger_close_lane(struct ledger *ledger, struct ledger_entry *entry) {
        uint32_t index;

        if (!entry)
                return NULL;
        index = ledger_record_of(ledger, entry);
        /* relaxed: as in ledger_open_lane() */
        atomic_store_explicit(&entry->record->client, 0, memory_order_relaxed);
        entry->slots = NULL;
        ledger->places[index].open = false;
        ledger->n_open--;
        ledger->places[index].left = true;
        ledger_rest(ledger, index);
        return NULL;
}

static int check(const struct ledger *ledger, const struct rectangle *r) {
        if (r->width == 0 || r->width > SLOT_WIDTH_MAX || r->t0 >= r->t1 ||
            r->start < ledger->run.start || (uint64_t)r->start + r->width > run_end(ledger->run))
                return -EINVAL;
        if (r->t1 > ledger->fence)
                return -ERANGE;
        return rectangle_set_overlaps(&ledger->live, r) ? -EBUSY : 0;
}

/* Rule 2: a slot is rewritten only when what it held has run out. It must have run out
 * now, and not only by the new t0 (which is no earlier): while the journal's slot is odd,
 * the next daemon knows nothing of what it held. */
static bool slot_run_out(const struct ledger *ledger, const struct slot *slot) {
        /* relaxed: only this thread stores it */
        return atomic_load_explicit(&slot->t1, memory_order_relaxed) <= ledger->now;
}

int ledger_grant(struct ledger *ledger, struct ledger_entry *entry, unsigned slot,
                 const struct rectangle *rectangle) {
        struct slot *journal, *client;
        int r;

        /* what has run out by now is forgotten, so nothing may begin before now */
        if (slot >= SLOTS_PER_LANE || !entry->slots || rectangle->t0 < ledger->now)
                return -EINVAL;
        r = check(ledger, rectangle);
        if (r < 0)
                return r;
        journal = &entry->record->slots[slot];
        client = &entry->slots[slot];
        if (!slot_run_out(ledger, journal) || !slot_run_out(ledger, client))
                return -EBUSY;

        /* Rule 4: the journal comes first, completely, and then the client's slot. A kill
         * point follows every store. Nothing fails: everything is checked above. */
        journal_grant(journal, rectangle);
        ledger_store_in_order();
        ledger_tell_held(ledger, ledger_record_of(ledger, entry), slot, rectangle);
        (void)slot_grant(client, rectangle, kill_point);
        ledger_hold(ledger, rectangle, ledger_record_of(ledger, entry), slot);
        PROBE4(grant, ledger_client_of(entry), rectangle->start, rectangle->width, rectangle->t1);
        return 0;
}

int ledger_extend(struct ledger *ledger, struct ledger_entry *entry, unsigned slot, uint64_t t1) {
        struct rectangle held, added;
        struct live_rectangle *live;
        int r;

        if (slot >= SLOTS_PER_LANE || !entry->slots || !ledger_slot(ledger, entry, slot, &held) ||
            t1 < held.t1)
                return -EINVAL;
        if (t1 == held.t1)
                return 0;
        live = rectangle_set_find(&ledger->live, ledger_record_of(ledger, entry), slot, held.start);
        if (!live)
                return -EINVAL;
        added = held;
        added.t0 = held.t1;
        added.t1 = t1;
        r = check(ledger, &added);
        if (r < 0)
                return r;

        PROBE3(extend, ledger_client_of(entry), held.start, t1);
        journal_set_end(&entry->record->slots[slot], t1); /* rule 4: the journal comes first */
        ledger_store_in_order();
        held.t1 = t1;
        ledger_tell_held(ledger, ledger_record_of(ledger, entry), slot, &held);
        (void)slot_extend(&entry->slots[slot], t1);
        kill_point();
        live->rectangle.t1 = t1;
        if (t1 > ledger->last_promise)
                ledger->last_promise = t1;
        return 0;
}

bool ledger_slot(const struct ledger *ledger, const struct ledger_entry *entry, unsigned slot,
                 struct rectangle *ret) {
        struct rectangle r;

        if (slot >= SLOTS_PER_LANE || !slot_read(&entry->record->slots[slot], &r) ||
            r.width == 0 || r.t1 <= ledger->now)
                return false;
        *ret = r;
        return true;
}

static struct rectangle_gaps gaps_begin(const struct ledger *ledger, uint64_t t0, uint64_t t1) {
        return rectangle_gaps_begin(&ledger->live, ledger->run.start, run_end(ledger->run), t0, t1);
}

int ledger_find_high(const struct ledger *ledger, uint64_t t0, uint64_t t1, uint32_t width,
                     uint32_t *ret_start) {
        struct rectangle_gaps gaps = gaps_begin(ledger, t0, t1);
        uint32_t start, gap, found = 0;
        bool any = false;

        while (rectangle_gaps_next(&gaps, &start, &gap)) {
                if (gap < width)
                        continue;
                found = start + (gap - width);
                any = true;
        }
        if (!any || width == 0)
                return -ENOSPC;
        *ret_start = found;
        return 0;
}

void ledger_widest_gap(const struct ledger *ledger, uint64_t t0, uint64_t t1, uint32_t *ret_start,
                       uint32_t *ret_width) {
        struct rectangle_gaps gaps = gaps_begin(ledger, t0, t1);
        uint32_t start, gap, widest_start = ledger->run.start, widest = 0;

        while (rectangle_gaps_next(&gaps, &start, &gap)) {
                if (gap <= widest)
                        continue;
                widest_start = start;
                widest = gap;
        }
        *ret_start = widest_start;
        *ret_width = widest;
}

uint64_t ledger_last_promise(const struct ledger *ledger) {
        return ledger->last_promise;
}

size_t ledger_live_count(const struct ledger *ledger) {
        return ledger->live.n;
}
