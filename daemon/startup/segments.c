/* SPDX-License-Identifier: MIT */
#include "daemon/startup/segments.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/host/ids.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/ledger/fence_word.h"
#include "daemon/reserve/run_policy.h"
#include "daemon/startup/adopt.h"
#include "daemon/startup/other_version.h"
#include "daemon/util/log.h"

struct opening {
        struct adopt adopt;
        struct segment replaced; /* a ledger that does not fit: locked until it is replaced */
        struct segment other;    /* likewise, one of another version */
};

static bool adopt_nothing(const void *map, size_t size, const void *context) {
        (void)map, (void)size, (void)context;
        return false;
}

static void fill_clock(struct clock_segment *clock, const struct adopt *adopt) {
        memcpy(clock->magic, CLOCK_MAGIC, sizeof(clock->magic));
        clock->version = CLOCK_VERSION;
        clock->size = CLOCK_SIZE;
        memcpy(clock->boot_id, adopt->boot_id, sizeof(clock->boot_id));
        clock->layout = adopt->config->layout;
        clock->worker_first = adopt->granted->worker_first;
        /* relaxed: not visible yet */
        atomic_store_explicit(&clock->now, CLOCK_NOW_INVALID, memory_order_relaxed);
        atomic_store_explicit(&clock->unserved, 1, memory_order_relaxed);
}

static void fill_ledger(struct ledger_segment *ledger, size_t size, const struct adopt *adopt) {
        memcpy(ledger->magic, LEDGER_MAGIC, sizeof(ledger->magic));
        ledger->version = LEDGER_VERSION;
        ledger->capacity = ADOPT_LEDGER_RECORDS;
        ledger->size = size;
        memcpy(ledger->boot_id, adopt->boot_id, sizeof(ledger->boot_id));
        ledger->layout = adopt->config->layout;
        ledger->worker_first = adopt->granted->worker_first;
        memcpy(ledger->lineage, adopt->ledger_id, LEDGER_ID_SIZE);
        /* relaxed: not visible yet */
        atomic_store_explicit(&ledger->next_client, 1, memory_order_relaxed);
}

static void fill_statistics(struct statistics_segment *statistics, size_t size,
                            const struct adopt *adopt) {
        memcpy(statistics->magic, STATISTICS_MAGIC, sizeof(statistics->magic));
        statistics->version = STATISTICS_VERSION;
        statistics->client_capacity = adopt->config->max_clients;
        statistics->size = size;
        memcpy(statistics->boot_id, adopt->boot_id, sizeof(statistics->boot_id));
        statistics->layout = adopt->config->layout;
        statistics->worker_first = adopt->granted->worker_first;
        statistics->worker_count = run_policy_most(adopt->config, adopt->granted);
        statistics->clients_offset = sizeof(*statistics);
}

/* The counters go on in a new segment, those of worker IDs that it has as well. */
static void continue_statistics(struct statistics_segment *statistics,
                                const struct statistics_segment *earlier) {
        uint64_t first = statistics->worker_first, last = first + statistics->worker_count;

        statistics->counters = earlier->counters;
        statistics->histograms = earlier->histograms;
        for (uint32_t i = 0; i < WORKER_COUNTERS_MAX && i < earlier->worker_count; i++) {
                uint64_t worker = (uint64_t)earlier->worker_first + i;

                if (worker >= first && worker < last && worker - first < WORKER_COUNTERS_MAX)
                        statistics->worker_ids[worker - first] = earlier->worker_ids[i];
        }
}

static int open_ledger_as(struct segment *ret, const struct config *config,
                          segment_accept_fn accept) {
        return segment_open(ret, config->shm, "ledger", ledger_segment_size(ADOPT_LEDGER_RECORDS),
                            0600, (gid_t)-1, accept, NULL);
}

static int replace_ledger(struct segment *ret, const struct config *config) {
        int r = open_ledger_as(ret, config, adopt_nothing);

        return r < 0 ? r : adopt_lock(ret, config, "");
}

/* It is locked before it is judged: one that is not ours may be in use. */
static int open_ledger(struct segment *ret, const struct config *config, struct opening *opening) {
        int r;

        if (opening->other.fd >= 0)
                return replace_ledger(ret, config);
        r = open_ledger_as(ret, config, NULL);
        if (r < 0)
                return r;
        r = adopt_lock(ret, config, "");
        if (r < 0 || ret->fresh || adopt_ledger(ret->map, ret->size, &opening->adopt))
                return r;
        opening->replaced = *ret;
        *ret = SEGMENT_NONE;
        return replace_ledger(ret, config);
}

static int open_clock(struct segment *ret, const struct config *config, const struct adopt *adopt) {
        int r = segment_open(ret, config->shm, "clock", CLOCK_SIZE, 0644, (gid_t)-1, adopt_clock,
                             adopt);

        if (r == 0 && adopt->findings->other_ticker != 0)
                return log_failure(EBUSY, EVENT_STATE,
                                   "the shared memory %s is used by another daemon "
                                   "(its ticker is thread %" PRIu32 "): stop it or set another "
                                   "daemon.shm",
                                   config->shm, adopt->findings->other_ticker);
        return r;
}

static int open_all(struct segments *segments, const struct config *config,
                    struct opening *opening) {
        gid_t group;
        int r = config_group(config, &group);

        if (r == 0)
                r = other_version_find(&opening->other, config);
        if (r == 0)
                r = open_clock(&segments->clock, config, &opening->adopt);
        if (r == 0)
                r = open_ledger(&segments->ledger, config, opening);
        if (r == 0)
                r = segment_open(&segments->statistics, config->shm, "statistics",
                                 statistics_segment_size(config->max_clients), 0640, group,
                                 adopt_statistics, &opening->adopt);
        return r;
}

/* What an earlier daemon began to wait for is among what is known, so a higher number is
 * damage, and so is one that differs from its inverse: at worst all that is known. */
static uint64_t found_first_tick(const struct clock_segment *clock, const struct config *config,
                                 uint64_t known) {
        /* relaxed, both: their writer is dead */
        uint64_t first = atomic_load_explicit(&clock->first_tick, memory_order_relaxed);
        uint64_t inverse = atomic_load_explicit(&clock->first_tick_inverse, memory_order_relaxed);

        if (first <= known + 1 && (inverse == 0 || inverse == ~first))
                return first;
        log_event(WITH(EVENT_MEMORY_DAMAGED, FIELD(TICK, first)),
                  "the first tick in the clock segment of %s, "
                  "%" PRIu64 ", is damaged: IDs begin above the fence. Test this host's memory",
                  config->shm, first);
        return known + 1;
}

/*
 * Rule 9: the published line continues. With the ledger beside it there is nothing to wait
 * for, unless an earlier daemon was still waiting. A line from which no ID was made begins
 * anew.
 */
static int resume_clock(struct segments *segments, const struct config *config, uint64_t known) {
        struct clock_segment *clock = segments_clock(segments);
        /* relaxed, all of these: their writer is dead */
        uint64_t fence = segments->ledger.fresh ? known : 0, first;
        struct guard_legacy legacy = {
                .reason = atomic_load_explicit(&clock->reason, memory_order_relaxed),
                .led_ns = atomic_load_explicit(&clock->led_ns, memory_order_relaxed),
                .accepted = atomic_load_explicit(&clock->accepted, memory_order_relaxed) != 0,
        };

        if (atomic_load_explicit(&clock->unserved, memory_order_relaxed) != 0) {
                int r = guard_start(&segments->guard, &config->layout, &config->clock, known);

                if (r == 0 && legacy.reason == CLOCK_REASON_CLONED)
                        guard_clone(&segments->guard);
                return r;
        }
        (void)clock_latch_begin(clock, &legacy.line);
        first = found_first_tick(clock, config, known);
        if (first > 0 && first - 1 > fence)
                fence = first - 1;
        return guard_resume(&segments->guard, &config->layout, &config->clock, &legacy, fence);
}

/* The next daemon must find this before anything new is visible: a wait for the fence goes
 * on when the daemon that began it dies. */
static void publish_start(struct segments *segments) {
        struct clock_segment *clock = segments_clock(segments);

        /* relaxed: read by the next daemon, after this one is gone */
        fence_word_set((struct fence_word){ &clock->first_tick, &clock->first_tick_inverse },
                       segments->guard.first_tick);
        if (!segments->guard.served) {
                atomic_store_explicit(&clock->resume_boot_ns, 0, memory_order_relaxed);
                /* release: as for every state. A line that continues keeps its state. */
                atomic_store_explicit(&clock->state, CLOCK_STATE_STARTING, memory_order_release);
        }
        atomic_fetch_add_explicit(&clock->generation, 1, memory_order_release);
}

static int begin_clock(struct segments *segments, const struct config *config,
                       const struct adopt *adopt) {
        uint64_t known = adopt->findings->known_tick;
        int r;

        if (known > adopt->granted->fence_tick)
                log_event(WITH(EVENT_FENCE_FOUND, FIELD(TICK, known)),
                          "the shared memory %s knows of IDs up "
                          "to tick %" PRIu64 ", the state directory %s only up to tick %" PRIu64
                          ": it was lost, changed or put back from a copy since this host started. "
                          "The higher one counts; check daemon.state_dir",
                          config->shm, known, config->state_dir, adopt->granted->fence_tick);
        if (segments->clock.fresh)
                fill_clock(segments_clock(segments), adopt);
        r = resume_clock(segments, config, known);
        if (r < 0)
                return log_failure(-r, WITH(EVENT_CLOCK, FIELD(TICK, known)),
                                   "IDs up to tick %" PRIu64 " may exist: the time of "
                                   "id.epoch and id.layout ends there, or cannot be counted. Correct "
                                   "them, or begin a new ID space with an empty daemon.state_dir "
                                   "and another id.epoch", known);
        return 0;
}

/* In both segments: what a lost segment or a lost state directory knew must outlive any
 * number of daemons that end while they wait. A damaged fence is replaced. The ledger
 * judges its records by it. */
static void keep_known(struct segments *segments, uint64_t known) {
        fence_word_set(fence_word_clock(segments_clock(segments)), known);
        fence_word_set(fence_word_ledger(segments_ledger(segments)), known);
}

/* Clients of an earlier daemon read a clock that is lost. They must attach anew to see
 * this one, so none of them is adopted (ledger_former()); what they hold stays held. This
 * comes before the clock gets its name, or the next daemon would adopt them. */
static void disown_clients(struct ledger_segment *ledger) {
        for (uint32_t i = 0; i < ledger->capacity; i++)
                /* relaxed: only this thread knows the segment */
                atomic_store_explicit(&ledger->lanes[i].client, 0, memory_order_relaxed);
}

/* The worker IDs that an adopted ledger was used for stay in use, as far as they are still
 * ours. It also holds what lies beyond them. */
static void begin_run(struct segments *segments, const struct config *config,
                      const struct adopt *adopt) {
        struct ledger_segment *ledger = segments_ledger(segments);
        /* relaxed: its writer is dead */
        uint32_t used = atomic_load_explicit(&ledger->worker_count, memory_order_relaxed);
        uint32_t shown = atomic_load_explicit(&segments_clock(segments)->worker_count,
                                              memory_order_relaxed);
        uint32_t count;

        /* They differ if the daemon was killed between the two stores, where nothing was
         * promised of the longer run yet, or if one is damaged. */
        if (!segments->clock.fresh && shown > 0 && shown < used)
                used = shown;
        count = run_policy_at_start(config, adopt->granted, segments->adopted ? used : 0);
        segments->run = (struct run){
                .start = adopt->granted->worker_first << config->layout.sequence_bits,
                .width = count << config->layout.sequence_bits,
        };
        /* relaxed: independent numbers; nothing is promised of the run yet. The ledger's follows
         * when its records have been judged by it (ledger_new()) */
        if (!segments->adopted)
                atomic_store_explicit(&ledger->worker_count, count, memory_order_relaxed);
        atomic_store_explicit(&segments_clock(segments)->worker_count, count, memory_order_relaxed);
}

static int segments_begin(struct segments *segments, const struct config *config,
                          struct adopt *adopt) {
        struct clock_segment *clock = segments_clock(segments);
        int r = begin_clock(segments, config, adopt);

        if (r < 0)
                return r;
        segments->adopted = !segments->ledger.fresh;
        if (segments->clock.fresh)
                disown_clients(segments_ledger(segments));
        /* plain: a library reads it when it attaches, which none can do yet */
        clock->reach_back_ticks = (uint64_t)(config->reach_back_ns / NS_PER_TICK);
        if (segments->ledger.fresh) {
                r = ledger_id_renew(config->state_dir, adopt->ledger_id);
                if (r < 0)
                        return r;
                fill_ledger(segments_ledger(segments), segments->ledger.size, adopt);
        }
        begin_run(segments, config, adopt);
        keep_known(segments, adopt->findings->known_tick);
        if (segments->statistics.fresh)
                fill_statistics(segments_statistics(segments), segments->statistics.size, adopt);
        if (segments->statistics.fresh && adopt->findings->has_statistics)
                continue_statistics(segments_statistics(segments), &adopt->findings->statistics);
        snprintf(segments_statistics(segments)->daemon_version,
                 sizeof(segments_statistics(segments)->daemon_version), "%s", SFSHM_VERSION);
        publish_start(segments);
        return 0;
}

static int segments_publish(struct segments *segments, const struct config *config) {
        int r = segment_publish(&segments->clock, config->shm, "clock");

        if (r == 0)
                r = segment_publish(&segments->ledger, config->shm, "ledger");
        if (r == 0)
                r = segment_publish(&segments->statistics, config->shm, "statistics");
        return r;
}

static int read_ids(struct adopt *adopt) {
        int r = ids_boot(adopt->boot_id);

        if (r < 0)
                return log_failure(-r, EVENT_STATE, "cannot read the ID of this boot: %s",
                                   strerror(-r));
        r = ledger_id_read(adopt->config->state_dir, adopt->ledger_id);
        adopt->has_ledger_id = r == 0;
        return r == -ENOENT ? 0 : r;
}

int segments_start(struct segments *ret, const struct config *config, struct lease *lease) {
        struct segments segments = { .clock = SEGMENT_NONE,
                                     .ledger = SEGMENT_NONE,
                                     .statistics = SEGMENT_NONE };
        struct adopt_findings findings = { .known_tick = lease_granted(lease)->fence_tick };
        struct opening opening = { .adopt = { .config = config,
                                              .granted = lease_granted(lease),
                                              .findings = &findings },
                                   .replaced = SEGMENT_NONE,
                                   .other = SEGMENT_NONE };
        int r = run_policy_check(config, opening.adopt.granted);

        if (r == 0)
                r = read_ids(&opening.adopt);
        if (r == 0)
                r = open_all(&segments, config, &opening);
        if (r == 0)
                r = segments_begin(&segments, config, &opening.adopt);
        /* the shared memory may be lost next, while this daemon waits */
        if (r == 0)
                r = lease_persist(lease, findings.known_tick);
        if (r == 0)
                r = segments_publish(&segments, config);
        segment_close(&opening.replaced);
        segment_close(&opening.other);
        if (r < 0) {
                segments_close(&segments);
                return r;
        }
        *ret = segments;
        return 0;
}

uint64_t segments_tick(const struct segments *segments, int64_t boot_ns) {
        return segments->guard.served ? guard_tick(&segments->guard, boot_ns) : 0;
}

void segments_close(struct segments *segments) {
        segment_close(&segments->clock);
        segment_close(&segments->ledger);
        segment_close(&segments->statistics);
}
