/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/keys/commit.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/fleet/resize.h"
#include "daemon/lease/fleet/survey.h"
#include "daemon/lease/keys/view_part.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"

int fleet_new(struct fleet **ret, const struct fleet_parts *parts) {
        struct fleet *f = calloc(1, sizeof(*f));

        if (f == NULL)
                return -ENOMEM;
        f->parts = *parts;
        f->record.who = parts->who;
        f->record.since_unix_ms = parts->environment.unix_ms(parts->environment.context);
        /* an earlier time than the daemon's before would look like an old copy (old_copy.h) */
        if ((uint64_t)f->record.since_unix_ms <= parts->memory.since_unix_ms)
                f->record.since_unix_ms = (int64_t)parts->memory.since_unix_ms + 1;
        fleet_draw(f, f->record.nonce);
        fleet_draw(f, f->lives);
        *ret = f;
        return 0;
}

struct fleet *fleet_free(struct fleet *f) {
        free(f);
        return NULL;
}

const char *fleet_nonce(const struct fleet *f) {
        return f->record.nonce;
}

/* ---- what the metrics and the log say */

static void report_claim(const struct fleet *f, const struct lease_grant *grant) {
        char *workers = worker_set_text(&f->record.workers), time[FENCE_TIME_SIZE], above[96];

        snprintf(above, sizeof(above), "above the fence of tick %" PRIu64 " (%s)",
                 grant->fence_tick, fence_time(&f->parts.space.layout, grant->fence_tick, time));
        log_event(LOG_LEVEL_INFO, "lease-claimed", "took worker IDs %s of region %" PRIu32 ", %"
                  PRIu32 " to %" PRIu32 " in an ID, %s",
                  workers != NULL ? workers : "?", f->parts.space.region, grant->worker_first,
                  grant->worker_first + grant->worker_count - 1,
                  grant->fence_tick == 0 ? "never used before" : above);
        free(workers);
}

/* ---- claiming */

static int refuse_none(const struct fleet *f, const struct fleet_view *view, uint64_t now,
                       uint64_t recycle) {
        struct fleet_census census = fleet_census(view, now, recycle);
        char when[64] = "";

        fleet_count(&f->parts.counters->waits);
        if (f->claim_error == -EBUSY)
                return -EBUSY; /* who waits says so once */
        if (census.resting > 0 && census.first_free_tick != UINT64_MAX)
                snprintf(when, sizeof(when), ", the first for %" PRIu64 " s more",
                         (census.first_free_tick - now) / 1000 + 1);
        return log_failure(EBUSY, "workers-none", "no %" PRIu32 " worker IDs in a row are free in "
                           "region %" PRIu32 ": of %" PRIu32 ", %" PRIu32 " are held by live "
                           "hosts, %" PRIu32 " rest (fence and workers.recycle_delay%s), %" PRIu32
                           " are refused until the operator repairs their keys, %" PRIu32 " are free. "
                           "Stop a host, lower workers.count, or use a layout with more worker bits",
                           f->parts.count, f->parts.space.region, view->end, census.held,
                           census.resting, when, census.refused, census.free);
}

/* What a run can continue with: the first worker IDs of that record in a row which are in no
 * other one, and no more than the configuration allows. The run may be shorter than that says:
 * it grows while it serves. */
static struct worker_set run_of(const struct fleet *f, const struct fleet_view *view,
                                const struct fleet_owner *owner) {
        struct worker_set run = { .bits = { 0 } };
        uint32_t first = owner->record->first, most = fleet_max_count(f);

        for (uint32_t w = first; w - first < most && w < view->end &&
                                 view->of_worker[w] == (int32_t)(owner - view->owners); w++)
                worker_set_add(&run, w);
        return run;
}

/* Our own record, which an earlier attempt or the previous daemon has written. */
static const struct fleet_owner *find_own(const struct fleet *f, const struct fleet_view *view) {
        uint64_t now = fleet_tick_now(f);

        for (size_t i = 0; i < view->n_owners; i++) {
                const struct fleet_owner *owner = &view->owners[i];
                const struct record_brief *record = owner->record;

                if (strcmp(record->nonce, f->record.nonce) != 0 &&
                    strcmp(record->nonce, f->parts.memory.nonce) != 0)
                        continue;
                if (view->of_worker[record->first] != (int32_t)i)
                        continue; /* its first worker ID is in another record as well */
                /* an attempt of ours was done; else a copy of this daemon wrote the record */
                if (memcmp(record->life, f->lives, FLEET_LIVES_LENGTH) == 0)
                        return owner;
                /* the state directory is locked: the daemon that wrote it from there has ended */
                if (strcmp(record->nonce, f->parts.memory.nonce) != 0 ||
                    strcmp(record->who.machine_id, f->parts.who.machine_id) != 0 ||
                    strcmp(record->who.directory, f->parts.who.directory) != 0)
                        continue;
                /* the record of another boot may be that of a copy; and without shared
                 * memory there is nothing to continue, and its fence would be waited for */
                if ((strcmp(record->who.boot_id, f->parts.who.boot_id) == 0 &&
                     (!f->parts.forgetful || record->renewals == 0)) ||
                    (!owner->alive && record->fence_tick < now))
                        return owner;
        }
        return NULL;
}

/* A later release ran here, and we do not know all that its record says. */
static int refuse_later(const struct fleet *f) {
        return log_failure(EPROTO, "coordinator-version", "the coordinator's key region/%" PRIu32
                           "/host/%s, this host's own, is of a later version of sfshmd: run that "
                           "version, or give this host an empty daemon.state_dir: it then takes "
                           "other worker IDs", f->parts.space.region, f->parts.memory.nonce);
}

/* The session of an earlier attempt may have ended since; nothing can be written in it then. */
static int claim_session(struct fleet *f) {
        int64_t now_ns = fleet_boot_ns(f);
        int r = f->begun ? f->parts.calls->session_keep(f->parts.coordinator, &f->ttl_ns) :
                           -ESTALE;

        if (r == 0)
                f->begun_ns = now_ns;
        return r == -ESTALE ? fleet_session_begin(f) : r;
}

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

/* What the configuration no longer allows goes to a record of its own in the same commit. What
 * clients hold of it ends at or below the fence that both records have. */
static void give_back_rest(struct fleet *f, struct fleet_commit *d,
                           const struct fleet_owner *own) {
        struct record_host was;

        record_brief_expand(own->record, &was);
        worker_set_subtract(&was.workers, &f->record.workers);
        if (worker_set_count(&was.workers) > 0)
                fleet_give_back(f, d, &was.workers, UINT64_MAX);
}

/* `own`: the record to continue with; NULL: the workers are new to us. */
static int commit_claim(struct fleet *f, const struct fleet_view *view,
                        const struct fleet_owner *own, const struct worker_set *taken,
                        uint64_t fence_tick) {
        struct fleet_commit d = { .space = &f->parts.space };
        struct record_host *record = &f->record;
        uint64_t not_before_tick = view->contract.not_before_tick;
        int r = claim_session(f);

        if (r < 0)
                return r;
        if (own != NULL)
                memcpy(record->nonce, own->record->nonce, RECORD_HEX);
        record->workers = *taken;
        record->fence_tick = later(later(fence_tick, f->parts.floor_tick), not_before_tick);
        if (own != NULL) /* an old copy's, from which the operator has recovered, may be lower */
                record->fence_tick = later(record->fence_tick, f->parts.memory.fence_tick);
        record->grown_tick = own != NULL ? own->record->grown_tick : 0;
        record->released = false;
        /* has this boot had the worker IDs since its shared memory was written? A record that was
         * never renewed may be that of a daemon which did not get that far; and in one from before
         * a recovery from an old copy the claims are missing that came after it */
        f->others = own == NULL || own->record->renewals == 0 ||
                    own->record->fence_tick < not_before_tick ||
                    strcmp(own->record->who.boot_id, f->parts.who.boot_id) != 0;
        record->renewals = f->others ? 0 : own->record->renewals + 1;
        fleet_session_next_life(f);
        fleet_commit_record(&d, record, own != NULL ? own->modified : 0);
        fleet_session_write_life(f, &d);
        if (own == NULL) {
                fleet_commit_region(&d, view, taken);
                (void)fleet_commit_owners(&d, view, taken);
        } else {
                fleet_commit_check(&d, "contract", view->contract_modified);
                if (own->alive)
                        fleet_commit_delete(&d, fleet_commit_key(&d, "alive", own->record->life));
                give_back_rest(f, &d, own);
        }
        r = fleet_commit_send(&d, f->parts.calls, f->parts.coordinator);
        if (r < 0)
                return r;
        f->modified = d.writes[0].modified;
        f->alive_modified = d.writes[1].modified;
        f->session = true;
        memcpy(f->space, view->contract.space, RECORD_HEX);
        f->recovered_unix_ms = (uint64_t)view->contract.recovered_unix_ms;
        f->claims = own == NULL ? view->used.claims + 1 : f->parts.memory.claims;
        fleet_session_prolong(f, f->begun_ns);
        return 0;
}

/* An old copy may not know that this host itself has issued IDs of these. */
static bool had_any(const struct fleet *f, uint32_t first, uint32_t count) {
        const struct fleet_memory *memory = &f->parts.memory;

        return memory->region == f->parts.space.region && first < memory->first + memory->count &&
               memory->first < first + count;
}

static int claim_new(struct fleet *f, const struct fleet_view *view) {
        uint64_t recycle = fleet_recycle_ticks(f);
        uint64_t now = fleet_tick_now(f);
        struct worker_set taken = { .bits = { 0 } };
        struct fleet_choice choice;

        /* first choice: a place where it can grow; the fence is then that of the whole place */
        if (fleet_choose(view, fleet_max_count(f), now, recycle, &choice) < 0 &&
            fleet_choose(view, f->parts.count, now, recycle, &choice) < 0)
                return refuse_none(f, view, now, recycle);
        /* the record of that name was ours, and lost workers while we tried to continue it */
        if (strcmp(f->record.nonce, f->parts.memory.nonce) == 0)
                fleet_draw(f, f->record.nonce);
        for (uint32_t i = 0; i < f->parts.count; i++)
                worker_set_add(&taken, choice.first + i);
        if (had_any(f, choice.first, f->parts.count))
                choice.fence_tick = later(choice.fence_tick, f->parts.memory.fence_tick);
        return commit_claim(f, view, NULL, &taken, choice.fence_tick);
}

static int claim_run(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = find_own(f, view);
        struct worker_set run;
        int r = fleet_check_contract(f, view);

        if (r == 0)
                r = fleet_check_old_copy(f, view);
        if (r == 0 && own != NULL && own->later != NULL)
                r = refuse_later(f);
        if (r < 0)
                return r;
        f->anew = own == NULL;
        if (own == NULL)
                return claim_new(f, view);
        run = run_of(f, view, own);
        return commit_claim(f, view, own, &run, own->record->fence_tick);
}

/* ---- what a claim reads */

/* The records that may be our own: the previous daemon's, and that of a lost answer. */
static int add_own(struct fleet *f, struct fleet_view *view) {
        const struct fleet_parts *p = &f->parts;
        int r = 0;

        if (p->memory.nonce[0] != '\0')
                r = fleet_view_add_host(view, p->calls, p->coordinator, &p->space, p->memory.nonce);
        if (r == 0 && f->n_lives > 0 && strcmp(f->record.nonce, p->memory.nonce) != 0)
                r = fleet_view_add_host(view, p->calls, p->coordinator, &p->space,
                                        f->record.nonce);
        /* whether a session goes on decides only over the record of another boot */
        if (r == 0 && view->n_owners > 0 && find_own(f, view) == NULL)
                r = fleet_view_add_lives(view, p->calls, p->coordinator, &p->space);
        return r;
}

/* 1: these few keys are not enough, the region must be listed. */
static int add_few(struct fleet *f, struct fleet_view *view) {
        const struct fleet_parts *p = &f->parts;
        struct fleet_choice choice;
        int r = fleet_check_contract(f, view);

        if (r == 0)
                r = add_own(f, view);
        if (r < 0 || find_own(f, view) != NULL)
                return r;
        r = fleet_view_add_used(view, p->calls, p->coordinator, &p->space);
        if (r == 0 && fleet_choose(view, fleet_max_count(f), fleet_tick_now(f),
                                   fleet_recycle_ticks(f), &choice) < 0)
                return 1;
        return r;
}

/* 1: as add_few(). */
static int read_few(struct fleet *f, struct fleet_view **ret) {
        const struct fleet_parts *p = &f->parts;
        struct fleet_view *view = NULL;
        int r = fleet_view_contract(&view, p->calls, p->coordinator, &p->space);

        if (r == 0)
                r = add_few(f, view);
        if (r != 0) {
                fleet_view_free(view);
                return r;
        }
        fleet_survey_later(f, view);
        *ret = view;
        return 0;
}

/* A list grows with the number of hosts. It is read where neither our own record nor worker
 * IDs that were never used are there to be taken; who waits for others' knows that. */
static int read_view(struct fleet *f, struct fleet_view **ret) {
        const struct fleet_parts *p = &f->parts;
        int r = f->claim_error == -EBUSY ? 1 : read_few(f, ret);

        if (r <= 0)
                return r;
        r = fleet_view_read(ret, p->calls, p->coordinator, &p->space);
        if (r == 0)
                fleet_survey_count(f, *ret);
        return r;
}

int fleet_claim(struct fleet *f, struct lease_grant *ret) {
        struct fleet_view *view = NULL;
        int r = read_view(f, &view);

        if (r == 0)
                r = claim_run(f, view);
        if (r != -EAGAIN)
                f->claim_error = r;
        if (r == -EAGAIN) {
                fleet_count(&f->parts.counters->conflicts);
                log_event(LOG_LEVEL_INFO, "lease-conflict", "another host was faster in region %"
                          PRIu32 ": retrying", f->parts.space.region);
        } else if (r < 0) {
                f->begun = false; /* the session may have ended before the next attempt */
        }
        if (r == 0) {
                const struct id_layout *layout = &f->parts.space.layout;

                fleet_count(&f->parts.counters->claims);
                *ret = (struct lease_grant){
                        .worker_first = (f->parts.space.region
                                         << (layout->worker_bits - layout->region_bits)) |
                                        worker_set_next(&f->record.workers, 0),
                        .worker_count = worker_set_count(&f->record.workers),
                        .fence_tick = f->record.fence_tick,
                        .first_start = f->parts.memory.nonce[0] == '\0',
                        .fence_of_run = true,
                        .taken_anew = f->others,
                        .above_tick = f->record.grown_tick,
                };
                report_claim(f, ret);
        }
        fleet_view_free(view);
        return r;
}

/* ---- confirming what this host remembered */

static bool has_all(const struct worker_set *set, const struct worker_set *part) {
        struct worker_set rest = *part;

        worker_set_subtract(&rest, set);
        return worker_set_count(&rest) == 0;
}

/* A recovery from an old copy says that what was claimed after a moment may have been given
 * away twice, and the host has not seen it: it gives way. */
static bool gives_way(const struct fleet *f, const struct fleet_view *view) {
        return view->contract.claims_since_unix_ms != 0 &&
               (uint64_t)view->contract.recovered_unix_ms > f->parts.memory.recovered_unix_ms;
}

static int confirm(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = find_own(f, view);
        struct worker_set run;
        int r = fleet_check_contract(f, view);

        if (r == 0)
                r = fleet_check_old_copy(f, view);
        if (r == 0 && own != NULL && own->later != NULL)
                r = refuse_later(f);
        if (r < 0)
                return r;
        if (own == NULL || gives_way(f, view))
                return fleet_renew_lose(f, "another host has taken them while the coordinator was "
                                        "away");
        run = run_of(f, view, own);
        if (!has_all(&run, &f->record.workers))
                return fleet_renew_lose(f, "another host has taken some of them");
        /* its fence is at or above the one that was remembered */
        return commit_claim(f, view, own, &run, own->record->fence_tick);
}

static int try_to_confirm(struct fleet *f) {
        struct fleet_view *view = NULL;
        int r = read_view(f, &view);

        if (r == 0)
                r = confirm(f, view);
        if (r < 0 && r != -EAGAIN)
                f->begun = false; /* as in fleet_claim() */
        fleet_view_free(view);
        return r;
}

int fleet_confirm(struct fleet *f) {
        int r = f->lost ? -ESTALE : -EAGAIN;

        for (int i = 0; i < 3 && r == -EAGAIN; i++)
                r = try_to_confirm(f);
        fleet_count(r == 0 ? &f->parts.counters->claims : &f->parts.counters->failures);
        return r;
}
