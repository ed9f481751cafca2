/* SPDX-License-Identifier: MIT */
/*
 * One host: clocks, boots, state directory, and what a backend and the lease's thread
 * (lease.c) do around fleet.h: attempts, pauses, fences, release. A turn is one call of
 * fleet.h; between turns the host is an event.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/backoff.h"
#include "fiber.h"
#include "fleet_world.h"

/* lease.c */
#define RETRY_FIRST_NS (100 * MS)
#define RETRY_LAST_NS (10 * SECOND)
/* claim.c: of conflicts, and of what else may pass */
#define PAUSE_FIRST_NS (20 * MS)
#define PAUSE_LAST_NS (2 * SECOND)
#define WAIT_FIRST_NS SECOND
#define WAIT_LAST_NS MINUTE
#define FORWARD_MAX_NS (30 * MINUTE) /* a step beyond it is held */
#define FIRST_UNIX_NS (1000000 * SECOND)

/* ---- clocks */

int64_t host_boot_ns(const struct sim_host *host) {
        int64_t ns = fleet_world.now_ns - host->base_true_ns;

        return host->base_boot_ns + ns + ns / 1000000 * host->rate_ppm;
}

int64_t host_wall_ns(const struct sim_host *host) {
        return FIRST_UNIX_NS + fleet_world.now_ns + host->wall_ahead_ns;
}

uint64_t host_tick(const struct sim_host *host) {
        return (uint64_t)(host_wall_ns(host) / MS);
}

int64_t host_after(const struct sim_host *host, int64_t boot_ns) {
        return fleet_world.now_ns + boot_ns - boot_ns / 1000000 * host->rate_ppm;
}

/* The published line: follows the wall clock forward, never back. */
static uint64_t guarded_tick(struct sim_host *host) {
        int64_t boot_ns = host_boot_ns(host), wall_ns = host_wall_ns(host);
        int64_t line_ns = host->line_ns + boot_ns - host->line_boot_ns;

        if (host->line_ns == 0 || (wall_ns > line_ns && wall_ns - line_ns < FORWARD_MAX_NS))
                line_ns = wall_ns;
        host->line_ns = line_ns;
        host->line_boot_ns = boot_ns;
        return (uint64_t)(line_ns / MS);
}

static int64_t boot_clock(void *context) {
        return host_boot_ns(context);
}

static int64_t wall_clock(void *context) {
        return host_wall_ns(context) / MS;
}

static void draw(void *context, uint8_t bytes[16]) {
        (void)context;
        for (int i = 0; i < 16; i++)
                bytes[i] = (uint8_t)fleet_below(256);
}

/* ---- machines */

static void draw_hex(char hex[RECORD_HEX]) {
        uint8_t bytes[16];

        draw(NULL, bytes);
        for (size_t i = 0; i < 16; i++)
                snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static void boot(struct sim_host *host) {
        draw_hex(host->who.boot_id);
        host->base_true_ns = fleet_world.now_ns;
        host->base_boot_ns = (int64_t)fleet_below(1000) * MS;
        host->rate_ppm = fleet_world.rules.calm || fleet_world.rules.attack_every_ns != 0 ?
                                                  (int64_t)fleet_below(101) - 50 :
                                                  (int64_t)fleet_below(60001) - 30000;
        host->line_ns = 0;
        host->tenure = host->grown = NULL;
        host->grown_hi = host->shm_fence = 0;
}

void host_new_directory(struct sim_host *host) {
        snprintf(host->who.directory, sizeof(host->who.directory), "1:%" PRIu64,
                 fleet_below(UINT64_C(1) << 40));
        host->memory = (struct fleet_memory){ .claims = 0 };
        host->known = (struct fleet_knowledge){ .recovered_ms = 0 };
        host->lineage = false;
}

void host_new_machine(struct sim_host *host) {
        snprintf(host->who.host, sizeof(host->who.host), "host-%u", host->index);
        draw_hex(host->who.machine_id);
        host_new_directory(host);
        host->wall_ahead_ns = fleet_world.rules.calm ? (int64_t)fleet_below(20) * MS - 10 * MS : 0;
        boot(host);
        host->life++;
}

/* ---- promises */

void host_promise(struct sim_host *host) {
        uint64_t guarded, until;

        if (!host->up || !host->serving || host->stopped_until_ns > fleet_world.now_ns)
                return;
        guarded = guarded_tick(host);
        until = host->standing_ns == INT64_MAX ? UINT64_MAX :
                guarded + (uint64_t)(host->standing_ns / MS);
        if (guarded <= host->tenure->lo && until != UINT64_MAX)
                return; /* it waits for the fence */
        until = until < host->fence ? until : host->fence;
        tenure_promise(host->tenure, until);
        if (host->grown == NULL || until <= host->grown->lo)
                return;
        tenure_promise(host->grown, until);
        host->grown_hi = host->grown->hi;
}

/* ---- the daemon starts */

static void turn_at(const struct sim_host *host, int64_t at_ns) {
        fleet_schedule(at_ns, FLEET_TURN, host->index, host->life, NULL);
}

void host_start(struct sim_host *host) {
        struct fleet_parts parts = {
                .calls = &fleet_calls,
                .coordinator = host,
                .environment = { boot_clock, wall_clock, draw, host },
                .space = { fleet_world.rules.layout, host->region },
                .count = host->configured,
                .max_count = host->max_count,
                .recycle_delay_ns = fleet_world.rules.recycle_ns,
                .ttl_ns = fleet_world.rules.ttl_ns,
                .who = host->who,
                .counters = &host->counters,
        };
        static const int64_t standing_ns[] = { 200 * MS, 15 * SECOND, INT64_MAX };

        parts.memory = host->memory;
        host->count = host->configured;
        cr_assert_eq(fleet_new(&host->fleet, &parts), 0);
        host->up = true;
        host->serving = host->stopping = host->over = host->crash_due = false;
        host->unconfirmed = false;
        host->phase = HOST_CLAIMS;
        host->pause_ns = PAUSE_FIRST_NS;
        host->retry_ns = host->wait_ns = 0;
        host->until_boot_ns = host_boot_ns(host) + fleet_world.rules.ttl_ns;
        host->standing_ns = standing_ns[fleet_below(3)];
        fleet_trace(host, "starts, boot %.8s", host->who.boot_id);
        turn_at(host, fleet_world.now_ns);
}

/* Whoever looks after it starts it again. */
static void ended(struct sim_host *host, int64_t again_ns) {
        host->fleet = fleet_free(host->fleet);
        host->up = host->serving = false;
        host->life++;
        fleet_schedule(fleet_world.now_ns + again_ns, FLEET_START, host->index, host->life, NULL);
}

static int64_t soon(void) {
        return fleet_world.rules.calm ? 5 * SECOND : fleet_spread(100 * MS, 5 * MINUTE);
}

static uint32_t region_end(void) {
        return record_region_end(&fleet_world.rules.layout);
}

/* It uses no more than what is its own for certain. */
static void check_uses(const struct sim_host *host, uint32_t run) {
        uint32_t used = host->tenure->count + (host->grown != NULL ? host->grown->count : 0);

        if (used > run)
                fleet_fail("host %u uses %" PRIu32 " workers, and has %" PRIu32, host->index, used,
                           run);
}

/* What the coordinator has confirmed. */
static void note_commit(const struct sim_host *host, struct tenure *t) {
        if (t == NULL)
                return;
        t->point = host->seen;
        t->done_ns = host->seen_ns;
}

static void note_start(struct sim_host *host, struct tenure *t) {
        if (t == NULL)
                return;
        note_commit(host, t);
        t->start = host->seen;
        t->start_ns = host->seen_ns;
        t->knew = host->seen_knew;
        t->claimed_unix_ms = host->known.claimed_unix_ms;
}

static void remember(struct sim_host *host) {
        fleet_remember(host->fleet, &host->memory);
        host->known.point = host->seen;
        host->known.released = false;
        host->known.recovered_ms = host->memory.recovered_unix_ms;
}

/* Others could claim what it has, before it said that it goes on. */
static void note_claimed(struct sim_host *host, uint64_t fence) {
        int64_t unix_ms = host_wall_ns(host) / MS;

        if (fence < fleet_tick_of(&fleet_world.rules.layout, unix_ms))
                host->known.claimed_unix_ms = unix_ms;
}

/* Or that it has taken up its own record; anew after a recovery, that is a claim. */
static void remember_claim(struct sim_host *host, bool anew) {
        bool again = strcmp(host->memory.nonce, fleet_nonce(host->fleet)) == 0 &&
                     !(anew && attack_has_recovered(host));

        note_claimed(host, again ? host->memory.fence_tick : 0);
        remember(host);
}

/* Nothing that was promised is ahead: IDs begin now, not where the last ones ended. */
static bool has_paused(struct sim_host *host) {
        uint64_t now = guarded_tick(host);

        return fleet_world.rules.attack_every_ns != 0 && host->tenure != NULL &&
               now > host->tenure->hi && now > host->grown_hi;
}

/* Strictly above the fence; but what an old copy forgot is no duplicate of what comes later. */
static uint64_t begins_above(struct sim_host *host, uint64_t fence) {
        uint64_t now = guarded_tick(host);

        return fleet_world.rules.attack_every_ns != 0 && now > fence ? now : fence;
}

/* What startup/segments.c makes of the grant and of this boot's shared memory. */
static int open_state(struct sim_host *host, const struct lease_grant *grant) {
        uint32_t first = grant->worker_first & (region_end() - 1);
        /* its own run may have become shorter */
        uint32_t count = grant->worker_count < host->count ? grant->worker_count : host->count;
        uint64_t known = grant->fence_tick;
        bool goes_on = !grant->taken_anew && tenure_continues(host->tenure, host, first, count) &&
                       host->lineage && !has_paused(host);

        if (!host->unconfirmed) /* up to its own fence, it does not matter what became of the record */
                check_granted(host, first, grant->worker_count);
        if (tenure_meets(host->tenure, host, first, count) && host->shm_fence > known)
                known = host->shm_fence;
        if (!goes_on) {
                host->tenure = tenure_new(host, first, count, begins_above(host, known));
                host->grown = NULL;
                host->grown_hi = 0;
        }
        if (host->grown != NULL && count + host->grown->count > grant->worker_count)
                host->grown = NULL;
        if (!host->unconfirmed) { /* else it goes on with what it was told before */
                note_start(host, host->tenure);
                note_start(host, host->grown);
        }
        check_uses(host, grant->worker_count);
        host->lineage = true;
        host->fence = host->shm_fence = known;
        if (known == grant->fence_tick)
                return 0;
        return host->unconfirmed ? -EIO : fleet_renew(host->fleet, known);
}

/* More often where it is worst: a run that comes back while this boot still knows it. */
static bool crashes_now(const struct sim_host *host, const struct lease_grant *grant) {
        const struct tenure *t = host->tenure;
        bool again = grant->taken_anew && t != NULL && t->count == host->count &&
                     ((grant->worker_first ^ t->first) & (region_end() - 1)) == 0;

        return !fleet_world.rules.calm && fleet_chance(again ? 2 : 25);
}

static void serve(struct sim_host *host, const struct lease_grant *grant) {
        fleet_trace(host, "has %" PRIu32 " workers from %" PRIu32 ", fence %" PRIu64
                    "%s", grant->worker_count, grant->worker_first, grant->fence_tick,
                    grant->taken_anew ? ", anew" : "");
        fleet_world.sum.claims++;
        if (grant->worker_count < host->count)
                host->count = grant->worker_count;
        host->crash_due = crashes_now(host, grant);
        if (host->crash_due && fleet_chance(2))
                return; /* the claim is not remembered */
        if (!host->unconfirmed)
                remember_claim(host, grant->taken_anew);
        if (host->crash_due && fleet_chance(2))
                return; /* the shared memory is as it was */
        if (open_state(host, grant) < 0) {
                if (!host->ghost)
                        ended(host, soon());
                return;
        }
        host->serving = true;
        host->phase = HOST_SERVES;
        turn_at(host, fleet_world.now_ns); /* it asks for a fence at once */
}

/* Without its ledger it would wait for the fence that it has. */
static bool resumes(struct sim_host *host, int r, struct lease_grant *grant) {
        host->unconfirmed = (r == -EIO || r == -ETIMEDOUT) && host->lineage &&
                            host->tenure != NULL && host->tenure->first == host->memory.first &&
                            fleet_resume(host->fleet, grant) == 0;
        fleet_world.sum.resumed += host->unconfirmed;
        return host->unconfirmed;
}

static void claim(struct sim_host *host) {
        struct lease_grant grant;
        int64_t asked_ns = fleet_world.now_ns;
        int r = fleet_claim(host->fleet, &grant);
        int64_t pause_ns = host->pause_ns / 2 +
                           (int64_t)fleet_below((uint64_t)host->pause_ns / 2 + 1);

        if (host->ghost)
                return;
        host->claim_error = r;
        if (r == 0 || resumes(host, r, &grant)) {
                serve(host, &grant);
                return;
        }
        fleet_world.sum.claims_failed++;
        fleet_world.sum.conflicts += r == -EAGAIN;
        if (r == -EBUSY)
                check_exhausted(host);
        else
                attack_refused(host, asked_ns);
        if (r == -EBUSY && fleet_world.rules.waits) {
                host->wait_ns = backoff_next(host->wait_ns, WAIT_FIRST_NS, WAIT_LAST_NS);
                turn_at(host, host_after(host, backoff_jittered(host->wait_ns,
                                                                fleet_below(INT64_MAX))));
                return;
        }
        if ((r != -EAGAIN && r != -EIO && r != -ETIMEDOUT) ||
            host_boot_ns(host) + pause_ns > host->until_boot_ns) {
                fleet_trace(host, "does not start: %s", strerror(-r));
                fleet_world.sum.refused += r != -EAGAIN && r != -EIO && r != -ETIMEDOUT;
                ended(host, soon());
                return;
        }
        host->pause_ns = host->pause_ns * 2 < PAUSE_LAST_NS ? host->pause_ns * 2 : PAUSE_LAST_NS;
        turn_at(host, host_after(host, pause_ns));
}

/* ---- the daemon serves, as lease/writer.c does */

static void wait_for_work(const struct sim_host *host) {
        int64_t now_ns = host_boot_ns(host), left_ns;

        if (host->retry_ns != 0) {
                turn_at(host, host_after(host, backoff_jittered(host->retry_ns,
                                                                fleet_below(UINT32_MAX))));
                return;
        }
        left_ns = fleet_renew_due(host->fleet) - now_ns;
        turn_at(host, left_ns <= 0 ? fleet_world.now_ns :
                host_after(host, left_ns / 2 + backoff_jittered(left_ns, fleet_below(UINT32_MAX))));
}

/* run.c: what the lease has is used once the clock is there. */
static void use_grown(struct sim_host *host) {
        uint64_t above_tick, now = guarded_tick(host), lo = now;
        uint32_t run = fleet_run(host->fleet, &above_tick);

        check_uses(host, run);
        if (host->grown != NULL || run <= host->tenure->count || now <= above_tick ||
            now <= host->tenure->lo || fleet_chance(3))
                return;
        fleet_world.sum.grown++;
        fleet_trace(host, "uses %" PRIu32 " workers from tick %" PRIu64, run, now);
        if (host->grown_hi > lo)
                lo = host->grown_hi; /* the ledger holds those */
        host->grown = tenure_new(host, host->tenure->first + host->tenure->count,
                                 run - host->tenure->count, lo);
        note_start(host, host->grown);
        host->grown->start_ns = host->grew_ns; /* which was before it is used */
}

static void shrink(struct sim_host *host) {
        uint64_t last = guarded_tick(host);

        host_promise(host);
        host->grown = NULL;
        if (host->tenure->hi > last)
                last = host->tenure->hi;
        if (host->grown_hi > last)
                last = host->grown_hi;
        fleet_trace(host, "gives back, promised up to tick %" PRIu64, last);
        if (host->memory.count > host->tenure->count)
                host->memory.count = host->tenure->count; /* written before it is sent */
        fleet_world.sum.shrunk += fleet_shrink(host->fleet, host->tenure->count, last) == 0;
}

/* serve_request() of lease/writer.c: what came of it shows in fleet_run(). */
static void resize(struct sim_host *host) {
        uint64_t above_tick;
        int64_t asked_ns = fleet_world.now_ns;

        /* each attempt reads the region: more seldom where that is large */
        if (host->unconfirmed || host->max_count <= host->tenure->count || !fleet_chance(2 + fleet_world.rules.hosts / 50) ||
            guarded_tick(host) <= host->tenure->lo)
                return; /* as long as it waits for the fence, too */
        if (fleet_run(host->fleet, &above_tick) <= host->tenure->count) {
                host->grew_ns = asked_ns;
                note_claimed(host, 0); /* from now on it may have */
        }
        if (fleet_run(host->fleet, &above_tick) > host->tenure->count)
                shrink(host);
        else if (fleet_grow(host->fleet, host->max_count) == 0 && !host->ghost)
                check_granted(host, host->tenure->first + host->tenure->count,
                              fleet_run(host->fleet, &above_tick) - host->tenure->count);
}

static void renew(struct sim_host *host) {
        uint64_t ahead, fence;
        int r;

        resize(host);
        if (host->ghost)
                return;
        ahead = guarded_tick(host) + (uint64_t)(fleet_world.rules.horizon_ns / MS);
        fence = ahead > host->fence ? ahead : host->fence;
        host_promise(host);
        r = host->unconfirmed ? fleet_confirm(host->fleet) : 0;
        if (host->ghost)
                return;
        host->unconfirmed = host->unconfirmed && r < 0;
        if (r == 0)
                r = fleet_renew(host->fleet, fence);
        if (host->ghost)
                return;
        if (r == 0) {
                fleet_world.sum.renewals++;
                host->retry_ns = 0;
                note_claimed(host, host->fence);
                host->fence = host->shm_fence = fence;
                note_commit(host, host->tenure);
                note_commit(host, host->grown);
                host_promise(host);
                if (!fleet_chance(20)) /* a crash before, or a full disk */
                        remember(host);
        } else if (r == -ESTALE) {
                attack_lost(host);
                fleet_remember(host->fleet, &host->memory);
                host->known.recovered_ms = host->memory.recovered_unix_ms;
                fleet_trace(host, "has lost its workers");
                fleet_world.sum.lost++;
                host->over = true;
                host_promise(host);
                if (fleet_chance(2))
                        host_stop(host);
                return;
        } else {
                host->retry_ns = backoff_next(host->retry_ns, RETRY_FIRST_NS, RETRY_LAST_NS);
        }
        use_grown(host);
        wait_for_work(host);
}

static void stop(struct sim_host *host) {
        const struct tenure *t = host->tenure;
        uint64_t last, grant = t->lo;

        host_promise(host);
        host->serving = false; /* nobody is promised anything more */
        last = t->hi > grant ? t->hi : grant;
        if (host->grown_hi > last)
                last = host->grown_hi;
        host->shm_fence = last;
        if (!host->unconfirmed && (host->over || fleet_renew_reread(host->fleet) == 0) &&
            !host->ghost) {
                if (host->memory.fence_tick > last)
                        host->memory.fence_tick = last;
                host->known.released = true;
                if (fleet_release(host->fleet, last) == 0 && !host->ghost && !fleet_chance(20))
                        remember(host);
        }
        if (!host->ghost)
                ended(host, soon());
}

static void turn(void *context) {
        struct sim_host *host = context;

        if (host->stopping && host->phase == HOST_CLAIMS)
                ended(host, soon());
        else if (host->stopping)
                stop(host);
        else if (host->phase == HOST_CLAIMS)
                claim(host);
        else if (!host->over)
                renew(host);
}

static void turned(struct sim_host *host) {
        if (host->fiber != NULL || host->ghost)
                return;
        if (host->crash_due)
                host_crash(host);
        else if (host->up && host->stopping)
                turn_at(host, fleet_world.now_ns);
}

void host_turn(struct sim_host *host) {
        host->fiber = fiber_start(turn, host);
        turned(host);
}

void host_resume(struct sim_host *host) {
        host->fiber = fiber_resume(host->fiber);
        turned(host);
}

/* ---- the daemon ends */

void host_stop(struct sim_host *host) {
        if (!host->up || host->stopping)
                return;
        fleet_trace(host, "is told to stop");
        fleet_world.sum.stops++;
        host->stopping = true;
        if (host->fiber == NULL)
                turn_at(host, fleet_world.now_ns);
}

void host_crash(struct sim_host *host) {
        if (!host->up)
                return;
        host_promise(host);
        fleet_trace(host, "crashes");
        fleet_world.sum.crashes++;
        host->ghost = true; /* what is on its stack comes to an end, without effect */
        while (host->fiber != NULL)
                host->fiber = fiber_resume(host->fiber);
        host->ghost = false;
        host->stopped_until_ns = 0;
        ended(host, soon());
}

void host_reboot(struct sim_host *host) {
        host_crash(host);
        fleet_world.sum.reboots++;
        boot(host);
}
