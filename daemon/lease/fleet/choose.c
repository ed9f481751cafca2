/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/choose.h"

#include <errno.h>
#include <string.h>

/* A commit has room for the records of so many owners, beside four other keys. */
#define OWNERS_MAX (COORDINATOR_COMMIT_MAX - 4)

uint64_t fleet_free_tick(const struct record_host *record, uint64_t recycle_ticks) {
        uint64_t tick;

        if (record->freed)
                recycle_ticks = 0;
        return __builtin_add_overflow(record->fence_tick, recycle_ticks, &tick) ||
                               tick == UINT64_MAX ? UINT64_MAX : tick + 1;
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
        return now_tick >= fleet_free_tick(view->owners[owner].record, recycle_ticks) ? 0 : -EBUSY;
}

static bool released_by(const struct fleet_view *view, uint32_t worker,
                        const struct record_identity *who) {
        int32_t owner = view->of_worker[worker];
        const struct record_host *record = owner >= 0 ? view->owners[owner].record : NULL;

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

int fleet_choose(const struct fleet_view *view, uint32_t count, uint64_t now_tick,
                 uint64_t recycle_ticks, struct fleet_choice *ret) {
        struct fleet_choice best = { .first = UINT32_MAX };
        bool best_aligned = false;

        for (uint32_t first = 0; first < view->end && count <= view->end - first; first++) {
                bool aligned = first % count == 0; /* leaves whole runs to other hosts */
                uint64_t fence, own;
                uint32_t n =
                        fleet_extent(view, first, count, now_tick, recycle_ticks, NULL, &fence);

                if (n < count) {
                        /* no run with a worker ID that is not free; else it has too many owners */
                        if (check_worker(view, first + n, now_tick, recycle_ticks, &own) < 0)
                                first += n;
                        continue;
                }
                if (best.first != UINT32_MAX &&
                    (fence > best.fence_tick || (fence == best.fence_tick &&
                                                 (best_aligned || !aligned))))
                        continue;
                best = (struct fleet_choice){ .first = first, .fence_tick = fence };
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
                        tick = fleet_free_tick(view->owners[owner].record, recycle_ticks);
                        if (tick < census.first_free_tick)
                                census.first_free_tick = tick;
                }
        }
        return census;
}
