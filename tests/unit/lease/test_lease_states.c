/* SPDX-License-Identifier: MIT */
/* The states of a lease, as the table in fleet.h has them: each transition, and each that is
 * forbidden (U1, U3). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/repair/workers_release.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define ALL 4 /* worker IDs of the region; the owner has them all */
#define FENCE_AHEAD_MS 60000
#define UNDER_TEST 0 /* the worker ID that is looked at */

enum state {
        HELD,
        EXPIRED,  /* held, and the session has ended; rests */
        RELEASED, /* rests */
        FREED,    /* rests */
        EXPIRED_RESTED,
        RELEASED_RESTED,
        FREED_FENCE_PASSED, /* not the delay */
        GONE,
        N_STATES
};
static const char *const state_names[] = { "held", "expired", "released", "freed",
                                           "expired, rested", "released, rested",
                                           "freed, fence passed", "gone" };

enum action { RENEWS, STOPS, STARTS, IS_FREED, IS_FREED_BY_FORCE, IS_CLAIMED, N_ACTIONS };
static const char *const action_names[] = { "its owner renews", "its owner stops",
                                            "its owner starts", "the operator frees it",
                                            "the operator frees it by force",
                                            "another host claims it" };

#define NOT_TRIED 1 /* in place of an error: nobody could */

/* What is answered, and the state after it. */
static const struct {
        int answer;
        enum state then;
} transitions[N_STATES][N_ACTIONS] = {
        [HELD] = { { 0, HELD }, { 0, RELEASED }, { 0, HELD }, { -EBUSY, HELD }, { 0, FREED },
                   { -EBUSY, HELD } },
        [EXPIRED] = { { 0, HELD }, { 0, RELEASED }, { 0, HELD }, { 0, FREED }, { 0, FREED },
                      { -EBUSY, EXPIRED } },
        [RELEASED] = { { NOT_TRIED, 0 }, { NOT_TRIED, 0 }, { 0, HELD }, { 0, FREED }, { 0, FREED },
                       { -EBUSY, RELEASED } },
        [FREED] = { { 0, HELD }, { 0, RELEASED }, { 0, HELD }, { 0, FREED }, { 0, FREED },
                    { -EBUSY, FREED } },
        [EXPIRED_RESTED] = { { 0, HELD }, { 0, RELEASED }, { 0, HELD }, { 0, FREED }, { 0, FREED },
                             { 0, GONE } },
        [RELEASED_RESTED] = { { NOT_TRIED, 0 }, { NOT_TRIED, 0 }, { 0, HELD }, { 0, FREED },
                              { 0, FREED }, { 0, GONE } },
        [FREED_FENCE_PASSED] = { { 0, HELD }, { 0, RELEASED }, { 0, HELD }, { 0, FREED },
                                 { 0, FREED }, { 0, GONE } },
        [GONE] = { { -ESTALE, GONE }, { 0, GONE }, { -EBUSY, GONE }, { NOT_TRIED, 0 },
                   { NOT_TRIED, 0 }, { NOT_TRIED, 0 } },
};

static struct host owner, restarted, other;
static char owner_nonce[RECORD_HEX];

static void end(void) {
        fleet_host_end(&owner);
        fleet_host_end(&restarted);
        fleet_host_end(&other);
        owner = restarted = other = (struct host){ .fleet = NULL };
        memory_end(&fleet_hosts.memory);
}

TestSuite(lease_states, .fini = end);

static void pass_s(int64_t s) {
        fleet_hosts.memory.now_ns += s * S;
}

/* ---- what others see */

static bool is_at_rest(enum state state) {
        return state == EXPIRED_RESTED || state == RELEASED_RESTED || state == FREED_FENCE_PASSED;
}

static enum state without_time(enum state state) {
        return is_at_rest(state) ? state - EXPIRED_RESTED + EXPIRED : state;
}

static enum state look(uint64_t *ret_fence) {
        struct fleet_view *view = fleet_hosts_look();
        int32_t number = view->of_worker[UNDER_TEST];
        const struct fleet_owner *seen;
        enum state state;

        cr_assert_geq(number, 0, "no record has it");
        seen = &view->owners[number];
        *ret_fence = seen->record->fence_tick;
        state = strcmp(seen->record->nonce, owner_nonce) != 0 ? GONE :
                seen->record->freed                           ? FREED :
                seen->record->released                        ? RELEASED :
                seen->alive                                   ? HELD :
                                                                EXPIRED;
        fleet_view_free(view);
        return state;
}

/* ---- how it gets there */

static int free_it(bool force) {
        struct memory_host link = { .memory = &fleet_hosts.memory };
        struct fleet_view *view = fleet_hosts_look();
        struct workers_release release = { .calls = &memory_calls, .coordinator = &link,
                                           .view = view, .space = FLEET_SPACE };
        size_t *owners, n;
        int r;

        worker_set_add(&release.asked, UNDER_TEST);
        r = workers_release_owners(&release, force, &owners, &n);
        if (r == 0) {
                r = workers_release_free(&release, owners[0]);
                free(owners);
        }
        fleet_view_free(view);
        return r;
}

static void reach(enum state state) {
        cr_assert_eq(fleet_host_claim(&owner, "owner", ALL), 0);
        snprintf(owner_nonce, sizeof(owner_nonce), "%s", fleet_nonce(owner.fleet));
        cr_assert_eq(fleet_renew(owner.fleet, NOW_TICK + FENCE_AHEAD_MS), 0);
        if (state == HELD)
                return;
        pass_s(TTL / S + 1);
        if (without_time(state) == RELEASED)
                cr_assert_eq(fleet_release(owner.fleet, NOW_TICK + FENCE_AHEAD_MS), 0);
        else if (without_time(state) == FREED)
                cr_assert_eq(free_it(false), 0);
        if (is_at_rest(state) || state == GONE)
                pass_s(FENCE_AHEAD_MS / 1000 + (state == FREED_FENCE_PASSED ? 0 : RECYCLE_S) + 1);
        if (state == GONE)
                cr_assert_eq(fleet_host_claim(&other, "other", ALL), 0);
}

static int start_again(void) {
        snprintf(restarted.nonce, sizeof(restarted.nonce), "%s", owner_nonce);
        return fleet_host_claim(&restarted, "owner", ALL);
}

static int act(enum action action) {
        switch (action) {
        case RENEWS:
                return fleet_renew(owner.fleet, NOW_TICK + FENCE_AHEAD_MS);
        case STOPS:
                return fleet_release(owner.fleet, NOW_TICK);
        case STARTS:
                return start_again();
        case IS_FREED:
                return free_it(false);
        case IS_FREED_BY_FORCE:
                return free_it(true);
        default:
                return fleet_host_claim(&other, "other", ALL);
        }
}

/* Nobody lowers a fence but its owner at its stop, and who claims begins above it. */
static void expect_fence(enum action action, uint64_t before, uint64_t after) {
        if (action != STOPS)
                cr_expect_geq(after, before);
        if (action == IS_CLAIMED && other.grant.fence_tick > 0)
                cr_expect_geq(other.grant.fence_tick, before);
}

static void try_one(enum state from, enum action action) {
        uint64_t before = 0, after = 0;
        int answer;

        reach(from);
        cr_assert_eq(look(&before), without_time(from), "%s", state_names[from]);
        capture_begin();
        answer = act(action);
        (void)capture_take();
        cr_expect_eq(answer, transitions[from][action].answer, "%s, and %s: %s", state_names[from],
                     action_names[action], strerror(-answer));
        cr_expect_eq(look(&after), transitions[from][action].then, "%s, and %s: %s",
                     state_names[from], action_names[action], state_names[look(&after)]);
        expect_fence(action, before, after);
        end();
}

/* Red when a claim takes what rests, when the release command takes a live host's, or when a
 * host that has lost its worker IDs renews. */
Test(lease_states, each_transition_and_each_that_is_forbidden) {
        for (int from = 0; from < N_STATES; from++)
                for (int action = 0; action < N_ACTIONS; action++)
                        if (transitions[from][action].answer != NOT_TRIED)
                                try_one((enum state)from, (enum action)action);
}
