/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the backends with a coordinator have in common, see KEYS.md and fleet.h: the
 * state directory, which keeps which record is this host's; who the host is; the
 * claim with its pauses. A backend adds how to connect, and names for messages.
 */
#include "daemon/lease/fleet/coordinator.h"
#include "daemon/lease/lease.h"

struct fleet_connection {
        const struct coordinator_calls *calls;
        void *coordinator;
        int64_t ttl_ns; /* of a session, as configured */
        char *place;    /* malloc'ed: where the fence is kept, for messages */
};

struct fleet_kind {
        const char *name; /* and the section of its keys: "etcd" */
        const char *claim_event, *access_event;
        const char *access_remedy; /* what to correct when it does not let us in */
        /* Reaches for nobody yet. Logs its errors; what it has made until then is in
         * `ret`, which was zeroed. `config` and `counters` outlive the connection. */
        int (*connect)(const struct config *config, struct lease_counters *counters,
                       struct fleet_connection *ret);
        void (*disconnect)(struct fleet_connection *connection); /* zeroed or half-built as well */
};

extern const struct fleet_kind fleet_kind_etcd;
extern const struct fleet_kind fleet_kind_zookeeper; /* refuses where it was not built */

/* For struct lease_backend. */
int fleet_backend_open(void **ret_backend, const struct fleet_kind *kind,
                       const struct config *config, struct lease_grant *ret);
int fleet_backend_write_fence(void *backend, uint64_t fence_tick);
void fleet_backend_close(void *backend);
const char *fleet_backend_place(void *backend);
int64_t fleet_backend_renew_due(void *backend);
int fleet_backend_release(void *backend, uint64_t fence_tick);
struct lease_counters *fleet_backend_counters(void *backend);
int fleet_backend_resize(void *backend, uint32_t count, uint64_t last_tick);
uint32_t fleet_backend_run(void *backend, uint64_t *ret_above_tick);
