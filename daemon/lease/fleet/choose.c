/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/choose.h"

#include <errno.h>
#include <string.h>

/* A commit has room for the records of so many owners, beside four other keys. */
#define OWNERS_MAX (COORDINATOR_COMMIT_MAX - 4)

uint64_t fleet_free_tick(uint64_t fence_tick, bool freed, uint64_t recycle_ticks) {
        uint64_t tick;

        return __builtin_add_overflow(fence_tick, freed ? 0 : recycle_ticks, &tick) ||
                               tick == UINT64_MAX ? UINT64_MAX : tick + 1;
}

static uint64_t free_tick_of(const struct record_brief *record, uint64_t recycle_ticks) {
        return fleet_free_tick(record->fence_tick, record->freed, recycle_ticks);
}

/* -EBUSY, or 0 and the fence. */
static int check_worker(const struct fleet_view *view, uint32_t worker, uint64_t now_tick,
                        uint64_t recycle_ticks, uint64_t *ret_fence) {
        int32_t owner = view->of_worker[worker];

        *ret_fence = owner >= 0 ? view->owners[owner].record->fence_tick : 0;
        if (owner == FLEET_NEVER_USED)
                return 0;
        if (owner == FLEET_REFUSED || view->owners[owner].alive)
                return -EBUSY;
        return now_tick >= free_tick_of(view->owners[owner].record, recycle_ticks) ? 0 : -EBUSY;
}

static bool released_by(const struct fleet_view *view, uint32_t worker,
                        const struct record_identity *who) {
        int32_t owner = view->of_worker[worker];
        const struct record_brief *record = owner >= 0 ? view->owners[owner].record : NULL;

        return record != NULL && record->released &&
               strcmp(record->who.machine_id, who->machine_id) == 0 &&
               strcmp(record->who.boot_id, who->boot_id) == 0 &&
               strcmp(record->who.directory, who->directory) == 0;
}

uint32_t fleet_extent(const struct fleet_view *view, uint32_t first, uint32_t most,
                      uint64_t now_tick, uint64_t recycle_ticks,
                      const struct record_identity *who, uint64_t *ret_fence) {
        uint32_t n = 0, owners = 0;
        uint64_t fence = 0, own;

        for (; n < most && first + n < view->end; n++) {
                uint32_t w = first + n;
                uint64_t rest = who != NULL && released_by(view, w, who) ? 0 : recycle_ticks;

                if (check_worker(view, w, now_tick, rest, &own) < 0)
                        break;
                /* never fewer than there are, which is enough */
                owners += view->of_worker[w] >= 0 &&
                          (n == 0 || view->of_worker[w] != view->of_worker[w - 1]);
                if (owners > OWNERS_MAX)
                        break;
                fence = own > fence ? own : fence;
        }
        *ret_fence = fence;
        return n;
}

/* A run of free worker IDs that moves through the region. As no commit takes more than
 * OWNERS_MAX owners, few fences are higher than all behind them: those are kept, so that
 * the highest of the run is known without looking at each again. */
#define FENCES_MAX (2 * OWNERS_MAX) /* more than there are, of the run and one owner more */

struct window {
        const struct fleet_view *view;
        uint32_t first, end;
        uint32_t owners; /* never fewer than there are, which is enough */
        struct { uint32_t worker; uint64_t tick; } fences[FENCES_MAX]; /* falling */
        uint32_t head, tail;
};

static uint32_t begins_owner(const struct window *w, uint32_t worker) {
        return w->view->of_worker[worker] >= 0 &&
               (worker == w->first || w->view->of_worker[worker] != w->view->of_worker[worker - 1]);
}

static void window_add(struct window *w, uint64_t fence_tick) {
        w->owners += begins_owner(w, w->end);
        while (w->tail != w->head && w->fences[(w->tail - 1) % FENCES_MAX].tick <= fence_tick)
                w->tail--;
        w->fences[w->tail % FENCES_MAX].worker = w->end++;
        w->fences[w->tail++ % FENCES_MAX].tick = fence_tick;
}

static void window_drop_first(struct window *w) {
        const int32_t *of_worker = w->view->of_worker;

        /* else that owner begins with the next one now, and counts as before */
        if (w->end == w->first + 1 || of_worker[w->first] != of_worker[w->first + 1])
                w->owners -= of_worker[w->first] >= 0;
        w->first++;
        while (w->head != w->tail && w->fences[w->head % FENCES_MAX].worker < w->first)
                w->head++;
}

/* Takes one more worker ID in; where it is not free, the next run begins behind it. */
static void window_move(struct window *w, uint32_t count, uint64_t now_tick,
                        uint64_t recycle_ticks) {
        uint64_t fence;

        if (check_worker(w->view, w->end, now_tick, recycle_ticks, &fence) < 0) {
                w->first = ++w->end;
                w->owners = 0;
                w->head = w->tail;
                return;
        }
        window_add(w, fence);
        while (w->end - w->first > count || w->owners > OWNERS_MAX)
                window_drop_first(w);
}

int fleet_choose(const struct fleet_view *view, uint32_t count, uint64_t now_tick,
                 uint64_t recycle_ticks, struct fleet_choice *ret) {
        struct fleet_choice best = { .first = UINT32_MAX };
        struct window w = { .view = view };
        bool best_aligned = false;

        while (w.end < view->end) {
                bool aligned; /* leaves whole runs to other hosts */
                uint64_t fence;

                window_move(&w, count, now_tick, recycle_ticks);
                if (w.end - w.first < count)
                        continue;
                aligned = w.first % count == 0;
                fence = w.fences[w.head % FENCES_MAX].tick;
                if (best.first != UINT32_MAX &&
                    (fence > best.fence_tick || (fence == best.fence_tick &&
                                                 (best_aligned || !aligned))))
                        continue;
                best = (struct fleet_choice){ .first = w.first, .fence_tick = fence };
                best_aligned = aligned;
                if (aligned && fence == 0)
                        break; /* none is better */
        }
        if (best.first == UINT32_MAX)
                return -EBUSY;
        *ret = best;
        return 0;
}

struct fleet_census fleet_census(const struct fleet_view *view, uint64_t now_tick,
                                 uint64_t recycle_ticks) {
        struct fleet_census census = { .first_free_tick = UINT64_MAX };

        for (uint32_t w = 0; w < view->end; w++) {
                int32_t owner = view->of_worker[w];
                uint64_t fence, tick;

                if (check_worker(view, w, now_tick, recycle_ticks, &fence) == 0) {
                        census.free++;
                } else if (owner == FLEET_REFUSED) {
                        census.refused++;
                } else if (view->owners[owner].alive) {
                        census.held++;
                } else {
                        census.resting++;
                        tick = free_tick_of(view->owners[owner].record, recycle_ticks);
                        if (tick < census.first_free_tick)
                                census.first_free_tick = tick;
                }
        }
        return census;
}
