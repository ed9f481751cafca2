/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/run.h"

#include <inttypes.h>

#include "daemon/util/kill_point.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define LOOK_NS NS_PER_S
#define OFFER_NS (30 * NS_PER_S)
/* After the run has grown, a lone client has only one part of it until the reservations in
 * between have run out. Only then does it show whether the growth was enough. */
#define SETTLE_NS (5 * NS_PER_S)

static unsigned shift_of(const struct run_keeper *keeper) {
        return keeper->config->layout.sequence_bits;
}

void run_keeper_init(struct run_keeper *keeper) {
        const struct config *config = keeper->config;

        keeper->due_ns = INT64_MAX;
        keeper->run = ledger_run(keeper->ledger).width >> shift_of(keeper);
        keeper->used = keeper->wanted = keeper->run;
        keeper->fixed = config->count == config->max_count && keeper->run == config->count;
        run_policy_init(&keeper->policy, config->count, config->max_count,
                        UINT32_C(1) << shift_of(keeper));
}

/* What the next daemon relies on, and what the operator sees. */
static void write_used(struct run_keeper *keeper, uint32_t used) {
        keeper->used = used;
        /* relaxed: independent numbers; the first is read when this process is dead */
        atomic_store_explicit(&keeper->ledger_segment->worker_count, used, memory_order_relaxed);
        kill_point();
        /* the compiler keeps the order, as in ledger.c */
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&keeper->clock->worker_count, used, memory_order_relaxed);
        kill_point();
}

static void set_run(struct run_keeper *keeper, uint32_t run, uint64_t now_tick) {
        keeper->run = run;
        reserve_set_run(keeper->reserve, run << shift_of(keeper), now_tick);
}

static void grow(struct run_keeper *keeper, uint32_t run, int64_t now_ns, uint64_t now_tick) {
        uint32_t first = keeper->clock->worker_first, before = keeper->run;

        if (run > keeper->used)
                write_used(keeper, run);
        set_run(keeper, run, now_tick);
        run_policy_grown(&keeper->policy, now_ns, keeper->config->standing_ns + SETTLE_NS);
        /* what the log says is true for the next daemon, too */
        log_event(WITH(EVENT_RUN_GROWN, FIELD(WORKER, first), FIELD(WORKER_COUNT, run)),
                  "callers waited for room: the run grows from %" PRIu32 " to %" PRIu32
                  " worker IDs, %" PRIu32 " to %" PRIu32,
                  before, run, first, first + run - 1);
}

/* Uses what the lease has. What it does not have after its answer was refused. True: the
 * run has grown. */
static bool pursue(struct run_keeper *keeper, const struct lease_run *lease, int64_t now_ns,
                   uint64_t now_tick) {
        uint32_t run = keeper->wanted < lease->count ? keeper->wanted : lease->count;

        if (run > keeper->run) {
                if (run > keeper->used && now_tick <= lease->above_tick)
                        return false; /* not before the clock is there */
                keeper->wanted = run;
                grow(keeper, run, now_ns, now_tick);
                return true;
        }
        log_event(WITH(EVENT_RUN_FULL, FIELD(WORKER_COUNT, keeper->run)),
                  "the run of %" PRIu32 " worker IDs cannot grow "
                  "now: those that follow it are another host's, or rest, or the coordinator "
                  "does not answer. sfshmd retries by itself; workers.count gives more from the "
                  "start",
                  keeper->run);
        keeper->wanted = keeper->run;
        run_policy_refused(&keeper->policy, now_ns);
        return false;
}

static bool follow(struct run_keeper *keeper, const struct lease_run *lease, int64_t now_ns,
                   uint64_t now_tick) {
        struct elastic_demand demand = reserve_take_demand(keeper->reserve);
        const struct run_policy_sample sample = {
                .now_ns = now_ns,
                .ids = demand.ids,
                .overflows = demand.overflows,
                .ticks = demand.ticks,
                .lanes = reserve_totals(keeper->reserve).lanes,
                .run = keeper->run,
        };

        keeper->wanted = run_policy_decide(&keeper->policy, &sample);
        if (keeper->wanted > keeper->run) {
                if (keeper->wanted <= lease->count || !lease->resizes)
                        return pursue(keeper, lease, now_ns, now_tick);
                lease_request_growth(keeper->lease, keeper->wanted);
                return false;
        }
        if (keeper->wanted == keeper->run)
                return false;
        log_event(WITH(EVENT_RUN_SHRINKS, FIELD(WORKER_COUNT, keeper->wanted)),
                  "the run shrinks from %" PRIu32 " to %" PRIu32
                  " worker IDs, as soon as what clients hold of the others has run out",
                  keeper->run, keeper->wanted);
        set_run(keeper, keeper->wanted, now_tick);
        return true;
}

/* Gives back the end of the run that is not used any more. */
static void give_back(struct run_keeper *keeper, const struct lease_run *lease, int64_t now_ns,
                      uint64_t now_tick) {
        uint64_t last_tick = ledger_last_promise(keeper->ledger);

        if (keeper->used > keeper->run) {
                ledger_set_now(keeper->ledger, now_tick);
                if (ledger_end(keeper->ledger) <= run_end(ledger_run(keeper->ledger)))
                        write_used(keeper, keeper->run);
        }
        if (!lease->resizes || lease->count <= keeper->used || keeper->used > keeper->run ||
            now_ns - keeper->offered_ns < OFFER_NS)
                return;
        keeper->offered_ns = now_ns;
        lease_request_shrink(keeper->lease, keeper->run,
                             last_tick > now_tick ? last_tick : now_tick);
}

/* Nothing changes by itself if the run is as configured and no lane is busy. */
static void set_due(struct run_keeper *keeper, const struct lease_run *lease, int64_t now_ns) {
        if (keeper->run == keeper->config->count && keeper->used == keeper->run &&
            keeper->wanted == keeper->run && (!lease->resizes || lease->count <= keeper->run))
                keeper->due_ns = INT64_MAX;
        else if (keeper->due_ns == INT64_MAX || now_ns >= keeper->due_ns)
                keeper->due_ns = now_ns + LOOK_NS;
}

bool run_keeper_look(struct run_keeper *keeper, int64_t now_ns, uint64_t now_tick) {
        struct lease_run lease;
        bool changed = false;

        if (keeper->fixed)
                return false;
        lease = lease_run(keeper->lease);
        if (lease.asked) {
                keeper->due_ns = INT64_MAX; /* the lease's eventfd reports the answer */
                return false;
        }
        if (keeper->wanted > keeper->run)
                changed = pursue(keeper, &lease, now_ns, now_tick);
        else if (reserve_measured(keeper->reserve) || now_ns >= keeper->due_ns)
                changed = follow(keeper, &lease, now_ns, now_tick);
        if (keeper->wanted == keeper->run)
                give_back(keeper, &lease, now_ns, now_tick);
        set_due(keeper, &lease, now_ns);
        return changed;
}
