/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/fdstore.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/slot.h"
#include "tests/support/tool.h"

struct fdstore_world fdstore;

void fdstore_begin(void) {
        private_daemon_prepare(&fdstore.daemon);
        private_daemon_set(&fdstore.daemon, "reserve.standing=2s");
        service_manager_begin(&fdstore.manager, &fdstore.daemon);
        service_manager_start(&fdstore.manager);
}

void fdstore_end(void) {
        private_daemon_stop(&fdstore.daemon);
        service_manager_end(&fdstore.manager);
        private_daemon_remove(&fdstore.daemon);
}

uint64_t fdstore_promised(const sfshm *s) {
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

static bool extended(void *context) {
        const struct extension *e = context;

        service_manager_pump(&fdstore.manager);
        return fdstore_promised(e->s) > e->beyond;
}

void fdstore_expect_extended(const sfshm *s, uint64_t beyond) {
        struct extension e = { s, beyond };

        if (!wait_until(extended, &e, LIMIT_MS))
                cr_assert_fail("nobody extends the reservation; the log:\n%s",
                               private_daemon_log(&fdstore.daemon));
}

uint64_t fdstore_client(const sfshm *s) {
        return atomic_load(&s->attachment)->client;
}

bool fdstore_goes_on(const sfshm *s) {
        const struct attachment *a = atomic_load(&s->attachment);

        return a->older == NULL && attachment_connected(a);
}

uint64_t fdstore_shown(uint64_t client, const char *key) {
        static struct tool_result result;
        char name[64];
        const char *at;

        tool_run(&result, "SFSHM_STAT_TOOL",
                 TOOL_ARGUMENTS("--json", "--clients", "--socket", fdstore.daemon.socket),
                 "", 0);
        snprintf(name, sizeof(name), "{\"client\":%" PRIu64 ",", client);
        at = client == 0 ? result.out : strstr(result.out, name);
        snprintf(name, sizeof(name), "\"%s\":", key);
        at = at != NULL ? strstr(at, name) : NULL;
        return at != NULL ? strtoull(at + strlen(name), NULL, 10) : UINT64_MAX;
}
