/* SPDX-License-Identifier: MIT */
#pragma once
/* Hosts over a coordinator in memory, four worker IDs, simulated time. */
#include "daemon/lease/fleet/fleet.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/fleet/resize.h"
#include "daemon/lease/keys/view.h"
#include "tests/support/memory_coordinator.h"

#define S INT64_C(1000000000)
#define TTL (30 * S)
#define RECYCLE_S 10
#define HORIZON_MS 600000u /* of the contract: few renewals raise it */
#define NOW_TICK (UINT64_C(1000) + (uint64_t)(fleet_hosts.memory.now_ns / 1000000))
#define FLEET_SPACE { { .tick_bits = 41, .worker_bits = 2, .sequence_bits = 20 }, 0 }

struct host {
        struct memory_host link;
        struct fleet *fleet;
        bool starts_away; /* from the coordinator */
        struct fleet_memory memory; /* in its state directory */
        char nonce[RECORD_HEX]; /* of the record that is named there instead; "": none */
        struct lease_grant grant;
};

extern struct fleet_hosts {
        struct memory_coordinator memory;
        struct lease_counters counters;
        const struct coordinator_calls *calls;
} fleet_hosts;
extern const struct fleet_environment fleet_hosts_environment;

/* Makes the host of that name on its first claim. */
int fleet_host_claim(struct host *h, const char *name, uint32_t count);
void fleet_host_end(struct host *h);
struct fleet_view *fleet_hosts_look(void);
