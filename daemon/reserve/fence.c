/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/fence.h"

#include <stdio.h>

/* The fence is raised when less than the reach and one margin is left, to the reach and
 * three margins: one write each half minute, and at most a minute of waiting after a
 * crash of the machine. The margin is the reach, up to MARGIN_MAX_TICKS. */
#define MARGIN_MAX_TICKS 15000u
#define RETRY_TICKS 1000u
/* How long raising a fence that is passed may take before it counts as stuck: at a first
 * start there is no fence before the first write. */
#define PATIENCE_TICKS 1000u

void fence_init(struct fence *fence, struct lease *lease, struct ledger *ledger,
                uint64_t tick_max) {
        *fence = (struct fence){ .lease = lease, .ledger = ledger, .tick_max = tick_max,
                                 .passed_tick = UINT64_MAX };
        fence_take(fence);
}

void fence_take(struct fence *fence) {
        ledger_set_fence(fence->ledger, fence_durable(fence));
}

void fence_begin_grants(struct fence *fence) {
        fence->granted_tick = ledger_fence(fence->ledger);
}

uint64_t fence_raise(struct fence *fence, uint64_t now_tick) {
        uint64_t reach = fence->reach_ticks;
        uint64_t margin = reach < MARGIN_MAX_TICKS ? reach : MARGIN_MAX_TICKS;
        uint64_t low = reach + margin;
        uint64_t durable = fence_durable(fence), wanted;

        if (durable >= fence->tick_max)
                return UINT64_MAX; /* the layout's time ends there */
        if (durable > now_tick && durable - now_tick >= low)
                return durable - low + 1;
        wanted = now_tick + reach + 3 * margin;
        lease_raise(fence->lease, wanted < fence->tick_max ? wanted : fence->tick_max);
        return now_tick + RETRY_TICKS;
}

static bool fence_reaches(const struct fence *fence, uint64_t to_tick) {
        uint64_t durable = fence_durable(fence);

        return durable >= to_tick && durable - to_tick >= fence->reach_ticks;
}

bool fence_prepare(struct fence *fence, uint64_t to_tick) {
        if (!fence_reaches(fence, to_tick))
                (void)fence_raise(fence, to_tick);
        /* at the layout's end it reaches no further */
        if (fence_durable(fence) < fence->tick_max && !fence_reaches(fence, to_tick))
                return false;
        fence_take(fence);
        return true;
}

static const char *fence_explain(struct fence *fence, int error) {
        /* the place comes last: a refusal may have to cut it off */
        snprintf(fence->text, sizeof(fence->text), "No IDs: the fence is passed and cannot be "
                 "raised (%s): %s; the fence is %s",
                 error < 0 ? lease_error_text(fence->lease, error) : "no answer",
                 lease_remedy(fence->lease), lease_place(fence->lease));
        return fence->text;
}

/* No grant is possible while the fence is passed. That is an error once raising it has
 * failed or takes long: a disk that hangs reports nothing. reserve_run() asks again each
 * second, so this may be noticed a second late. */
const char *fence_stuck(struct fence *fence, bool ready, uint64_t now_tick) {
        int error = lease_error(fence->lease);

        if (!ready || now_tick < fence_durable(fence)) {
                fence->passed_tick = UINT64_MAX;
                return NULL;
        }
        if (fence->passed_tick == UINT64_MAX)
                fence->passed_tick = now_tick;
        if (error == 0 && now_tick - fence->passed_tick < PATIENCE_TICKS)
                return NULL;
        return fence_explain(fence, error);
}

bool fence_refusal(const struct fence *fence, uint64_t now_tick, char text[FENCE_REFUSAL_TEXT],
                   uint32_t *ret_retry_ms) {
        int error = lease_error(fence->lease);

        if (error < 0) {
                *ret_retry_ms = 1000;
                snprintf(text, FENCE_REFUSAL_TEXT, "no reservation: the fence could not be raised "
                         "(%s); see the daemon's log", lease_error_text(fence->lease, error));
                return true;
        }
        /* one that rose within the round is of use to the next round's grants */
        if (fence->granted_tick > now_tick)
                return false;
        *ret_retry_ms = 100;
        snprintf(text, FENCE_REFUSAL_TEXT, "no reservation: the fence is being raised");
        return true;
}

/* The fence comes down in all three places, in the state directory last: if it is not
 * written there, or we are killed before, the next start takes the highest. In the other
 * order the state directory would look like an old copy of itself. */
bool fence_release(struct fence *fence, uint64_t now_tick) {
        uint64_t last = ledger_last_promise(fence->ledger);

        last = now_tick == 0 ? 0 : last > now_tick ? last : now_tick;
        if (last != 0)
                ledger_lower_fence(fence->ledger, last);
        fence->lease = lease_release(fence->lease, last);
        return fence->lease == NULL;
}
