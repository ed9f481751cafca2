/* SPDX-License-Identifier: MIT */
#pragma once
/* Hosts over a coordinator in memory, four worker IDs, simulated time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fleet_host.h"

#define RECYCLE_S 10
#define SPACE { { .tick_bits = 41, .worker_bits = 2, .sequence_bits = 20 }, 0 }

static const struct coordinator_calls *host_calls = &memory_calls;

static int try_claim(struct host *h, const char *name, uint32_t count) {
        struct fleet_parts parts = {
                .calls = host_calls,
                .coordinator = &h->link,
                .environment = { boot_ns, unix_ms, draw, NULL },
                .space = SPACE,
                .count = count,
                .recycle_delay_ns = RECYCLE_S * S,
                .ttl_ns = TTL,
                .who = { .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .pid = 17 },
                .counters = &counters,
        };

        snprintf(parts.who.host, sizeof(parts.who.host), "%s", name);
        snprintf(parts.who.directory, sizeof(parts.who.directory), "%s", name);
        if (h->fleet == NULL) {
                h->link = (struct memory_host){ .memory = &memory };
                cr_assert_eq(fleet_new(&h->fleet, &parts), 0);
        }
        return fleet_claim(h->fleet, &h->grant);
}

static void end_host(struct host *h) {
        h->fleet = fleet_free(h->fleet);
}

static struct fleet_view *look(void) {
        static struct memory_host link = { .memory = &memory };
        struct fleet_space space = SPACE;
        struct fleet_view *view = NULL;

        cr_assert_eq(fleet_view_read(&view, &memory_calls, &link, &space), 0);
        return view;
}
