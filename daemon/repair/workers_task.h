/* SPDX-License-Identifier: MIT */
#pragma once
/* A command at the coordinator of the configuration: the connection, and the region as it is
 * there. It needs no state directory, and takes no lock of one. */
#include "daemon/config/config.h"
#include "daemon/lease/fleet/backend.h"
#include "daemon/lease/keys/view.h"

struct workers_request { /* see workers.h */
        bool json, all_regions;
        bool begin;          /* a space, see workers_begin.h */
        const char *space;   /* of `begin`; NULL: none */
        const char *release; /* "0-3,7", within the region; NULL: only list */
        const char *above;   /* an ID or a time; NULL: none */
        bool force, yes;
};

struct workers_task {
        const struct config *config;
        const struct fleet_kind *kind; /* NULL: not connected */
        struct lease_counters counters;
        struct fleet_connection connection;
        struct fleet_space space;
        struct fleet_view *view;
};

int64_t workers_unix_ms(void);

/* All log why not. */
int workers_task_begin(struct workers_task *task, const struct config *config);
/* Reads the region of `space` into `view`, anew each time. */
int workers_task_look(struct workers_task *task);
/* The contract alone. */
int workers_task_look_contract(struct workers_task *task);
/* Returns `r`, or why the output failed. */
int workers_task_end(struct workers_task *task, int r);
/* Logs what the coordinator has not logged itself. Returns `r`. */
int workers_task_explain(const struct workers_task *task, int r);
