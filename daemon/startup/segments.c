/* SPDX-License-Identifier: MIT */
#include "daemon/startup/segments.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/config/group.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/util/log.h"
#include "daemon/startup/other_version.h"
#include "daemon/reserve/run_policy.h"
#include "daemon/util/thread.h"

/* What an adoptable segment must agree with, and what one that is not tells. */
struct expected {
        uint8_t boot_id[16];
        uint8_t lineage[LEDGER_ID_SIZE];
        bool has_lineage;
        const struct config *config;
        const struct lease_grant *granted;
        struct findings *findings;
        struct segment previous; /* a ledger which is replaced: locked until that is done */
        struct predecessor predecessor; /* likewise, of another version */
};

struct findings {
        uint32_t other_ticker; /* a live one's thread: another daemon uses these segments */
        uint64_t known; /* IDs up to this tick may exist: the highest fence or promise found */
};

static bool same_layout(const struct id_layout *a, const struct id_layout *b) {
        return a->tick_bits == b->tick_bits && a->worker_bits == b->worker_bits &&
               a->sequence_bits == b->sequence_bits && a->region_bits == b->region_bits &&
               a->epoch_unix_ms == b->epoch_unix_ms;
}

/* A run grows and shrinks at its end. */
static bool same_run(const struct expected *e, uint32_t first) {
        return first == e->granted->worker_first;
}

/* relaxed: whoever wrote it is dead */
static uint32_t count_in(const _Atomic uint32_t *worker_count) {
        return atomic_load_explicit(worker_count, memory_order_relaxed);
}

/* The kernel takes the owner word away when its thread dies, so a live one is
 * another daemon's; unless that daemon died of lack of memory, when the kernel
 * may have failed to: then at least the thread is gone. */
static bool ticker_lives(uint32_t owner) {
        return clock_owner_live(owner) && (kill((pid_t)owner, 0) == 0 || errno == EPERM);
}

/* A fence of these worker IDs alone stands where their next owner reads it: what the
 * shared memory knows of others' does not matter to them. */
static bool concerns(const struct expected *e, uint32_t first, uint32_t count) {
        const struct lease_grant *granted = e->granted;

        return !granted->fence_of_run ||
               (first < granted->worker_first + granted->worker_count &&
                granted->worker_first < first + count);
}

static void learn(struct findings *findings, uint64_t tick) {
        if (tick > findings->known)
                findings->known = tick;
}

static bool accept_clock(const void *map, size_t size, const void *context) {
        const struct clock_segment *clock = map;
        const struct expected *e = context;
        uint32_t owner;

        if (memcmp(clock->magic, CLOCK_MAGIC, sizeof(clock->magic)) != 0 ||
            clock->version != CLOCK_VERSION || clock->size != size ||
            memcmp(clock->boot_id, e->boot_id, sizeof(clock->boot_id)) != 0)
                return false;
        /* relaxed: only whether it is live */
        owner = atomic_load_explicit(&clock->owner, memory_order_relaxed);
        if (ticker_lives(owner))
                e->findings->other_ticker = owner;
        /* relaxed: whoever wrote it is dead. Of other workers too: the fence is
         * one number for whatever this host's daemons held. */
        if (clock->layout.epoch_unix_ms == e->config->layout.epoch_unix_ms &&
            concerns(e, clock->worker_first, count_in(&clock->worker_count)))
                learn(e->findings, atomic_load_explicit(&clock->fence, memory_order_relaxed));
        return !e->granted->taken_anew && same_layout(&clock->layout, &e->config->layout) &&
               same_run(e, clock->worker_first);
}

/* Whoever held the ledger is dead: plain looks at it. */
static void find_promises(const struct ledger_segment *ledger, struct findings *findings) {
        for (uint32_t i = 0; i < ledger->capacity; i++)
                for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++)
                        learn(findings, atomic_load_explicit(&ledger->lanes[i].slots[slot].t1,
                                                             memory_order_relaxed));
        learn(findings, atomic_load_explicit(&ledger->fence, memory_order_relaxed));
}

static bool ledger_fits(const struct ledger_segment *ledger, size_t size,
                        const struct expected *e) {
        if (memcmp(ledger->magic, LEDGER_MAGIC, sizeof(ledger->magic)) != 0 ||
            ledger->version != LEDGER_VERSION || ledger->size != size ||
            ledger->capacity != STATE_LEDGER_RECORDS ||
            memcmp(ledger->boot_id, e->boot_id, sizeof(ledger->boot_id)) != 0 ||
            ledger->layout.epoch_unix_ms != e->config->layout.epoch_unix_ms)
                return false;
        if (concerns(e, ledger->worker_first, count_in(&ledger->worker_count)))
                find_promises(ledger, e->findings);
        return !e->granted->taken_anew && same_layout(&ledger->layout, &e->config->layout) &&
               e->has_lineage && same_run(e, ledger->worker_first) &&
               count_in(&ledger->worker_count) > 0 &&
               memcmp(ledger->lineage, e->lineage, LEDGER_ID_SIZE) == 0;
}

static bool accept_nothing(const void *map, size_t size, const void *context) {
        (void)map, (void)size, (void)context;
        return false;
}

static bool accept_statistics(const void *map, size_t size, const void *context) {
        const struct statistics_segment *statistics = map;
        const struct expected *e = context;

        return memcmp(statistics->magic, STATISTICS_MAGIC, sizeof(statistics->magic)) == 0 &&
               statistics->version == STATISTICS_VERSION && statistics->size == size &&
               statistics->client_capacity == e->config->max_clients &&
               memcmp(statistics->boot_id, e->boot_id, sizeof(statistics->boot_id)) == 0 &&
               same_layout(&statistics->layout, &e->config->layout) &&
               same_run(e, statistics->worker_first) &&
               statistics->worker_count == run_policy_most(e->config, e->granted);
}

static void fill_clock(struct clock_segment *clock, const struct expected *e) {
        memcpy(clock->magic, CLOCK_MAGIC, sizeof(clock->magic));
        clock->version = CLOCK_VERSION;
        clock->size = CLOCK_SIZE;
        memcpy(clock->boot_id, e->boot_id, sizeof(clock->boot_id));
        clock->layout = e->config->layout;
        clock->worker_first = e->granted->worker_first;
        /* relaxed: not visible yet */
        atomic_store_explicit(&clock->now, CLOCK_NOW_INVALID, memory_order_relaxed);
        atomic_store_explicit(&clock->unserved, 1, memory_order_relaxed);
}

static void fill_ledger(struct ledger_segment *ledger, size_t size, const struct expected *e) {
        memcpy(ledger->magic, LEDGER_MAGIC, sizeof(ledger->magic));
        ledger->version = LEDGER_VERSION;
        ledger->capacity = STATE_LEDGER_RECORDS;
        ledger->size = size;
        memcpy(ledger->boot_id, e->boot_id, sizeof(ledger->boot_id));
        ledger->layout = e->config->layout;
        ledger->worker_first = e->granted->worker_first;
        memcpy(ledger->lineage, e->lineage, LEDGER_ID_SIZE);
        /* relaxed: not visible yet */
        atomic_store_explicit(&ledger->next_client, 1, memory_order_relaxed);
}

static void fill_statistics(struct statistics_segment *statistics, size_t size,
                            const struct expected *e) {
        memcpy(statistics->magic, STATISTICS_MAGIC, sizeof(statistics->magic));
        statistics->version = STATISTICS_VERSION;
        statistics->client_capacity = e->config->max_clients;
        statistics->size = size;
        memcpy(statistics->boot_id, e->boot_id, sizeof(statistics->boot_id));
        statistics->layout = e->config->layout;
        statistics->worker_first = e->granted->worker_first;
        statistics->worker_count = run_policy_most(e->config, e->granted);
        statistics->clients_offset = sizeof(*statistics);
}

static int lock_ledger(const struct segment *ledger, const struct config *config) {
        int r = segment_lock(ledger);

        if (r == -EBUSY)
                return log_failure(EBUSY, "state", "the ledger of %s is locked by another daemon: "
                                   "stop it or set another daemon.shm", config->shm);
        return r < 0 ? log_failure(-r, "state", "cannot lock the ledger of %s: %s", config->shm,
                                   strerror(-r)) : 0;
}

static int open_ledger_as(struct segment *ret, const struct config *config,
                          segment_accept_fn accept) {
        return segment_open(ret, config->shm, "ledger", ledger_segment_size(STATE_LEDGER_RECORDS),
                            0600, (gid_t)-1, accept, NULL);
}

static int replace_ledger(struct segment *ret, const struct config *config) {
        int r = open_ledger_as(ret, config, accept_nothing);

        return r < 0 ? r : lock_ledger(ret, config);
}

/* Locked before it is judged: one that is not ours may be in use. */
static int open_ledger(struct segment *ret, const struct config *config, struct expected *e) {
        int r;

        if (e->predecessor.ledger_fd >= 0)
                return replace_ledger(ret, config);
        r = open_ledger_as(ret, config, NULL);
        if (r < 0)
                return r;
        r = lock_ledger(ret, config);
        if (r < 0 || ret->fresh || ledger_fits(ret->map, ret->size, e))
                return r;
        e->previous = *ret;
        *ret = SEGMENT_NONE;
        return replace_ledger(ret, config);
}

static int open_segments(struct state *state, const struct config *config, struct expected *e) {
        gid_t group, none = (gid_t)-1;
        int r = config_group(config, &group);

        if (r == 0)
                r = predecessor_find(&e->predecessor, config);
        if (r < 0)
                return r;
        r = segment_open(&state->clock, config->shm, "clock", CLOCK_SIZE, 0644, none,
                         accept_clock, e);
        if (r < 0)
                return r;
        if (e->findings->other_ticker != 0)
                return log_failure(EBUSY, "state", "the shared memory %s is used by another daemon "
                                   "(its ticker is thread %" PRIu32 "): stop it or set another "
                                   "daemon.shm", config->shm, e->findings->other_ticker);
        r = open_ledger(&state->ledger, config, e);
        if (r < 0)
                return r;
        return segment_open(&state->statistics, config->shm, "statistics",
                            statistics_segment_size(config->max_clients), 0640, group,
                            accept_statistics, e);
}

/*
 * Rule 9: the published line goes on. With the ledger beside it there is
 * nothing to wait for, unless an earlier daemon was waiting still. A line
 * nobody had an ID of is begun anew.
 */
static int go_on(struct state *state, const struct config *config, uint64_t known) {
        struct clock_segment *clock = state_clock(state);
        /* relaxed, all of these: whoever wrote them is dead */
        uint64_t first = atomic_load_explicit(&clock->first_tick, memory_order_relaxed);
        uint64_t fence = state->ledger.fresh ? known : 0;
        struct guard_legacy legacy = {
                .reason = atomic_load_explicit(&clock->reason, memory_order_relaxed),
                .led_ns = atomic_load_explicit(&clock->led_ns, memory_order_relaxed),
                .accepted = atomic_load_explicit(&clock->accepted, memory_order_relaxed) != 0,
        };

        if (atomic_load_explicit(&clock->unserved, memory_order_relaxed) != 0) {
                int r = guard_start(&state->guard, &config->layout, &config->clock, known);

                if (r == 0 && legacy.reason == CLOCK_REASON_CLONED)
                        guard_clone(&state->guard);
                return r;
        }
        (void)clock_latch_begin(clock, &legacy.line);
        if (first > 0 && first - 1 > fence)
                fence = first - 1;
        return guard_resume(&state->guard, &config->layout, &config->clock, &legacy, fence);
}

/* Kept where the next daemon finds it before anything new is visible: a wait
 * for the fence goes on when the daemon that began it dies. */
static void publish_start(struct state *state) {
        struct clock_segment *clock = state_clock(state);

        /* relaxed: read by the next daemon, after this one is gone */
        atomic_store_explicit(&clock->first_tick, state->guard.first_tick, memory_order_relaxed);
        if (!state->guard.served) {
                atomic_store_explicit(&clock->resume_boot_ns, 0, memory_order_relaxed);
                /* release: as for every state; that of a line which goes on stays */
                atomic_store_explicit(&clock->state, CLOCK_STATE_STARTING, memory_order_release);
        }
        atomic_fetch_add_explicit(&clock->generation, 1, memory_order_release);
}

static int begin_clock(struct state *state, const struct config *config, const struct expected *e) {
        uint64_t known = e->findings->known;
        int r;

        if (known > e->granted->fence_tick)
                log_event(LOG_LEVEL_WARNING, "fence-found", "the shared memory %s knows of IDs up "
                          "to tick %" PRIu64 ", the state directory %s only up to tick %" PRIu64
                          ": it was lost, changed or put back from a copy since this host started. "
                          "The higher one counts; check daemon.state_dir", config->shm, known,
                          config->state_dir, e->granted->fence_tick);
        if (state->clock.fresh)
                fill_clock(state_clock(state), e);
        r = go_on(state, config, known);
        if (r < 0)
                return log_failure(-r, "clock", "IDs up to tick %" PRIu64 " may exist: the time of "
                                   "id.epoch and id.layout ends there, or cannot be counted: "
                                   "correct them", known);
        return 0;
}

static void raise_fence(_Atomic uint64_t *fence, uint64_t tick) {
        /* relaxed: read by the next daemon, after this one is gone */
        if (tick > atomic_load_explicit(fence, memory_order_relaxed))
                atomic_store_explicit(fence, tick, memory_order_relaxed);
}

/* In both segments, so that what the lost one or a lost state directory knew
 * outlives any number of daemons that end while they wait. */
static void keep_known(struct state *state, uint64_t known) {
        raise_fence(&state_clock(state)->fence, known);
        raise_fence(&state_ledger(state)->fence, known);
}

/* Clients of the daemon before read a clock that is lost: they must attach anew to
 * see this one, so none is taken over (ledger_former()). What they hold stays
 * held. Before the clock has its name, or the next daemon would take them. */
static void disown_clients(struct ledger_segment *ledger) {
        for (uint32_t i = 0; i < ledger->capacity; i++)
                /* relaxed: this thread alone knows the segment */
                atomic_store_explicit(&ledger->lanes[i].client, 0, memory_order_relaxed);
}

/* What the ledger was used for goes on, as far as it is still ours; it holds besides
 * what lies beyond. */
static void begin_run(struct state *state, const struct config *config,
                      const struct expected *e) {
        struct ledger_segment *ledger = state_ledger(state);
        uint32_t count = run_policy_at_start(config, e->granted, state->adopted ?
                                              count_in(&ledger->worker_count) : 0);

        state->run = (struct run){ e->granted->worker_first << config->layout.sequence_bits,
                                   count << config->layout.sequence_bits };
        /* relaxed: numbers on their own; before anything is promised of the run */
        atomic_store_explicit(&ledger->worker_count, count, memory_order_relaxed);
        atomic_store_explicit(&state_clock(state)->worker_count, count, memory_order_relaxed);
}

static int begin(struct state *state, const struct config *config, struct expected *e) {
        struct clock_segment *clock = state_clock(state);
        int r = begin_clock(state, config, e);

        if (r < 0)
                return r;
        state->adopted = !state->ledger.fresh;
        if (state->clock.fresh)
                disown_clients(state_ledger(state));
        /* plain: a library reads it at attach, and no message about it is out yet */
        clock->reach_back_ticks = (uint64_t)(config->reach_back_ns / NS_PER_TICK);
        if (state->ledger.fresh) {
                r = ledger_id_renew(config->state_dir, e->lineage);
                if (r < 0)
                        return r;
                fill_ledger(state_ledger(state), state->ledger.size, e);
        }
        begin_run(state, config, e);
        keep_known(state, e->findings->known);
        if (state->statistics.fresh)
                fill_statistics(state_statistics(state), state->statistics.size, e);
        snprintf(state_statistics(state)->daemon_version,
                 sizeof(state_statistics(state)->daemon_version), "%s", SFSHM_VERSION);
        publish_start(state);
        return 0;
}

static int publish(struct state *state, const struct config *config) {
        int r = segment_publish(&state->clock, config->shm, "clock");

        if (r == 0)
                r = segment_publish(&state->ledger, config->shm, "ledger");
        if (r == 0)
                r = segment_publish(&state->statistics, config->shm, "statistics");
        return r;
}

int state_open(struct state *ret, const struct config *config, struct lease *lease) {
        struct state state = {
                .clock = SEGMENT_NONE, .ledger = SEGMENT_NONE, .statistics = SEGMENT_NONE };
        struct findings findings = { .known = lease_granted(lease)->fence_tick };
        struct expected expected = {
                .config = config, .granted = lease_granted(lease), .findings = &findings,
                .previous = SEGMENT_NONE, .predecessor = PREDECESSOR_NONE };
        int r = run_policy_check(config, expected.granted);

        if (r == 0 && (r = segment_boot_id(expected.boot_id)) < 0)
                r = log_failure(-r, "state", "cannot read the ID of this boot: %s", strerror(-r));
        if (r == 0) {
                r = ledger_id_read(config->state_dir, expected.lineage);
                expected.has_lineage = r == 0;
                r = r == -ENOENT ? 0 : r;
        }
        if (r == 0)
                r = open_segments(&state, config, &expected);
        if (r == 0)
                r = begin(&state, config, &expected);
        /* the shared memory may be lost next, while this daemon waits */
        if (r == 0)
                r = lease_persist(lease, findings.known);
        if (r == 0)
                r = publish(&state, config);
        segment_close(&expected.previous);
        predecessor_forget(&expected.predecessor);
        if (r < 0) {
                state_close(&state);
                return r;
        }
        *ret = state;
        return 0;
}

uint64_t state_tick(const struct state *state, int64_t boot_ns) {
        return state->guard.served ? guard_tick(&state->guard, boot_ns) : 0;
}

void state_close(struct state *state) {
        segment_close(&state->clock);
        segment_close(&state->ledger);
        segment_close(&state->statistics);
}
