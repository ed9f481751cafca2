/* SPDX-License-Identifier: MIT */
#include "daemon/startup/adopt.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "daemon/clock/line.h"
#include "daemon/ledger/fence_word.h"
#include "daemon/reserve/run_policy.h"
#include "daemon/util/log.h"

static bool same_layout(const struct id_layout *a, const struct id_layout *b) {
        return a->tick_bits == b->tick_bits && a->worker_bits == b->worker_bits &&
               a->sequence_bits == b->sequence_bits && a->region_bits == b->region_bits &&
               a->epoch_unix_ms == b->epoch_unix_ms;
}

/* A run grows and shrinks at its end, so only its first worker ID is compared. */
static bool same_run(const struct adopt *adopt, uint32_t worker_first) {
        return worker_first == adopt->granted->worker_first;
}

static uint32_t load_count(const _Atomic uint32_t *worker_count) {
        /* relaxed: the writer is dead */
        return atomic_load_explicit(worker_count, memory_order_relaxed);
}

/* The kernel clears the owner word when its thread dies, so a live one belongs to another
 * daemon. The exception is a daemon that was killed for lack of memory: there the kernel
 * may have failed to clear it, but at least the thread is gone. */
static bool ticker_lives(uint32_t owner) {
        return clock_owner_live(owner) && (kill((pid_t)owner, 0) == 0 || errno == EPERM);
}

/* A fence that is kept for each run of worker IDs stands where the run's next owner reads
 * it. What the shared memory knows about other worker IDs does not matter then. */
static bool concerns(const struct adopt *adopt, uint32_t first, uint32_t count) {
        const struct lease_grant *granted = adopt->granted;

        return !granted->fence_of_run ||
               (first < (uint64_t)granted->worker_first + granted->worker_count &&
                granted->worker_first < (uint64_t)first + count);
}

/* Beyond the last tick there is no ID, so no daemon wrote that. relaxed: its writer is
 * dead. */
static void learn_fence(const struct adopt *adopt, const char *segment,
                        const _Atomic uint64_t *word, const _Atomic uint64_t *inverse) {
        uint64_t tick = atomic_load_explicit(word, memory_order_relaxed);
        uint64_t good = fence_word_read(tick, atomic_load_explicit(inverse, memory_order_relaxed));
        uint64_t *known = &adopt->findings->known_tick;

        if (good > id_tick_max(&adopt->config->layout))
                good = 0;
        if (good > *known)
                *known = good;
        /* a daemon that was killed between the two stores had made the fence durable */
        if (tick > *known)
                log_event(WITH(EVENT_MEMORY_DAMAGED, FIELD(TICK, tick)),
                          "the fence in the %s segment of %s, "
                          "tick %" PRIu64 ", is damaged and does not count: nothing else knows of "
                          "IDs up to it. Test this host's memory", segment, adopt->config->shm,
                          tick);
}

/* A line from which IDs were made goes on, so it must be the line that was published. */
static bool line_usable(const struct adopt *adopt, const struct clock_segment *clock) {
        struct clock_line line;

        /* relaxed: its writer is dead */
        if (atomic_load_explicit(&clock->unserved, memory_order_relaxed) != 0)
                return true;
        (void)clock_latch_begin(clock, &line);
        if (clock_line_whole(clock) && line.boot_base_ns > 0 && line.guarded_base_ns >= 0 &&
            line.slew_ppb >= LINE_STANDSTILL_PPB)
                return true;
        log_event(EVENT_MEMORY_DAMAGED, "the guarded clock in the clock segment of "
                  "%s is damaged: it begins anew, above the fence. Test this host's memory",
                  adopt->config->shm);
        return false;
}

bool adopt_clock(const void *map, size_t size, const void *context) {
        const struct clock_segment *clock = map;
        const struct adopt *adopt = context;
        uint32_t owner;

        if (memcmp(clock->magic, CLOCK_MAGIC, sizeof(clock->magic)) != 0 ||
            clock->version != CLOCK_VERSION || clock->size != size ||
            memcmp(clock->boot_id, adopt->boot_id, sizeof(clock->boot_id)) != 0)
                return false;
        /* relaxed: only whether it is live matters */
        owner = atomic_load_explicit(&clock->owner, memory_order_relaxed);
        if (ticker_lives(owner))
                adopt->findings->other_ticker = owner;
        /* relaxed: the writer is dead. The fence counts for other worker IDs as well: it is
         * one number for everything that daemons of this host held. */
        if (clock->layout.epoch_unix_ms == adopt->config->layout.epoch_unix_ms &&
            concerns(adopt, clock->worker_first, load_count(&clock->worker_count)))
                learn_fence(adopt, "clock", &clock->fence, &clock->fence_inverse);
        return !adopt->granted->taken_anew && same_layout(&clock->layout, &adopt->config->layout) &&
               same_run(adopt, clock->worker_first) && line_usable(adopt, clock);
}

bool adopt_ledger(const void *map, size_t size, const void *context) {
        const struct ledger_segment *ledger = map;
        const struct adopt *adopt = context;

        if (!ledger_look_reads(ledger, size, adopt->boot_id, &adopt->config->layout))
                return false;
        if (concerns(adopt, ledger->worker_first, load_count(&ledger->worker_count)))
                /* no promise ends above it (U3), so no record has to be read */
                learn_fence(adopt, "ledger", &ledger->fence, &ledger->fence_inverse);
        return !adopt->granted->taken_anew && same_run(adopt, ledger->worker_first) &&
               ledger_look_continues(ledger, &adopt->config->layout,
                                     adopt->has_ledger_id ? adopt->ledger_id : NULL);
}

bool adopt_statistics(const void *map, size_t size, const void *context) {
        const struct statistics_segment *statistics = map;
        const struct adopt *adopt = context;

        if (memcmp(statistics->magic, STATISTICS_MAGIC, sizeof(statistics->magic)) != 0 ||
            statistics->version != STATISTICS_VERSION || statistics->size != size ||
            memcmp(statistics->boot_id, adopt->boot_id, sizeof(statistics->boot_id)) != 0)
                return false;
        /* also of other worker IDs, or with room for others */
        adopt->findings->has_statistics = true;
        adopt->findings->statistics = *statistics;
        return statistics->client_capacity == adopt->config->max_clients &&
               same_layout(&statistics->layout, &adopt->config->layout) &&
               same_run(adopt, statistics->worker_first) &&
               statistics->worker_count == run_policy_most(adopt->config, adopt->granted);
}

int adopt_lock(const struct segment *ledger, const struct config *config, const char *version) {
        int r = segment_lock(ledger);

        if (r == -EBUSY)
                return log_failure(EBUSY, EVENT_STATE, "the ledger of %s is locked by another "
                                   "daemon%s: stop it or set another daemon.shm", config->shm,
                                   version);
        return r < 0 ? log_failure(-r, EVENT_STATE, "cannot lock the ledger of %s: %s", config->shm,
                                   strerror(-r)) : 0;
}
