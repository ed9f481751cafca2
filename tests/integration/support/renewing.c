/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/renewing.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/lease/keys/commit.h"
#include "daemon/lease/fleet/renew.h"

#define SECOND INT64_C(1000000000)
#define HORIZON_MS 600000

static int64_t read_ns(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now);
        return now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t boot_ns(void *context) {
        (void)context;
        return read_ns(CLOCK_BOOTTIME);
}

static int64_t unix_ms(void *context) {
        (void)context;
        return read_ns(CLOCK_REALTIME) / 1000000;
}

static void draw(void *context, uint8_t bytes[16]) {
        static uint32_t n;

        (void)context;
        memset(bytes, 0xa5, 16);
        n++;
        memcpy(bytes, &n, sizeof(n));
}

/* As `sfshm workers --begin` does. */
static void begin_space(const struct coordinator_calls *calls, void *coordinator,
                        const struct fleet_space *space) {
        const struct record_contract contract = { .space = "00112233445566778899aabbccddeeff",
                                                  .layout = space->layout };
        struct fleet_commit d = { .space = space };

        fleet_commit_replace(&d, "contract", 0, record_contract_text(&contract));
        cr_assert_eq(fleet_commit_send(&d, calls, coordinator), 0);
}

void renewing_begin(struct renewing *r, const struct coordinator_calls *calls, void *coordinator) {
        const struct fleet_parts parts = {
                .calls = calls,
                .coordinator = coordinator,
                .environment = { boot_ns, unix_ms, draw, NULL },
                .space = { { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 }, 0 },
                .count = 1,
                .recycle_delay_ns = 600 * SECOND,
                .ttl_ns = 10 * SECOND,
                .who = { .host = "host-0123.example.org",
                         .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .directory = "2049:131074",
                         .pid = 1234 },
                .counters = &r->counters,
        };
        struct lease_grant grant;

        begin_space(calls, coordinator, &parts.space);
        cr_assert_eq(fleet_new(&r->fleet, &parts), 0);
        cr_assert_eq(fleet_claim(r->fleet, &grant), 0);
}

void renewing_renew(struct renewing *r, unsigned times) {
        for (unsigned i = 0; i < times; i++)
                cr_assert_eq(fleet_renew(r->fleet, (uint64_t)unix_ms(NULL) + HORIZON_MS), 0);
}

void renewing_end(struct renewing *r) {
        r->fleet = fleet_free(r->fleet);
}

static int64_t bytes;

static int add(const char *path, const struct stat *status, int type, struct FTW *where) {
        (void)path, (void)where;
        if (type == FTW_F)
                bytes += status->st_blocks * 512;
        return 0;
}

int64_t bytes_below(const char *directory) {
        bytes = 0;
        (void)nftw(directory, add, 8, FTW_PHYS); /* a file may be removed meanwhile */
        return bytes;
}
