/* SPDX-License-Identifier: MIT */
#pragma once
/* The worker IDs of a region, one line or object for each host that has some or was the last
 * to have them: what both forms of the list, workers_text.h and workers_json.h, show. Pure. */
#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/keys/view.h"

struct workers_list {
        const struct fleet_view *view;
        struct fleet_space space;
        uint64_t now_tick;      /* of this host's wall clock */
        uint64_t recycle_ticks; /* workers.recycle_delay of this host */
};

/* The state of the worker IDs of one owner. */
enum workers_state { WORKERS_HELD, WORKERS_DEAD, WORKERS_RELEASED, WORKERS_FREED };
enum workers_state workers_state_of(const struct fleet_owner *owner);
const char *workers_state_name(enum workers_state state);

/* What an operator should look after, in a region that seems well. */
bool workers_is_late(const struct workers_list *list, const struct fleet_owner *owner);
bool workers_is_old(const struct fleet_owner *owner);

struct workers_rows {
        const struct fleet_owner **owners; /* in the order of their first worker IDs */
        char *refused, *unused;            /* worker IDs */
        struct fleet_census census;
        uint32_t full_percent;
        uint64_t first_in_id; /* what worker ID 0 of the region is as the worker of an ID */
};
/* 0 or -ENOMEM. */
int workers_rows_make(struct workers_rows *ret, const struct workers_list *list);
void workers_rows_clear(struct workers_rows *rows);
/* When another host may take them. */
uint64_t workers_free_tick(const struct workers_list *list, const struct fleet_owner *owner);
