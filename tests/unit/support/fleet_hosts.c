/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/fleet_hosts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct fleet_hosts fleet_hosts = { .calls = &memory_calls };

static int64_t boot_ns(void *context) {
        (void)context;
        return fleet_hosts.memory.now_ns;
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

const struct fleet_environment fleet_hosts_environment = { boot_ns, unix_ms, draw, NULL };

int fleet_host_claim(struct host *h, const char *name, uint32_t count) {
        struct fleet_parts parts = {
                .calls = fleet_hosts.calls,
                .coordinator = &h->link,
                .environment = fleet_hosts_environment,
                .space = FLEET_SPACE,
                .count = count,
                .recycle_delay_ns = RECYCLE_S * S,
                .ttl_ns = TTL,
                .who = { .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .pid = 17 },
                .counters = &fleet_hosts.counters,
        };

        if (fleet_hosts.memory.revision == 0)
                memory_begin_space(&fleet_hosts.memory, &parts.space.layout, HORIZON_MS);
        snprintf(parts.who.host, sizeof(parts.who.host), "%s", name);
        snprintf(parts.who.directory, sizeof(parts.who.directory), "%s", name);
        parts.memory = h->memory;
        if (h->nonce[0] != '\0')
                snprintf(parts.memory.nonce, sizeof(parts.memory.nonce), "%s", h->nonce);
        if (h->fleet == NULL) {
                h->link = (struct memory_host){ .memory = &fleet_hosts.memory,
                                                .away = h->starts_away };
                cr_assert_eq(fleet_new(&h->fleet, &parts), 0);
        }
        return fleet_claim(h->fleet, &h->grant);
}

void fleet_host_end(struct host *h) {
        h->fleet = fleet_free(h->fleet);
}

struct fleet_view *fleet_hosts_look(void) {
        static struct memory_host link = { .memory = &fleet_hosts.memory };
        struct fleet_space space = FLEET_SPACE;
        struct fleet_view *view = NULL;

        cr_assert_eq(fleet_view_read(&view, &memory_calls, &link, &space), 0);
        return view;
}
