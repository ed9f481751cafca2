/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the backends with a coordinator have in common, see KEYS.md and fleet.h: the
 * state directory, which keeps which record is this host's; who the host is; the
 * claim with its pauses. A backend adds how to connect, and names for messages.
 */
#include "daemon/lease/backend.h"
#include "daemon/lease/fleet/coordinator.h"

struct fleet_connection {
        const struct coordinator_calls *calls;
        void *coordinator;
        int64_t ttl_ns; /* of a session, as configured */
        char *place;    /* malloc'ed: where the fence is kept, for messages */
};

struct fleet_kind {
        const char *name; /* and the section of its keys: "etcd" */
        const char *claim_event, *access_event;
        const char *access_remedy; /* what to correct when it denies access */
        const char *remedy; /* what the operator can do when it does not serve */
        /* Reaches for nobody yet. Logs its errors; what it has made until then is in
         * `ret`, which was zeroed. `config` and `counters` outlive the connection. */
        int (*connect)(const struct config *config, struct lease_counters *counters,
                       struct fleet_connection *ret);
        void (*disconnect)(struct fleet_connection *connection); /* zeroed or half-built as well */
};

/* `kind` of its open() is needed. */
extern const struct lease_backend fleet_backend;
