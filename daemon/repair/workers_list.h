/* SPDX-License-Identifier: MIT */
#pragma once
/* The worker IDs of a region as text and as JSON. Pure, except for `out`. */
#include <stdio.h>

#include "daemon/lease/fleet/view.h"

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

/* 0 or -ENOMEM. */
int workers_list_text(FILE *out, const struct workers_list *list);
/* One object, on one line. */
int workers_list_json(FILE *out, const struct workers_list *list);

/* Prints printable ASCII as it is and '?' for the rest, such as control sequences. */
void workers_print_plain(FILE *out, const char *text);
