/* SPDX-License-Identifier: MIT */
/* U1, U3: what a person may do to worker IDs of dead hosts, and what not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/repair/workers_release.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

static struct host a, b;
static struct fleet_view *view;
static struct workers_release release;

static void setup(void) {
        cr_assert_eq(fleet_host_claim(&a, "a", 2), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
}

static void teardown(void) {
        view = fleet_view_free(view);
        fleet_host_end(&a);
        fleet_host_end(&b);
        memory_end(&fleet_hosts.memory);
}

TestSuite(workers_release, .init = setup, .fini = teardown);

/* Looks, and asks for these. */
static void ask(const char *workers) {
        static struct memory_host link = { .memory = &fleet_hosts.memory };

        fleet_view_free(view);
        view = fleet_hosts_look();
        release = (struct workers_release){ .calls = &memory_calls, .coordinator = &link,
                                            .view = view, .space = FLEET_SPACE };
        cr_assert_eq(worker_set_parse(workers, 4, &release.asked), 0);
}

static int free_asked(bool force) {
        size_t *owners = NULL, n = 0;
        int r = workers_release_owners(&release, force, &owners, &n);

        for (size_t i = 0; r == 0 && i < n; i++)
                r = workers_release_free(&release, owners[i]);
        free(owners);
        return r;
}

static int fence(uint64_t tick, uint64_t *ret) {
        static const uint64_t random[4] = { 1, 2, 3, 4 };
        int r = workers_release_check(&release);

        return r < 0 ? r : workers_release_fence(&release, tick, "by hand", 1, random, ret);
}

static char *own_key(const struct host *h, const char *kind) {
        static char key[FLEET_KEY_MAX];

        fleet_key(key, 0, kind, fleet_nonce(h->fleet));
        return key;
}

/* U3: the fence stays; only the delay is left out. Red when fleet_free_tick() takes no
 * notice of it, and when the record that is written has another fence. */
Test(workers_release, what_is_freed_rests_for_its_fence_alone) {
        fleet_hosts.memory.now_ns += 40 * S;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 35000), 0, "under a new session");
        fleet_hosts.memory.now_ns += 40 * S; /* above the fence, less than the delay */
        ask("1");
        capture_begin();
        cr_assert_eq(fleet_host_claim(&b, "b", 4), -EBUSY);
        cr_assert_eq(free_asked(false), 0);
        cr_assert_not_null(strstr(memory_get(&fleet_hosts.memory, own_key(&a, "host")),
                                  "\"state\":\"freed\""));
        cr_assert_eq(fleet_host_claim(&b, "b", 4), 0);
        cr_assert_eq(b.grant.fence_tick, UINT64_C(1000 + 40000 + 35000));
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 5000), -ESTALE, "it lives nevertheless");
}

Test(workers_release, not_before_its_fence) {
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 60000), 0);
        fleet_hosts.memory.now_ns += 40 * S;
        ask("0-1");
        cr_assert_eq(free_asked(false), 0);
        capture_begin();
        cr_assert_eq(fleet_host_claim(&b, "b", 4), -EBUSY);
        cr_assert_contains(capture_take(), "the first for 21 s more");
        fleet_hosts.memory.now_ns += 20 * S;
        cr_assert_eq(fleet_host_claim(&b, "b", 4), -EBUSY, "at the fence");
        fleet_hosts.memory.now_ns += 1000000;
        cr_assert_eq(fleet_host_claim(&b, "b", 4), 0);
}

/* Red when `alive` is not looked at. */
Test(workers_release, a_host_that_lives_keeps_its_own) {
        ask("0");
        capture_begin();
        cr_assert_eq(free_asked(false), -EBUSY);
        cr_assert_contains(capture_take(), "are held by a (pid 17), whose session is alive");
        /* by force it must begin another session, and goes on */
        cr_assert_eq(free_asked(true), 0);
        cr_assert_null(memory_get(&fleet_hosts.memory, "region/0/alive"));
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), 0);
        cr_assert_not_null(memory_get(&fleet_hosts.memory, "region/0/alive"));
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, own_key(&a, "host")), "\"state\":\"held\""));
        fleet_hosts.memory.now_ns += 20 * S;
        cr_assert_eq(fleet_host_claim(&b, "b", 4), -EBUSY);
}

/* U3: red when the write is not conditional: the fence would come down. */
Test(workers_release, a_renewal_meanwhile_wins) {
        fleet_hosts.memory.now_ns += 40 * S;
        ask("0-1");
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 9000), 0);
        cr_assert_eq(free_asked(false), -EAGAIN);
        ask("0-1");
        cr_assert(view->owners[0].alive);
        cr_assert_eq(view->owners[0].record->fence_tick, UINT64_C(41000 + 9000));
}

Test(workers_release, what_is_free_or_refused_is_not_freed) {
        ask("3");
        capture_begin();
        cr_assert_eq(free_asked(true), -EINVAL);
        cr_assert_contains(capture_take(), "was never used: it is free");
        memory_put(&fleet_hosts.memory, own_key(&a, "host"), NULL);
        ask("0");
        capture_take();
        cr_assert_eq(free_asked(true), -ENOENT);
        cr_assert_contains(capture_take(), "is refused: no fence of it is known");
}

/* U1: red when signs of life are not looked at. */
Test(workers_release, no_fence_by_hand_while_the_host_may_live) {
        uint64_t tick;

        memory_put(&fleet_hosts.memory, own_key(&a, "host"), "mistyped");
        capture_begin();
        ask("0-1");
        capture_take();
        cr_assert_eq(fence(9000, &tick), -EBUSY);
        cr_assert_contains(capture_take(), "shows a live host whose record");
        memory_put(&fleet_hosts.memory, own_key(&a, "host"), "{\"version\":2}");
        fleet_hosts.memory.now_ns += 40 * S;
        ask("0-1");
        capture_take();
        cr_assert_eq(fence(9000, &tick), -EPROTO);
        cr_assert_contains(capture_take(), "is of another version of sfshmd");
}

/* The next owner begins above it; what was damaged is gone with the last of them. */
Test(workers_release, a_fence_by_hand) {
        uint64_t tick = 0;

        memory_put(&fleet_hosts.memory, own_key(&a, "host"), "mistyped");
        fleet_hosts.memory.now_ns += 40 * S;
        capture_begin();
        ask("1");
        cr_assert_eq(fence(50000, &tick), 0);
        cr_assert_eq(tick, UINT64_C(50000));
        cr_assert_not_null(memory_get(&fleet_hosts.memory, own_key(&a, "host")), "for worker ID 0");
        ask("1");
        cr_assert_eq(fence(50000, &tick), -EEXIST);
        ask("0");
        cr_assert_eq(workers_release_fence(&release, 60000, "by hand", 1,
                                           (uint64_t[]){ 5, 6, 7, 8 }, &tick), 0);
        cr_assert_null(memory_get(&fleet_hosts.memory, own_key(&a, "host")));
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 90000), -ESTALE, "it lives nevertheless");
        cr_assert_eq(fleet_host_claim(&b, "b", 4), -EBUSY);
        fleet_hosts.memory.now_ns += 20 * S;
        cr_assert_eq(fleet_host_claim(&b, "b", 4), 0);
        cr_assert_eq(b.grant.fence_tick, UINT64_C(60000));
}

/* Two records of one worker ID: it gets a third one, above both. Red when the fences
 * of those are not looked at. */
Test(workers_release, of_two_fences_the_higher_one) {
        char *copy, *nonce, other[] = "ffffffffffffffffffffffffffffffff", key[FLEET_KEY_MAX];
        uint64_t tick = 0;

        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 70000), 0);
        copy = strdup(memory_get(&fleet_hosts.memory, own_key(&a, "host")));
        nonce = strstr(copy, fleet_nonce(a.fleet));
        memcpy(nonce, other, 32);
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", other), copy);
        free(copy);
        fleet_hosts.memory.now_ns += 40 * S;
        capture_begin();
        ask("0");
        cr_assert_contains(capture_take(), "the coordinator has two hosts with it");
        cr_assert_eq(fence(50000, &tick), 0);
        cr_assert_eq(tick, UINT64_C(71000));
        ask("0");
        cr_assert_geq(view->of_worker[0], 0);
        cr_assert_eq(view->of_worker[1], FLEET_REFUSED, "nobody asked for it");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 90000), -ESTALE);
}

/* Two persons at once: one of them is told. Red when `used` is not written. */
Test(workers_release, repairs_come_one_by_one) {
        struct workers_release first;
        struct fleet_view *seen;
        uint64_t tick;

        memory_put(&fleet_hosts.memory, own_key(&a, "host"), NULL);
        fleet_hosts.memory.now_ns += 40 * S;
        capture_begin();
        ask("0");
        first = release;
        seen = view;
        view = NULL;
        ask("0");
        cr_assert_eq(fence(50000, &tick), 0);
        cr_assert_eq(workers_release_fence(&first, 60000, "by hand", 1,
                                           (uint64_t[]){ 5, 6, 7, 8 }, &tick), -EAGAIN);
        fleet_view_free(seen);
}
