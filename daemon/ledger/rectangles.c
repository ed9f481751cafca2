/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/rectangles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int live_init(struct live_set *set, size_t capacity) {
        struct live *entries = calloc(capacity + 1, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        *set = (struct live_set){ .entries = entries, .earliest_t1 = UINT64_MAX };
        return 0;
}

void live_fini(struct live_set *set) {
        free(set->entries);
        *set = (struct live_set){ .entries = NULL };
}

/* The first entry whose start is not below `start`. */
static size_t live_from(const struct live_set *set, uint32_t start) {
        size_t low = 0, high = set->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (set->entries[middle].rectangle.start < start)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void live_bounds(struct live_set *set, const struct rectangle *r) {
        if (r->width > set->widest)
                set->widest = r->width;
        if (r->t1 < set->earliest_t1)
                set->earliest_t1 = r->t1;
}

void live_insert(struct live_set *set, const struct live *live) {
        size_t at = live_from(set, live->rectangle.start);

        memmove(&set->entries[at + 1], &set->entries[at], (set->n - at) * sizeof(*live));
        set->entries[at] = *live;
        set->n++;
        live_bounds(set, &live->rectangle);
}

struct live *live_find(const struct live_set *set, uint32_t record, uint32_t slot, uint32_t start) {
        for (size_t i = live_from(set, start); i < set->n; i++) {
                struct live *live = &set->entries[i];

                if (live->rectangle.start != start)
                        break;
                if (live->record == record && live->slot == slot)
                        return live;
        }
        return NULL;
}

bool live_overlaps(const struct live_set *set, const struct rectangle *r) {
        /* whatever starts further below than the widest is wide ends below r */
        uint32_t reach = set->widest > 0 ? set->widest - 1 : 0;
        size_t i = live_from(set, r->start > reach ? r->start - reach : 0);

        for (; i < set->n; i++) {
                const struct live *live = &set->entries[i];

                if (live->rectangle.start >= (uint64_t)r->start + r->width)
                        break;
                if (rectangle_overlaps(&live->rectangle, r))
                        return true;
        }
        return false;
}

uint64_t live_end(const struct live_set *set) {
        uint64_t end = 0;

        for (size_t i = 0; i < set->n; i++) {
                const struct rectangle *r = &set->entries[i].rectangle;

                if ((uint64_t)r->start + r->width > end)
                        end = (uint64_t)r->start + r->width;
        }
        return end;
}

void live_expire(struct live_set *set, uint64_t now_tick,
                 void (*gone)(void *context, const struct live *live), void *context) {
        size_t kept = 0;

        if (now_tick < set->earliest_t1)
                return;
        set->earliest_t1 = UINT64_MAX;
        set->widest = 0;
        for (size_t i = 0; i < set->n; i++) {
                struct live live = set->entries[i];

                if (live.rectangle.t1 <= now_tick) {
                        gone(context, &live);
                        continue;
                }
                live_bounds(set, &live.rectangle);
                set->entries[kept++] = live;
        }
        set->n = kept;
}

struct live_gaps live_gaps_begin(const struct live_set *set, uint64_t from, uint64_t to,
                                 uint64_t t0, uint64_t t1) {
        return (struct live_gaps){ .set = set, .t0 = t0, .t1 = t1, .edge = from, .end = to };
}

bool live_gaps_next(struct live_gaps *gaps, uint32_t *ret_start, uint32_t *ret_width) {
        while (gaps->edge < gaps->end) {
                uint64_t start = gaps->edge, end = gaps->end;

                if (gaps->next < gaps->set->n) {
                        const struct rectangle *r = &gaps->set->entries[gaps->next++].rectangle;

                        if (r->t0 >= gaps->t1 || gaps->t0 >= r->t1)
                                continue;
                        if (r->start < end)
                                end = r->start;
                        if ((uint64_t)r->start + r->width > gaps->edge)
                                gaps->edge = (uint64_t)r->start + r->width;
                } else {
                        gaps->edge = end;
                }
                if (end > start) {
                        *ret_start = (uint32_t)start;
                        *ret_width = (uint32_t)(end - start);
                        return true;
                }
        }
        return false;
}
