/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/rectangles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int rectangle_set_init(struct rectangle_set *set, size_t capacity) {
        struct live_rectangle *entries = calloc(capacity + 1, sizeof(*entries));

        if (!entries)
                return -ENOMEM;
        *set = (struct rectangle_set){ .entries = entries, .earliest_t1 = UINT64_MAX };
        return 0;
}

void rectangle_set_fini(struct rectangle_set *set) {
        free(set->entries);
        *set = (struct rectangle_set){ .entries = NULL };
}

/* The first entry whose start is not below `start`. */
static size_t rectangle_set_from(const struct rectangle_set *set, uint32_t start) {
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

static void rectangle_set_note(struct rectangle_set *set, const struct rectangle *r) {
        if (r->width > set->widest)
                set->widest = r->width;
        if (r->t1 < set->earliest_t1)
                set->earliest_t1 = r->t1;
}

void rectangle_set_insert(struct rectangle_set *set, const struct live_rectangle *live) {
        size_t at = rectangle_set_from(set, live->rectangle.start);

        memmove(&set->entries[at + 1], &set->entries[at], (set->n - at) * sizeof(*live));
        set->entries[at] = *live;
        set->n++;
        rectangle_set_note(set, &live->rectangle);
}

struct live_rectangle *rectangle_set_find(const struct rectangle_set *set, uint32_t record,
                                          uint32_t slot, uint32_t start) {
        for (size_t i = rectangle_set_from(set, start); i < set->n; i++) {
                struct live_rectangle *live = &set->entries[i];

                if (live->rectangle.start != start)
                        break;
                if (live->record == record && live->slot == slot)
                        return live;
        }
        return NULL;
}

void rectangle_set_shorten(struct rectangle_set *set, struct live_rectangle *live, uint64_t t1) {
        live->rectangle.t1 = t1;
        /* [t1, t1) overlaps only what reaches over t1 on both sides: neither a grant from
         * t1 on nor one that ends by then */
        if (live->rectangle.t0 > t1)
                live->rectangle.t0 = t1;
        rectangle_set_note(set, &live->rectangle);
}

bool rectangle_set_overlaps(const struct rectangle_set *set, const struct rectangle *r) {
        /* what starts further below `r` than the widest width ends below `r` */
        uint32_t reach = set->widest > 0 ? set->widest - 1 : 0;
        size_t i = rectangle_set_from(set, r->start > reach ? r->start - reach : 0);

        for (; i < set->n; i++) {
                const struct live_rectangle *live = &set->entries[i];

                if (live->rectangle.start >= (uint64_t)r->start + r->width)
                        break;
                if (rectangle_overlaps(&live->rectangle, r))
                        return true;
        }
        return false;
}

uint64_t rectangle_set_end(const struct rectangle_set *set) {
        uint64_t end = 0;

        for (size_t i = 0; i < set->n; i++) {
                const struct rectangle *r = &set->entries[i].rectangle;

                if ((uint64_t)r->start + r->width > end)
                        end = (uint64_t)r->start + r->width;
        }
        return end;
}

void rectangle_set_expire(struct rectangle_set *set, uint64_t now_tick,
                          void (*gone)(void *context, const struct live_rectangle *live),
                          void *context) {
        size_t kept = 0;

        if (now_tick < set->earliest_t1)
                return;
        set->earliest_t1 = UINT64_MAX;
        set->widest = 0;
        for (size_t i = 0; i < set->n; i++) {
                struct live_rectangle live = set->entries[i];

                if (live.rectangle.t1 <= now_tick) {
                        gone(context, &live);
                        continue;
                }
                rectangle_set_note(set, &live.rectangle);
                set->entries[kept++] = live;
        }
        set->n = kept;
}

struct rectangle_gaps rectangle_gaps_begin(const struct rectangle_set *set, uint64_t from,
                                           uint64_t to, uint64_t t0, uint64_t t1) {
        return (struct rectangle_gaps){ .set = set, .t0 = t0, .t1 = t1, .edge = from, .end = to };
}

bool rectangle_gaps_next(struct rectangle_gaps *gaps, uint32_t *ret_start, uint32_t *ret_width) {
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
