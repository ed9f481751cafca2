/* SPDX-License-Identifier: MIT */
#pragma once
/* A host over the coordinator in memory, in simulated time. */
#include <string.h>

#include "daemon/lease/fleet/fleet.h"
#include "tests/support/memory_coordinator.h"

#define S INT64_C(1000000000)
#define TTL (30 * S)
#define NOW_TICK (UINT64_C(1000) + (uint64_t)(memory.now_ns / 1000000))

static struct memory_coordinator memory;
static struct lease_counters counters;

struct host {
        struct memory_host link;
        struct fleet *fleet;
        struct lease_grant grant;
};

static int64_t boot_ns(void *context) {
        (void)context;
        return memory.now_ns;
}

static int64_t unix_ms(void *context) {
        (void)context;
        return (int64_t)NOW_TICK;
}

static void draw(void *context, uint8_t bytes[16]) {
        static uint32_t n;

        (void)context;
        memset(bytes, 0, 16);
        n++;
        memcpy(bytes, &n, sizeof(n));
}
