/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/until.h"
#include "tests/unit/support/vmclock_fixture.h"

/* Red when any of the fields is not looked at. */
Test(vmclock, what_is_no_vmclock_is_refused) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct vmclock_page good = *fixture.page;
        struct vmclock *vmclock = NULL;

        cr_assert_eq(vmclock_open(&vmclock, "/dev/sfshm-no-such-vmclock"), -ENOENT);
        cr_assert_eq(vmclock_open(&vmclock, "/tmp"), -EPROTO);
        fixture.page->magic ^= 1;
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), -EPROTO);
        *fixture.page = good;
        fixture.page->version = 2;
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), -EPROTO);
        *fixture.page = good;
        fixture.page->size = offsetof(struct vmclock_page, generation) - 1;
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), -EPROTO);
        cr_assert_null(vmclock);
        *fixture.page = good;
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), 0);
        vmclock_close(vmclock);
        /* not even mapped: a look beyond its end would be SIGBUS */
        vmclock = NULL;
        cr_assert_eq(truncate(fixture.path, 0), 0);
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), -EPROTO);
        cr_assert_null(vmclock);
        vmclock_fixture_remove(&fixture);
}

/* Red when the flag, or the page's size, does not count. */
Test(vmclock, the_generation_is_read_where_it_is_said_to_be) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        struct vmclock *vmclock = NULL;
        struct vmclock_state state;

        cr_assert_eq(vmclock_open(&vmclock, fixture.path), 0);
        cr_assert_eq(vmclock_read(vmclock, &state), 0);
        cr_assert(state.has_generation);
        cr_assert_eq(state.generation, 77);
        cr_assert_eq(state.disruption, 5);
        vmclock_fixture_bump(fixture.page, 1, 3);
        cr_assert_eq(vmclock_read(vmclock, &state), 0);
        cr_assert_eq(state.generation, 80);
        cr_assert_eq(state.disruption, 6);
        /* all the other flags */
        fixture.page->flags = ~VMCLOCK_PAGE_GENERATION;
        cr_assert_eq(vmclock_read(vmclock, &state), 0);
        cr_assert_not(state.has_generation);
        cr_assert_eq(state.generation, 0);
        fixture.page->flags = VMCLOCK_PAGE_GENERATION;
        fixture.page->size = sizeof(struct vmclock_page) - 1;
        cr_assert_eq(vmclock_read(vmclock, &state), 0);
        cr_assert_not(state.has_generation);
        vmclock_close(vmclock);
        vmclock_fixture_remove(&fixture);
}

/* A hypervisor that died amid an update. Red (it hangs) without TRIES_MAX. */
Test(vmclock, a_torn_page_is_not_waited_for, .timeout = 60) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        struct vmclock_state state = { .generation = 4711 };
        struct vmclock *vmclock = NULL;

        fixture.page->sequence = 3;
        cr_assert_eq(vmclock_open(&vmclock, fixture.path), 0);
        cr_assert_eq(vmclock_read(vmclock, &state), -EAGAIN);
        cr_assert_eq(state.generation, 4711, "touched on failure");
        fixture.page->sequence = 4;
        cr_assert_eq(vmclock_read(vmclock, &state), 0);
        cr_assert_eq(state.generation, 77);
        vmclock_close(vmclock);
        vmclock_fixture_remove(&fixture);
}

static _Atomic bool stop;

static void *hypervisor(void *page) {
        while (!atomic_load_explicit(&stop, memory_order_relaxed))
                vmclock_fixture_bump(page, 1, 1);
        return NULL;
}

/* Both numbers move together: whoever sees one moved and the other not has read
 * amid an update. Red when read_once() does not look at the sequence again. */
Test(vmclock, no_half_of_an_update_is_seen) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        struct vmclock *vmclock = NULL;
        uint64_t last = 0, seen = 0;
        pthread_t thread;

        cr_assert_eq(vmclock_open(&vmclock, fixture.path), 0);
        cr_assert_eq(pthread_create(&thread, NULL, hypervisor, fixture.page), 0);
        int64_t limit = until_ns(CLOCK_MONOTONIC) + INT64_C(3000000000);
        while (seen == 0 || (seen < 20000 && until_ns(CLOCK_MONOTONIC) < limit)) {
                struct vmclock_state state;

                if (vmclock_read(vmclock, &state) < 0)
                        continue;
                cr_assert_eq(state.generation - state.disruption, 77 - 5);
                seen += state.generation != last;
                last = state.generation;
        }
        atomic_store_explicit(&stop, true, memory_order_relaxed);
        pthread_join(thread, NULL);
        vmclock_close(vmclock);
        vmclock_fixture_remove(&fixture);
}

Test(vmclock, close_takes_null) {
        cr_assert_null(vmclock_close(NULL));
}
