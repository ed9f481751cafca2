/* SPDX-License-Identifier: MIT */
/* The algorithm among hosts, over a coordinator in memory: U1, U3, rule 10. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/resume.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

static uint32_t max_count = 4;

static struct fleet *made[8];
static size_t n_made;

/* A host that just stops: the coordinator hears nothing. */
static void end(void) {
        while (n_made > 0)
                fleet_free(made[--n_made]);
        memory_end(&fleet_hosts.memory);
}

TestSuite(fleet, .fini = end);

static void make(struct host *h, const char *directory, uint32_t count, const char *nonce) {
        struct fleet_parts parts = {
                .calls = &memory_calls,
                .coordinator = &h->link,
                .environment = fleet_hosts_environment,
                .space = { { .tick_bits = 41, .worker_bits = 2, .sequence_bits = 20 }, 0 },
                .count = count,
                .max_count = max_count,
                .recycle_delay_ns = 10 * S,
                .ttl_ns = TTL,
                .who = { .host = "host", .machine_id = "11111111111111111111111111111111",
                         .boot_id = "22222222222222222222222222222222", .pid = 1 },
                .counters = &fleet_hosts.counters,
        };

        snprintf(parts.who.directory, sizeof(parts.who.directory), "%s", directory);
        snprintf(parts.memory.nonce, sizeof(parts.memory.nonce), "%s", nonce);
        *h = (struct host){ .link = { .memory = &fleet_hosts.memory } };
        if (fleet_hosts.memory.revision == 0)
                memory_begin_space(&fleet_hosts.memory, &parts.space.layout, HORIZON_MS);
        cr_assert_eq(fleet_new(&h->fleet, &parts), 0);
        made[n_made++] = h->fleet;
}

static void claim(struct host *h, const char *directory, uint32_t count) {
        make(h, directory, count, "");
        cr_assert_eq(fleet_claim(h->fleet, &h->grant), 0);
}

/* All worker IDs are given out, and then none is. */
Test(fleet, runs_are_disjoint_and_end) {
        struct host a, b, c;

        claim(&a, "1", 2);
        claim(&b, "2", 2);
        cr_assert_eq(a.grant.worker_first, 0);
        cr_assert_eq(b.grant.worker_first, 2);
        make(&c, "3", 1, "");
        capture_begin();
        cr_assert_eq(fleet_claim(c.fleet, &c.grant), -EBUSY);
        cr_assert_contains(capture_take(), "4 are held by live hosts");
}

/* Red when a claim leaves the old record as it is: then the renewal is done. */
Test(fleet, a_renewal_that_arrives_after_a_claim_fails) {
        struct host a, b;

        claim(&a, "1", 4);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 500000), -ETIMEDOUT);
        fleet_hosts.memory.now_ns += 60 * S;
        claim(&b, "2", 2);
        cr_assert_eq(b.grant.fence_tick, UINT64_C(2000), "above the fence of the one before");
        cr_assert_eq(memory_deliver(&a.link), -EAGAIN);
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 500000), -ESTALE);
        cr_assert_contains(capture_take(), "lease-lost");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 500000), -ESTALE, "for ever");
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 1000), 0);
}

/* The other order: then the claim has seen a fence that is not the last one. */
Test(fleet, a_claim_that_arrives_after_a_renewal_fails) {
        struct host a, b;

        claim(&a, "1", 4);
        a.link.away = true;
        fleet_hosts.memory.now_ns += 60 * S;
        make(&b, "2", 4, "");
        b.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -ETIMEDOUT);
        a.link.away = false;
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0, "under a new session");
        cr_assert_contains(capture_take(), "lease-expired");
        cr_assert_eq(memory_deliver(&b.link), -EAGAIN);
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBUSY);
        cr_assert_contains(capture_take(), "workers-none");
}

/* Done, but nobody said so: not lost, and the fence is the one that was written. */
Test(fleet, lost_answers_are_read_again) {
        struct host a;
        unsigned before;

        make(&a, "1", 2, "");
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), -ETIMEDOUT);
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), 0);
        cr_assert_eq(a.grant.worker_first, 0, "the same ones");
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), -ETIMEDOUT);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        /* late, and another is done before it: it must not be done as well */
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), -ETIMEDOUT);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 3000), 0);
        cr_assert_eq(memory_deliver(&a.link), -EAGAIN);
        /* late, and done before the next one */
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 4000), -ETIMEDOUT);
        cr_assert_eq(memory_deliver(&a.link), 0);
        before = fleet_hosts.memory.n_writes;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 5000), 0);
        cr_assert_eq(fleet_hosts.memory.n_writes, before + 1, "one write for a renewal");
        /* a new session, of which nobody heard */
        fleet_hosts.memory.now_ns += 60 * S;
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 6000), -ETIMEDOUT);
        cr_assert_contains(capture_take(), "lease-expired");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 6000), 0);
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_release(a.fleet, NOW_TICK), 0);
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, "region/0/host"), "\"released\""));
        cr_assert_null(memory_get(&fleet_hosts.memory, "region/0/alive"));
}

/* A restart in the same boot and directory takes its own at once; a copy does not,
 * and whoever was first is told. */
Test(fleet, a_restart_takes_its_own_and_a_copy_others) {
        struct host a, again, copy;

        claim(&a, "1", 2);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        make(&copy, "2", 2, fleet_nonce(a.fleet));
        cr_assert_eq(fleet_claim(copy.fleet, &copy.grant), 0);
        cr_assert_eq(copy.grant.worker_first, 2);
        make(&again, "1", 2, fleet_nonce(a.fleet));
        cr_assert_eq(fleet_claim(again.fleet, &again.grant), 0);
        cr_assert_eq(again.grant.worker_first, 0);
        cr_assert_eq(again.grant.fence_tick, UINT64_C(2000));
        cr_assert_not(again.grant.taken_anew, "the shared memory tells what was promised");
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), -ESTALE);
        cr_assert_contains(capture_take(), "another daemon has written their record");
        cr_assert_eq(fleet_renew(again.fleet, NOW_TICK + 2000), 0);
}

/* A virtual machine that was cloned while the daemon ran: the two know the same of all.
 * Red when whatever has this daemon's lives counts as its own (adopt): then both go on,
 * each with a fence of its own. */
Test(fleet, of_a_daemon_and_its_live_copy_one_stops) {
        struct host a, b;
        struct fleet_parts parts;

        claim(&a, "1", 1);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        make(&b, "1", 1, "");
        b.link.session = a.link.session;
        parts = b.fleet->parts;
        *b.fleet = *a.fleet;
        b.fleet->parts = parts;
        fleet_hosts.memory.now_ns += 10 * S;
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 2000), 0);
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), -ESTALE);
        cr_assert_contains(capture_take(), "a copy of this daemon, or the operator, has written their record");
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 3000), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 4000), -ESTALE);
}

static bool one_is_late;

static int list_before_the_late_one(void *host, const char *prefix, struct coordinator_list *ret) {
        int r = memory_calls.list(host, prefix, ret);

        if (one_is_late)
                cr_assert_eq(memory_deliver(host), 0);
        one_is_late = false;
        return r;
}

static void reboot(struct host *h, char boot) {
        memset(h->fleet->parts.who.boot_id, boot, RECORD_HEX - 1);
        h->fleet->record.who = h->fleet->parts.who;
}

/* Two machines from one disk, that start at once: who was slower takes others, and does not
 * wait for the fence of the other one. Red when find_own() takes each record of the name
 * that an attempt went on with for its own. */
Test(fleet, of_two_copies_that_start_at_once_each_has_its_own) {
        struct host before, a, b;

        claim(&before, "1", 1);
        cr_assert_eq(fleet_renew(before.fleet, NOW_TICK + 1000), 0);
        fleet_hosts.memory.now_ns += 60 * S;
        make(&a, "1", 1, fleet_nonce(before.fleet));
        make(&b, "1", 1, fleet_nonce(before.fleet));
        reboot(&a, '3');
        reboot(&b, '4');
        b.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -ETIMEDOUT);
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        cr_assert_eq(memory_deliver(&b.link), -EAGAIN);
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), 0);
        cr_assert_neq(b.grant.worker_first, a.grant.worker_first);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 600000), 0);
}

/* Red when such a one counts as a copy's (adopt: `uncertain` for `late`). */
Test(fleet, a_renewal_that_is_done_after_it_was_looked_for_is_ours) {
        struct coordinator_calls calls = memory_calls;
        struct host a;

        calls.list = list_before_the_late_one;
        claim(&a, "1", 1);
        a.fleet->parts.calls = &calls;
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), -ETIMEDOUT);
        one_is_late = true;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 3000), 0);
}

static bool ended_for_us;

static int keep_of_ours(void *host, int64_t *ret_ttl_ns) {
        return ended_for_us ? -ESTALE : memory_calls.session_keep(host, ret_ttl_ns);
}

static int begin_of_ours(void *host, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        ended_for_us = false;
        return memory_calls.session_begin(host, ttl_ns, ret_ttl_ns);
}

/* A session that is over, and whose sign of life is there yet: etcd takes the key away some
 * time later, and ZooKeeper does when a session that was given up runs out. Red when that
 * is taken for one that can be kept: then nothing is renewed until it is gone. */
Test(fleet, a_session_that_outlives_its_end_is_not_waited_for) {
        struct coordinator_calls calls = memory_calls;
        struct host a;

        calls.session_keep = keep_of_ours;
        calls.session_begin = begin_of_ours;
        claim(&a, "1", 1);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        a.fleet->parts.calls = &calls;
        ended_for_us = true;
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), 0);
        cr_assert_contains(capture_take(), "lease-revived");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 3000), 0);
}

static void restart(struct host *h, const struct host *before, uint32_t count, uint32_t most) {
        max_count = most;
        make(h, "1", count, fleet_nonce(before->fleet));
        cr_assert_eq(fleet_claim(h->fleet, &h->grant), 0);
}

/* A full region: nobody else can have what the configuration changes. Red when a run must be
 * of the configured length. */
Test(fleet, own_worker_ids_come_first_whatever_the_count) {
        struct host a, b, c;
        struct fleet_view *view;
        uint64_t tick;

        claim(&a, "1", 3);
        claim(&b, "2", 1);
        cr_assert_eq(fleet_renew(a.fleet, 5000), 0);
        restart(&c, &a, 1, 1); /* killed */
        cr_assert_eq(c.grant.worker_first, 0);
        cr_assert_eq(c.grant.worker_count, 1);
        cr_assert_eq(c.grant.fence_tick, 5000);
        cr_assert_not(c.grant.taken_anew);
        view = fleet_hosts_look();
        for (uint32_t w = 1; w < 3; w++) {
                cr_assert_geq(view->of_worker[w], 0);
                cr_assert(view->owners[view->of_worker[w]].record->released);
                cr_assert_eq(view->owners[view->of_worker[w]].record->fence_tick, 5000);
        }
        fleet_view_free(view);
        cr_assert_eq(fleet_renew(c.fleet, 6000), 0);
        restart(&a, &c, 3, 4);
        cr_assert_eq(a.grant.worker_first, 0);
        cr_assert_eq(a.grant.worker_count, 1, "it grows later");
        cr_assert_eq(fleet_grow(a.fleet, 3), -EBUSY, "clients may have IDs of them");
        fleet_hosts.memory.now_ns += 5 * S;
        cr_assert_eq(fleet_grow(a.fleet, 3), 0);
        cr_assert_eq(fleet_run(a.fleet, &tick), 3);
        cr_assert_eq(tick, 5000, "above what it had before");
        cr_assert_eq(fleet_renew(b.fleet, 6000), 0);
}

/* The answer is lost: what was given back is given back once. */
Test(fleet, a_run_that_is_shortened_at_a_start_is_so_once) {
        struct host a, b;
        struct fleet_view *view;

        claim(&a, "1", 4);
        max_count = 2;
        make(&b, "1", 2, fleet_nonce(a.fleet));
        b.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -ETIMEDOUT);
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), 0);
        cr_assert_eq(b.grant.worker_count, 2);
        view = fleet_hosts_look();
        cr_assert_eq(view->n_owners, 2);
        fleet_view_free(view);
        capture_begin();
        cr_assert_eq(fleet_renew(a.fleet, 5000), -ESTALE, "another daemon has the record");
        cr_assert_contains(capture_take(), "lease-lost");
}

/* The next daemon of a host, while the coordinator does not answer. */
static int restart_away(struct host *h, const struct host *before) {
        make(h, "1", 1, "");
        fleet_remember(before->fleet, &h->fleet->parts.memory);
        h->link.away = true;
        cr_assert_eq(fleet_claim(h->fleet, &h->grant), -EIO);
        capture_begin();
        return fleet_resume(h->fleet, &h->grant);
}

/* Red when what is remembered is not gone on with, or is not confirmed. */
Test(fleet, a_restart_goes_on_without_its_coordinator) {
        struct host a, b;

        claim(&a, "1", 2);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 100000), 0);
        cr_assert_eq(restart_away(&b, &a), 0);
        cr_assert_contains(capture_take(), "lease-resumed");
        cr_assert_eq(b.grant.worker_first, 0);
        cr_assert_eq(b.grant.worker_count, 2);
        cr_assert_eq(b.grant.fence_tick, NOW_TICK + 100000);
        cr_assert_not(b.grant.taken_anew);
        cr_assert_eq(fleet_confirm(b.fleet), -EIO);
        b.link.away = false;
        b.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_confirm(b.fleet), -ETIMEDOUT);
        cr_assert_eq(fleet_confirm(b.fleet), 0);
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 200000), 0);
}

/* Red when the fence of another host is not looked for. */
Test(fleet, what_was_gone_on_with_may_be_another_hosts_by_then) {
        struct host a, b, c;

        claim(&a, "1", 4);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 60000), 0);
        cr_assert_eq(restart_away(&b, &a), 0);
        fleet_hosts.memory.now_ns += 80 * S;
        claim(&c, "2", 4);
        cr_assert_geq(c.grant.fence_tick, b.grant.fence_tick);
        b.link.away = false;
        capture_begin();
        cr_assert_eq(fleet_confirm(b.fleet), -ESTALE);
        cr_assert_contains(capture_take(), "lease-lost");
        cr_assert_eq(fleet_renew(c.fleet, NOW_TICK + 1000), 0);
}

/* Each by itself: another boot, another directory, no ledger, a fence that is over. */
Test(fleet, what_is_not_ours_for_certain_is_not_gone_on_with) {
        struct host a, b;

        claim(&a, "1", 1);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 60000), 0);
        cr_assert_eq(restart_away(&b, &a), 0);
        b.fleet->parts.memory.boot_id[0] ^= 1;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), -ENOENT);
        b.fleet->parts.memory.boot_id[0] ^= 1;
        b.fleet->parts.memory.directory[0] ^= 1;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), -ENOENT);
        b.fleet->parts.memory.directory[0] ^= 1;
        b.fleet->parts.memory.region++;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), -ENOENT);
        b.fleet->parts.memory.region--;
        b.fleet->parts.forgetful = true;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), -ENOENT);
        b.fleet->parts.forgetful = false;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), 0);
        fleet_hosts.memory.now_ns += 60 * S;
        cr_assert_eq(fleet_resume(b.fleet, &b.grant), -ENOENT);
        (void)capture_take();
}

/* Session, fence and delay: no earlier, and no later. */
Test(fleet, worker_ids_rest) {
        struct host a, b, c;

        claim(&a, "1", 4);
        make(&b, "2", 4, "");
        fleet_hosts.memory.now_ns += 20 * S;
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBUSY);
        cr_assert_contains(capture_take(), "4 are held by live hosts");
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBUSY);
        cr_assert_str_eq(capture_take(), "", "it is said once");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 30000), 0);
        fleet_hosts.memory.now_ns += 40 * S;
        make(&c, "3", 4, "");
        capture_begin();
        cr_assert_eq(fleet_claim(c.fleet, &c.grant), -EBUSY);
        cr_assert_contains(capture_take(), "4 rest (fence and workers.recycle_delay, the first for 1 s more)");
        fleet_hosts.memory.now_ns += 2000000;
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), 0);
}

/* Worker IDs that were ours, then another's, and are ours again: what this boot's shared
 * memory knows of them is out of date, until a daemon of ours has renewed them. */
Test(fleet, worker_ids_that_come_back_had_another_owner) {
        struct host a, b, again;
        char nonce[RECORD_HEX];

        claim(&a, "1", 4);
        snprintf(nonce, sizeof(nonce), "%s", fleet_nonce(a.fleet));
        fleet_hosts.memory.now_ns += 60 * S;
        claim(&b, "2", 4);
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 1000), 0);
        fleet_hosts.memory.now_ns += 60 * S;
        make(&again, "1", 4, nonce);
        cr_assert_eq(fleet_claim(again.fleet, &again.grant), 0);
        cr_assert_eq(again.grant.fence_tick, UINT64_C(62000));
        cr_assert(again.grant.taken_anew);
        make(&a, "1", 4, fleet_nonce(again.fleet));
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), 0);
        cr_assert(a.grant.taken_anew, "it ended before it could say so");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        make(&again, "1", 4, fleet_nonce(a.fleet));
        cr_assert_eq(fleet_claim(again.fleet, &again.grant), 0);
        cr_assert_not(again.grant.taken_anew);
}

Test(fleet, what_was_lost_or_damaged_is_refused) {
        struct host a, b;
        char key[FLEET_KEY_MAX];

        claim(&a, "1", 1);
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", fleet_nonce(a.fleet)), NULL);
        make(&b, "2", 4, "");
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBUSY);
        cr_assert_contains(capture_take(), "1 are refused until the operator repairs their keys");
        memory_put(&fleet_hosts.memory, "region/0/used",
                   "{\"version\":1,\"workers\":\"0,0\",\"claims\":1}");
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBADMSG);
        cr_assert_contains(capture_take(), "key region/0/used is damaged");
        memory_put(&fleet_hosts.memory, "contract", "{\"version\":2}");
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EPROTO);
        cr_assert_contains(capture_take(), "key contract is of another version");
}

/* ---- the first two hosts of all */

static struct host rival;
static bool rival_has_begun;

/* Between the two lists of a claim another host makes its own. */
static int list_and_lose(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        int r = memory_calls.list(coordinator, prefix, ret);

        if (!rival_has_begun) {
                rival_has_begun = true;
                claim(&rival, "rival", 1);
        }
        return r;
}

/* A start was refused: the coordinator has region/0/used, but its key contract is
 * missing. Red without check_together() in view.c. */
Test(fleet, the_first_two_hosts_begin_at_once) {
        struct coordinator_calls calls = memory_calls;
        struct host a;
        struct fleet_view *view = NULL;
        const struct fleet_space space = { { .tick_bits = 41, .worker_bits = 2,
                                             .sequence_bits = 20 }, 0 };

        calls.list = list_and_lose;
        a.link = (struct memory_host){ .memory = &fleet_hosts.memory };
        cr_assert_eq(fleet_view_read(&view, &calls, &a.link, &space), -EAGAIN);
        cr_assert_eq(fleet_view_read(&view, &calls, &a.link, &space), 0);
        cr_assert_eq(view->n_owners, 1);
        fleet_view_free(view);
}

/* ---- a session that ends before the claim is done */

/* As etcd and ZooKeeper: nothing is written in a session that has ended. */
static int commit_in_session(void *coordinator, const struct coordinator_commit *commit) {
        const struct memory_host *host = coordinator;

        if (memory_session_until(&fleet_hosts.memory, host->session) == 0)
                return -EAGAIN;
        return memory_calls.commit(coordinator, commit);
}

/* Each attempt failed until the start gave up. Red when claim_session() begins one for
 * the first attempt alone. */
Test(fleet, a_claim_outlives_its_first_session) {
        struct coordinator_calls calls = memory_calls;
        struct host a;

        calls.commit = commit_in_session;
        make(&a, "a", 1, "");
        a.fleet->parts.calls = &calls;
        a.link.commit_loss = MEMORY_AWAY;
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), -EIO);
        fleet_hosts.memory.now_ns += 2 * TTL;
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), 0);
        fleet_hosts.memory.now_ns += TTL / 3;
        cr_assert_eq(fleet_renew(a.fleet, 1), 0);
}

/* ---- growing and shrinking */

static void expect_run(const struct host *h, uint32_t count) {
        uint64_t above_tick;

        cr_assert_eq(fleet_run(h->fleet, &above_tick), count);
}

/* Where there is room to grow; when there is none left, anywhere. Red when claim_new()
 * asks for parts.count alone: b begins at 1. */
Test(fleet, a_claim_leaves_room_to_grow) {
        struct host a, b, c;

        max_count = 2;
        claim(&a, "1", 1);
        claim(&b, "2", 1);
        claim(&c, "3", 1);
        cr_assert_eq(b.grant.worker_first, 2);
        cr_assert_eq(c.grant.worker_first, 1);
}

/* Red when grow_into() leaves `used` as it is. */
Test(fleet, the_run_grows_by_what_follows_it) {
        struct host a, b, c;

        claim(&a, "1", 1);
        cr_assert_eq(a.grant.worker_count, 1);
        cr_assert_eq(fleet_grow(a.fleet, 2), 0);
        expect_run(&a, 2);
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, "region/0/host"), "\"workers\":\"0-1\""));
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, "region/0/used"), "\"workers\":\"0-1\""));
        claim(&b, "2", 1);
        cr_assert_eq(b.grant.worker_first, 2, "not one of those which it has grown by");
        cr_assert_eq(fleet_grow(a.fleet, 4), -EBUSY, "the neighbour is there");
        expect_run(&a, 2);
        cr_assert_eq(fleet_grow(b.fleet, 4), 0, "as far as it goes");
        expect_run(&b, 2);
        cr_assert_eq(fleet_grow(b.fleet, 4), -EBUSY, "the region ends there");
        make(&c, "3", 1, "");
        capture_begin();
        cr_assert_eq(fleet_claim(c.fleet, &c.grant), -EBUSY);
        capture_take();
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 1000), 0);
}

/* As sfshm workers --begin --above does. */
static void continue_above(uint64_t tick) {
        struct record_contract contract;
        char *text;

        cr_assert_eq(record_contract_parse(memory_get(&fleet_hosts.memory, "contract"), &contract),
                     0);
        contract.recovered_unix_ms++;
        contract.not_before_tick = tick;
        text = record_contract_text(&contract);
        memory_put(&fleet_hosts.memory, "contract", text);
        free(text);
}

/* U1: by `used` of an old copy nobody had what follows. Red when that is believed. */
Test(fleet, the_run_grows_above_what_a_recovery_says) {
        struct host a;
        uint64_t above_tick;

        claim(&a, "1", 1);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        continue_above(NOW_TICK + 5000);
        cr_assert_eq(fleet_grow(a.fleet, 2), 0);
        cr_assert_eq(fleet_run(a.fleet, &above_tick), 2);
        cr_expect_eq(above_tick, NOW_TICK + 5000);
}

/* What it grows by may have been another's: their fence is told, and stays a lower bound
 * of ours. Red when fleet_release() lets it come down below grown_tick. */
Test(fleet, the_run_grows_over_a_dead_neighbour) {
        struct host a, b;
        uint64_t above_tick, fence_tick;

        claim(&a, "1", 2);
        claim(&b, "2", 2);
        fence_tick = NOW_TICK + 1000;
        cr_assert_eq(fleet_renew(b.fleet, fence_tick), 0);
        for (int i = 0; i < 6; i++) {
                cr_assert_eq(fleet_renew(a.fleet, 1), 0);
                cr_assert_eq(fleet_grow(a.fleet, 4), i < 3 ? -EBUSY : 0, "after %d s", 10 * i);
                fleet_hosts.memory.now_ns += 10 * S;
        }
        cr_assert_eq(fleet_run(a.fleet, &above_tick), 4);
        cr_assert_eq(above_tick, fence_tick);
        /* its renewal comes late, and its record is gone */
        capture_begin();
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 5000), -ESTALE);
        capture_take();
        cr_assert_eq(fleet_release(a.fleet, 7), 0, "by a clock that is behind");
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, "region/0/host"), "\"fence_tick\":2000,"));
}

/* A renewal on its way when the neighbour grows over it is done never; one that was done
 * makes the growth fail. Red when grow_into() does not rewrite the old owner's record. */
Test(fleet, a_late_renewal_and_a_growing_neighbour) {
        struct host a, b;

        claim(&a, "1", 2);
        claim(&b, "2", 2);
        b.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 500000), -ETIMEDOUT);
        fleet_hosts.memory.now_ns += 29 * S;
        cr_assert_eq(fleet_renew(a.fleet, 1), 0);
        fleet_hosts.memory.now_ns += 12 * S;
        cr_assert_eq(fleet_grow(a.fleet, 4), 0);
        cr_assert_eq(memory_deliver(&b.link), -EAGAIN);
        capture_begin();
        cr_assert_eq(fleet_renew(b.fleet, NOW_TICK + 500000), -ESTALE);
        capture_take();
        expect_run(&a, 4);
}

/* Red when are_our_workers() takes only the ones it had: "another daemon has written"; and when
 * fleet_run() counts what a shrinking on its way gives back. */
Test(fleet, a_resize_whose_answer_is_lost) {
        struct host a, b;
        struct lease_grant grant;

        claim(&a, "1", 1);
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_grow(a.fleet, 2), 0, "read again at once");
        expect_run(&a, 2);
        /* it comes after all, and is seen by the next renewal */
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_grow(a.fleet, 4), -ETIMEDOUT);
        expect_run(&a, 2);
        cr_assert_eq(fleet_grow(a.fleet, 3), -EAGAIN, "not while that may be done");
        cr_assert_eq(memory_deliver(&a.link), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        expect_run(&a, 4);
        /* and too late */
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_shrink(a.fleet, 1, NOW_TICK), -ETIMEDOUT);
        expect_run(&a, 1); /* its end may be another's before we know */
        cr_assert_eq(fleet_grow(a.fleet, 4), -EAGAIN);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 2000), 0);
        cr_assert_eq(memory_deliver(&a.link), -EAGAIN);
        expect_run(&a, 4);
        a.link.commit_loss = MEMORY_ANSWER_LOST;
        cr_assert_eq(fleet_shrink(a.fleet, 1, NOW_TICK), 0);
        expect_run(&a, 1);
        a.link.away = true;
        cr_assert_eq(fleet_grow(a.fleet, 4), -EIO);
        a.link.away = false;
        /* the next daemon goes on with what the record says */
        fleet_hosts.memory.now_ns += S;
        cr_assert_eq(fleet_grow(a.fleet, 4), 0, "its own rest no longer than their fence");
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 3000), 0);
        make(&b, "1", 1, fleet_nonce(a.fleet));
        cr_assert_eq(fleet_claim(b.fleet, &grant), 0);
        cr_assert(grant.worker_count == 4 && grant.worker_first == 0 && !grant.taken_anew);
        cr_assert_eq(grant.fence_tick, NOW_TICK + 3000);
        /* it has grown again over what it gave back, and that is remembered */
        cr_assert_eq(grant.above_tick, NOW_TICK - 1000);
        cr_assert_eq(fleet_shrink(b.fleet, 1, NOW_TICK - 1500), 0);
        cr_assert_not_null(
                strstr(memory_get(&fleet_hosts.memory, "region/0/host"), "\"workers\":\"0\""));
}

/* Red when fleet_grow() compares the lengths, as it did: then the run, which is longer
 * again when that is asked for comes to be done, gives 2 and 3 back with a fence of 0. */
Test(fleet, a_run_that_was_to_grow_gives_nothing_back) {
        struct host a;

        claim(&a, "1", 1);
        cr_assert_eq(fleet_grow(a.fleet, 4), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        a.link.commit_loss = MEMORY_REQUEST_LATE;
        cr_assert_eq(fleet_shrink(a.fleet, 1, NOW_TICK + 5000), -ETIMEDOUT);
        expect_run(&a, 1); /* callers come, and two are asked for, while it renews */
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        expect_run(&a, 4);
        cr_assert_eq(fleet_grow(a.fleet, 2), 0);
        expect_run(&a, 4);
        cr_assert_null(strstr(memory_get(&fleet_hosts.memory, "region/0/host"), "released"));
        cr_assert_eq(fleet_shrink(a.fleet, 2, NOW_TICK + 5000), 0);
        expect_run(&a, 2);
        cr_assert_eq(memory_deliver(&a.link), -EAGAIN);
        expect_run(&a, 2);
}

/* What is given back is another's after its rest, above the fence that was promised. Red
 * when put_rest() keeps last_tick out of the record, or the life of the host in it. */
Test(fleet, what_is_given_back_is_claimed_above_its_fence) {
        struct host a, b;
        uint64_t last_tick;

        claim(&a, "1", 1);
        cr_assert(a.grant.taken_anew);
        cr_assert_eq(fleet_grow(a.fleet, 4), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        last_tick = NOW_TICK + 5000;
        cr_assert_eq(fleet_shrink(a.fleet, 2, last_tick), 0);
        expect_run(&a, 2);
        fleet_hosts.memory.now_ns += 14 * S;
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
        make(&b, "2", 2, "");
        capture_begin();
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), -EBUSY);
        cr_assert_contains(capture_take(), "2 rest (fence and workers.recycle_delay");
        fleet_hosts.memory.now_ns += 2 * S;
        cr_assert_eq(fleet_claim(b.fleet, &b.grant), 0);
        cr_assert_eq(b.grant.worker_first, 2);
        cr_assert_eq(b.grant.fence_tick, last_tick);
        cr_assert_eq(fleet_grow(a.fleet, 4), -EBUSY);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 600000), 0);
}

/* U1: in the copy it still has the worker IDs, which another host may have claimed after the
 * stop. Red when only fences are compared: the stop lowers the one that is remembered. */
Test(fleet, U1_a_copy_from_before_a_clean_stop_is_refused) {
        struct fleet_memory memory;
        struct host a;
        char key[FLEET_KEY_MAX], *copy;

        claim(&a, "1", 2);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        fleet_key(key, 0, "host", fleet_nonce(a.fleet));
        copy = strdup(memory_get(&fleet_hosts.memory, key));
        cr_assert_eq(fleet_release(a.fleet, NOW_TICK), 0);
        fleet_remember(a.fleet, &memory);
        memory_put(&fleet_hosts.memory, key, copy);
        make(&a, "1", 2, "");
        a.fleet->parts.memory = memory;
        capture_begin();
        cr_expect_eq(fleet_claim(a.fleet, &a.grant), -EBADMSG);
        cr_assert_contains(capture_take(), "event=coordinator-old");
        free(copy);
}

/* U1: in the copy it never had them, and they look as if nobody had. */
Test(fleet, U1_its_own_worker_ids_are_claimed_above_the_fence_that_it_remembers) {
        struct host a;

        make(&a, "1", 2, "33333333333333333333333333333333");
        a.fleet->parts.memory.first = 1;
        a.fleet->parts.memory.count = 1;
        a.fleet->parts.memory.fence_tick = NOW_TICK + 5000;
        cr_assert_eq(fleet_claim(a.fleet, &a.grant), 0);
        cr_expect_geq(a.grant.fence_tick, NOW_TICK + 5000);
}
