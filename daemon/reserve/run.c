/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/run.h"

#include <inttypes.h>

#include "daemon/util/kill_point.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define LOOK_NS NS_PER_S
#define OFFER_NS (30 * NS_PER_S)
/* After a growth a lone client has one part of the run until what stands between has run
 * out; then it shows whether that was enough. */
#define SETTLE_NS (5 * NS_PER_S)

static unsigned shift_of(const struct growth *growth) {
        return growth->parts.config->layout.sequence_bits;
}

void growth_init(struct growth *growth, const struct growth_parts *parts) {
        const struct config *config = parts->config;

        *growth = (struct growth){ .parts = *parts, .due_ns = INT64_MAX };
        growth->run = growth->used = growth->wanted = parts->run_width >> shift_of(growth);
        growth->fixed = config->count == config->max_count && growth->run == config->count;
        run_size_init(&growth->size, config->count, config->max_count,
                      UINT32_C(1) << shift_of(growth));
}

/* What the next daemon goes by, and what a person sees. */
static void write_used(struct growth *growth, uint32_t used) {
        growth->used = used;
        /* relaxed: numbers on their own, the first is read when this process is dead */
        atomic_store_explicit(&growth->parts.ledger_segment->worker_count, used,
                              memory_order_relaxed);
        fault_step();
        /* the compiler keeps the order, as in ledger.c */
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&growth->parts.clock->worker_count, used, memory_order_relaxed);
        fault_step();
}

static void set_run(struct growth *growth, uint32_t run, uint64_t now_tick) {
        growth->run = run;
        reserve_set_run(growth->parts.reserve, run << shift_of(growth), now_tick);
}

static void grow(struct growth *growth, uint32_t run, int64_t now_ns, uint64_t now_tick) {
        uint32_t first = growth->parts.clock->worker_first;

        log_event(LOG_LEVEL_NOTICE, "run-grown", "callers waited for room: the run grows from %"
                  PRIu32 " to %" PRIu32 " worker IDs, %" PRIu32 " to %" PRIu32, growth->run, run,
                  first, first + run - 1);
        if (run > growth->used)
                write_used(growth, run);
        set_run(growth, run, now_tick);
        run_size_grown(&growth->size, now_ns,
                       growth->parts.config->standing_ns + SETTLE_NS);
}

/* What the lease has is used; what it has not is asked for, and was refused if it has
 * answered. True: the run has grown. */
static bool pursue(struct growth *growth, const struct lease_run *lease, int64_t now_ns,
                   uint64_t now_tick) {
        uint32_t run = growth->wanted < lease->count ? growth->wanted : lease->count;

        if (run > growth->run) {
                if (run > growth->used && now_tick <= lease->above_tick)
                        return false; /* when the clock is there */
                growth->wanted = run;
                grow(growth, run, now_ns, now_tick);
                return true;
        }
        log_event(LOG_LEVEL_NOTICE, "run-full", "the run of %" PRIu32 " worker IDs cannot grow "
                  "now: those that follow it are another host's, or rest, or the coordinator "
                  "does not serve. It is tried again; workers.count gives more from the start",
                  growth->run);
        growth->wanted = growth->run;
        run_size_refused(&growth->size, now_ns);
        return false;
}

static bool follow(struct growth *growth, const struct lease_run *lease, int64_t now_ns,
                   uint64_t now_tick) {
        struct elastic_demand demand = reserve_take_demand(growth->parts.reserve);
        const struct run_size_sample sample = {
                .now_ns = now_ns,
                .ids = demand.ids,
                .overflows = demand.overflows,
                .ticks = demand.ticks,
                .lanes = reserve_totals(growth->parts.reserve).lanes,
                .run = growth->run,
        };

        growth->wanted = run_size_decide(&growth->size, &sample);
        if (growth->wanted > growth->run) {
                if (growth->wanted <= lease->count || !lease->resizes)
                        return pursue(growth, lease, now_ns, now_tick);
                lease_request_resize(growth->parts.lease, growth->wanted, 0);
                return false;
        }
        if (growth->wanted == growth->run)
                return false;
        log_event(LOG_LEVEL_INFO, "run-shrinks", "the run shrinks from %" PRIu32 " to %" PRIu32
                  " worker IDs, when what clients hold of the others has run out", growth->run,
                  growth->wanted);
        set_run(growth, growth->wanted, now_tick);
        return true;
}

/* The end which is not used any more goes back. */
static void give_back(struct growth *growth, const struct lease_run *lease, int64_t now_ns,
                      uint64_t now_tick) {
        const struct growth_parts *parts = &growth->parts;
        uint64_t last_tick = ledger_last_promise(parts->ledger);
        uint64_t end = parts->run_start + ((uint64_t)growth->run << shift_of(growth));

        if (growth->used > growth->run) {
                ledger_set_now(parts->ledger, now_tick);
                if (ledger_end(parts->ledger) <= end)
                        write_used(growth, growth->run);
        }
        if (!lease->resizes || lease->count <= growth->used || growth->used > growth->run ||
            now_ns - growth->offered_ns < OFFER_NS)
                return;
        growth->offered_ns = now_ns;
        lease_request_resize(parts->lease, growth->run,
                             last_tick > now_tick ? last_tick : now_tick);
}

/* Nothing changes by itself where the run is as configured and nobody is busy. */
static void set_due(struct growth *growth, const struct lease_run *lease, int64_t now_ns) {
        if (growth->run == growth->parts.config->count && growth->used == growth->run &&
            growth->wanted == growth->run && (!lease->resizes || lease->count <= growth->run))
                growth->due_ns = INT64_MAX;
        else if (growth->due_ns == INT64_MAX || now_ns >= growth->due_ns)
                growth->due_ns = now_ns + LOOK_NS;
}

bool growth_look(struct growth *growth, int64_t now_ns, uint64_t now_tick) {
        struct lease_run lease;
        bool changed = false;

        if (growth->fixed)
                return false;
        lease = lease_run(growth->parts.lease);
        if (lease.asked) {
                growth->due_ns = INT64_MAX; /* the lease's eventfd tells */
                return false;
        }
        if (growth->wanted > growth->run)
                changed = pursue(growth, &lease, now_ns, now_tick);
        else if (reserve_measured(growth->parts.reserve) || now_ns >= growth->due_ns)
                changed = follow(growth, &lease, now_ns, now_tick);
        if (growth->wanted == growth->run)
                give_back(growth, &lease, now_ns, now_tick);
        set_due(growth, &lease, now_ns);
        return changed;
}

int64_t growth_deadline(const struct growth *growth) {
        return growth->due_ns;
}
