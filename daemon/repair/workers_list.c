/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum workers_state workers_state_of(const struct fleet_owner *owner) {
        if (owner->alive)
                return WORKERS_HELD;
        if (owner->record->freed)
                return WORKERS_FREED;
        return owner->record->released ? WORKERS_RELEASED : WORKERS_DEAD;
}

const char *workers_state_name(enum workers_state state) {
        static const char *const names[] = {
                [WORKERS_HELD] = "held", [WORKERS_DEAD] = "dead",
                [WORKERS_RELEASED] = "released", [WORKERS_FREED] = "freed",
        };

        return names[state];
}

bool workers_is_late(const struct workers_list *list, const struct fleet_owner *owner) {
        return owner->alive && owner->record->fence_tick < list->now_tick;
}

/* "0.1.0", with anything behind it. */
static uint64_t number_of(const char *version) {
        unsigned major = 0, minor = 0, patch = 0;

        (void)sscanf(version, "%5u.%5u.%5u", &major, &minor, &patch);
        return (uint64_t)major << 40 | (uint64_t)minor << 20 | patch;
}

bool workers_is_old(const struct fleet_owner *owner) {
        return owner->alive && number_of(owner->daemon) < number_of(SFSHM_VERSION);
}

uint64_t workers_free_tick(const struct workers_list *list, const struct fleet_owner *owner) {
        return fleet_free_tick(owner->record->fence_tick, owner->record->freed,
                               list->recycle_ticks);
}

/* ---- rows */

static char *set_of(const struct fleet_view *view, int32_t owner) {
        struct worker_set set = { .bits = { 0 } };

        for (uint32_t w = 0; w < view->end; w++)
                if (view->of_worker[w] == owner)
                        worker_set_add(&set, w);
        return worker_set_text(&set);
}

static int compare_rows(const void *a, const void *b) {
        uint32_t x = (*(const struct fleet_owner *const *)a)->record->first;
        uint32_t y = (*(const struct fleet_owner *const *)b)->record->first;

        return x < y ? -1 : x > y;
}

void workers_rows_clear(struct workers_rows *rows) {
        free(rows->owners);
        free(rows->refused);
        free(rows->unused);
}

int workers_rows_make(struct workers_rows *ret, const struct workers_list *list) {
        const struct fleet_view *view = list->view;
        const struct id_layout *layout = &list->space.layout;
        struct workers_rows rows = {
                .owners = calloc(view->n_owners + 1, sizeof(*rows.owners)),
                .refused = set_of(view, FLEET_REFUSED),
                .unused = set_of(view, FLEET_NEVER_USED),
                .census = fleet_census(view, list->now_tick, list->recycle_ticks),
                .first_in_id = (uint64_t)list->space.region
                               << (layout->worker_bits - layout->region_bits),
        };

        if (rows.owners == NULL || rows.refused == NULL || rows.unused == NULL) {
                workers_rows_clear(&rows);
                return -ENOMEM;
        }
        rows.full_percent =
                (uint32_t)((uint64_t)(view->end - rows.census.free) * 100 / view->end);
        for (size_t i = 0; i < view->n_owners; i++)
                rows.owners[i] = &view->owners[i];
        qsort(rows.owners, view->n_owners, sizeof(*rows.owners), compare_rows);
        *ret = rows;
        return 0;
}
