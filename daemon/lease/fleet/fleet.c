/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/fleet.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/own.h"
#include "daemon/lease/fleet/survey.h"
#include "daemon/lease/fleet/take.h"
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
        log_event(WITH(EVENT_LEASE_CLAIMED, FIELD(REGION, f->parts.space.region),
                       FIELD(WORKER, grant->worker_first),
                       FIELD(WORKER_COUNT, grant->worker_count), FIELD(TICK, grant->fence_tick)),
                  "took worker IDs %s of region %" PRIu32 ", %"
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
        return log_failure(EBUSY, WITH(EVENT_WORKERS_NONE, FIELD(REGION, f->parts.space.region)),
                           "no %" PRIu32 " worker IDs in a row are free in "
                           "region %" PRIu32 ": of %" PRIu32 ", %" PRIu32 " are held by live "
                           "hosts, %" PRIu32 " rest (fence and workers.recycle_delay%s), %" PRIu32
                           " are refused until the operator repairs their keys, %" PRIu32 " are free. "
                           "Stop a host, lower workers.count, or use a layout with more worker bits",
                           f->parts.count, f->parts.space.region, view->end, census.held,
                           census.resting, when, census.refused, census.free);
}

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
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
        /* an old copy may not know that this host itself has issued IDs of these */
        if (fleet_view_host(view, f->parts.memory.nonce) == NULL)
                choice.fence_tick = later(choice.fence_tick, f->parts.memory.fence_tick);
        return fleet_take(f, view, NULL, &taken, choice.fence_tick);
}

static int claim_run(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = fleet_own(f, view);
        struct worker_set run;
        int r = fleet_check_contract(f, view);

        if (r == 0)
                r = fleet_check_old_copy(f, view);
        if (r == 0 && own != NULL && own->later != NULL)
                r = fleet_own_refuse_later(f);
        if (r < 0)
                return r;
        f->anew = own == NULL;
        if (own == NULL)
                return claim_new(f, view);
        run = fleet_own_run(f, view, own);
        return fleet_take(f, view, own, &run, own->record->fence_tick);
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
        if (r == 0 && view->n_owners > 0 && fleet_own(f, view) == NULL)
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
        if (r < 0 || fleet_own(f, view) != NULL)
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
                log_event(WITH(EVENT_LEASE_CONFLICT, FIELD(REGION, f->parts.space.region)),
                          "another host was faster in region %"
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
