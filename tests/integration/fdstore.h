/* SPDX-License-Identifier: MIT */
#pragma once
/* A daemon under a service manager, and looks at what its clients hold. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/handle.h"
#include "shm/slot.h"
#include "tests/integration/tool.h"
#include "tests/support/service_manager.h"

#define FDS_OF_A_CLIENT 3u
#define LIMIT_MS 60000

static struct private_daemon d;
static struct service_manager m;

static inline void begin(void) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        service_manager_begin(&m, &d);
        service_manager_start(&m);
}

static inline void end(void) {
        private_daemon_stop(&d);
        service_manager_end(&m);
        private_daemon_remove(&d);
}

/* The end of the shortest standing reservation of all lanes. */
static inline uint64_t promised(const sfshm *s) {
        const struct attachment *a = atomic_load(&s->attachment);
        uint64_t least = UINT64_MAX;

        for (uint32_t lane = 0; lane < a->lanes; lane++) {
                uint64_t end = 0;

                for (unsigned slot = SLOT_STANDING_A; slot <= SLOT_STANDING_B; slot++) {
                        struct rectangle r;

                        if (slot_read(&attachment_grants(a)->slots[lane][slot], &r) && r.t1 > end)
                                end = r.t1;
                }
                least = end < least ? end : least;
        }
        return least;
}

struct extension {
        const sfshm *s;
        uint64_t beyond;
};

static inline bool extended(void *context) {
        const struct extension *e = context;

        service_manager_pump(&m);
        return promised(e->s) > e->beyond;
}

static inline void expect_extended(const sfshm *s, uint64_t beyond) {
        struct extension e = { s, beyond };

        if (!wait_until(extended, &e, LIMIT_MS))
                cr_assert_fail("nobody extends the reservation; the log:\n%s",
                               private_daemon_log(&d));
}

static inline uint64_t client_of(const sfshm *s) {
        return atomic_load(&s->attachment)->client;
}

/* It never attached anew, and has no reason to. */
static inline bool goes_on(const sfshm *s) {
        const struct attachment *a = atomic_load(&s->attachment);

        return a->older == NULL && attachment_connected(a);
}

/* What sfshm-stat shows of a client, or of the host for client 0; UINT64_MAX: no
 * such thing. */
static inline uint64_t shown(uint64_t client, const char *key) {
        static struct tool_result result;
        char name[64];
        const char *at;

        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--json", "--clients", "--shm", d.shm, "--socket", d.socket), "",
                 0);
        snprintf(name, sizeof(name), "{\"client\":%" PRIu64 ",", client);
        at = client == 0 ? result.out : strstr(result.out, name);
        snprintf(name, sizeof(name), "\"%s\":", key);
        at = at != NULL ? strstr(at, name) : NULL;
        return at != NULL ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}
