/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The fence as the ledger thread sees it. It is raised in time, taken into the ledger
 * once the lease has made it durable (U3), explained to clients that wait for it, and
 * lowered when the daemon stops. No other module does any of this. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/ledger/ledger.h"
#include "daemon/lease/lease.h"

/* The place of the fence may be a long path. */
#define FENCE_TEXT 3400u
#define FENCE_REFUSAL_TEXT 256u

struct fence {
        struct lease *lease;
        struct ledger *ledger;
        uint64_t tick_max;    /* the layout's last tick */
        uint64_t reach_ticks; /* how far ahead standing reservations reach */
        uint64_t granted_tick; /* the ledger's when all lanes were last served */
        uint64_t passed_tick; /* when it was found passed; UINT64_MAX: it is not */
        char text[FENCE_TEXT]; /* why it is stuck */
};

/* The ledger gets the fence that is durable now. `reach_ticks` is set before it is
 * asked for a higher one. */
void fence_init(struct fence *fence, struct lease *lease, struct ledger *ledger,
                uint64_t tick_max);

/* The fence as the lease has it. */
static inline uint64_t fence_durable(const struct fence *fence) {
        return lease_fence(fence->lease);
}
/* The ledger may grant up to the fence which the lease has now. */
void fence_take(struct fence *fence);
/* All lanes are served up to the ledger's fence now. */
void fence_begin_grants(struct fence *fence);
/* It is another one than at the last fence_begin_grants(). */
static inline bool fence_has_moved(const struct fence *fence) {
        return fence_durable(fence) != fence->granted_tick;
}
/* Asks for a higher fence if this one is near, seen from `now_tick`. Returns the tick at
 * which to ask again; UINT64_MAX: never. */
uint64_t fence_raise(struct fence *fence, uint64_t now_tick);
/* The clock is about to move forward to `to_tick` (rule 9). True: the fence is as far
 * ahead of that tick as standing reservations reach, and the ledger has it. False: it
 * was asked for. */
bool fence_prepare(struct fence *fence, uint64_t to_tick);

/*
 * After a round's grants. `ready`: the clock allows grants. NULL, or why none are
 * possible: the fence is passed, and raising it failed or takes long. The text is valid
 * and kept up to date as long as this is called in each round.
 */
const char *fence_stuck(struct fence *fence, bool ready, uint64_t now_tick);
/* A client has waited in vain. True: for the fence; `text` says so, and when to retry. */
bool fence_refusal(const struct fence *fence, uint64_t now_tick, char text[FENCE_REFUSAL_TEXT],
                   uint32_t *ret_retry_ms);

/*
 * The daemon stops: the fence comes down to the last tick that was used or promised, and
 * the lease is released. Nothing was ever promised above ledger_last_promise(), and what
 * the ledger has forgotten had run out before `now_tick`. 0 for `now_tick` says that
 * the clock waited for the fence found at the start: then nothing was promised at all,
 * and the fence stays where it was. False: the coordinator hangs, see lease_release().
 */
bool fence_release(struct fence *fence, uint64_t now_tick);
