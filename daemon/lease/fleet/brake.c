/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/brake.h"

#include <inttypes.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"

#define CLOCKS_APART_MS (INT64_C(60) * 1000) /* between two hosts */

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

/* We have written that contract. */
static void know(struct fleet *f, const struct fleet_commit *d,
                 const struct record_contract *contract) {
        f->contract = *contract;
        f->contract_modified = fleet_commit_modified(d, "contract", f->contract_modified);
}

/* ---- how far ahead fences are */

int fleet_brake_tell_horizon(struct fleet *f) {
        uint64_t now = fleet_tick_now(f), fence = f->record.fence_tick;
        uint64_t ahead_ms = fence > now ? fence - now : 0;
        struct fleet_commit d = { .space = &f->parts.space };
        struct record_contract contract;
        struct fleet_view *view = NULL;
        int r;

        if (ahead_ms <= f->contract.horizon_ms)
                return 0;
        r = fleet_view_contract(&view, f->parts.calls, f->parts.coordinator, &f->parts.space);
        if (r < 0)
                return r;
        if (view->contract_modified != f->contract_modified) {
                fleet_view_free(view);
                return -EAGAIN;
        }
        contract = view->contract;
        record_contract_raise_horizon(&contract, ahead_ms);
        fleet_commit_contract(&d, view, &contract);
        r = fleet_commit_send(&d, f->parts.calls, f->parts.coordinator);
        if (r == 0)
                know(f, &d, &contract);
        fleet_view_free(view);
        return r;
}

/* ---- is it an old copy? */

bool fleet_brake_is_due(const struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = fleet_view_host(view, f->record.nonce);

        return view->contract.recovered_unix_ms < f->contract.recovered_unix_ms || own == NULL ||
               fleet_is_behind(own->record, f->written_since, f->written_renewals);
}

bool fleet_brake_doubts(const struct record_contract *contract, int64_t claimed_unix_ms) {
        return contract->claims_since_unix_ms != 0 &&
               claimed_unix_ms > contract->claims_since_unix_ms - CLOCKS_APART_MS;
}

/* The next start must not believe an older copy either. */
static int lose(struct fleet *f, const struct fleet_view *view, const char *why) {
        fleet_know_contract(f, view);
        return fleet_session_lose(f, why);
}

int fleet_brake_gives_way(struct fleet *f, const struct fleet_view *view) {
        const struct record_contract *contract = &view->contract;

        if (contract->recovered_unix_ms <= f->contract.recovered_unix_ms)
                return 0;
        if (!fleet_brake_is_due(f, view) && fleet_brake_doubts(contract, f->claimed_unix_ms))
                return lose(f, view, "they were claimed from an old copy of the coordinator, and "
                                     "another host may have them");
        if (fleet_session_fence_has_passed(f))
                return lose(f, view, "their fence has passed, the coordinator was put back to an old "
                                     "copy, and what was claimed before is not there");
        return 0;
}

/* ---- braking */

/* Of a growth or shrinking whose answer was lost, what is ours in either case. */
static void settle_run(struct fleet *f) {
        if (f->resizing && worker_set_count(&f->resized) < worker_set_count(&f->record.workers))
                f->record.workers = f->resized;
        f->resizing = false;
}

static bool has_other_owner(const struct fleet *f, const struct fleet_view *view) {
        for (size_t i = 0; i < view->n_owners; i++)
                if (strcmp(view->owners[i].record->nonce, f->record.nonce) != 0 &&
                    record_brief_has_any(view->owners[i].record, &f->record.workers))
                        return true;
        return false;
}

/* When was the copy put back? After our last commit; but where it was put back before that as
 * well, and those who claimed then have not all noticed, after that. */
static int64_t claims_since(const struct fleet *f) {
        int64_t since = fleet_confirmed_unix_ms(f), known = f->contract.claims_since_unix_ms;
        bool lasts = f->contract.not_before_tick >= fleet_tick_now(f);

        return lasts && known != 0 && known < since ? known : since;
}

/* Above all that any host can have promised. A host which finds that another one has braked
 * adds nothing, unless its own fence is higher. */
static void raise_contract(const struct fleet *f, struct record_contract *contract) {
        uint64_t last = id_tick_max(&f->parts.space.layout) - 1, not_before;
        int64_t known_ms = f->contract.recovered_unix_ms, now_ms = fleet_unix_ms(f);

        contract->horizon_ms = later(contract->horizon_ms, f->contract.horizon_ms);
        not_before = later(contract->not_before_tick, f->contract.not_before_tick);
        not_before = later(not_before, f->record.fence_tick);
        if (contract->recovered_unix_ms <= known_ms) {
                contract->recovered_unix_ms = now_ms > known_ms ? now_ms : known_ms + 1;
                contract->claims_since_unix_ms = claims_since(f);
                not_before = later(not_before,
                                   fleet_tick_now(f) + contract->horizon_ms + CLOCKS_APART_MS);
        }
        contract->not_before_tick = not_before < last ? not_before : last;
        worker_set_add(&contract->regions, f->parts.space.region);
}

static void report(const struct fleet *f, const struct record_contract *contract, bool lost) {
        char time[FENCE_TIME_SIZE];

        log_event(WITH(EVENT_COORDINATOR_OLD, FIELD(TICK, contract->not_before_tick)),
                  "the coordinator was put back to an old copy, "
                  "or lost this host's key: %s. Worker IDs are claimed above %s from now on, so "
                  "that no ID is given twice; hosts that start wait until then. If nobody put it "
                  "back, find out who did: it is the same after each time",
                  lost ? "another host has claimed its worker IDs there"
                       : "this host has written its worker IDs and fence again",
                  fence_time(&f->parts.space.layout, contract->not_before_tick, time));
}

/* Others may have claimed them since, whether that is still there or not. What we promised has
 * ended: there is nothing to brake for. */
static int give_up(struct fleet *f) {
        f->doubted = true;
        return fleet_session_lose(f, "their fence has passed, and the coordinator has no record of "
                                     "this host, or an older one: others may have had them");
}

static int take_brake(struct fleet *f, const struct fleet_commit *d, const struct fleet_view *view,
                      const struct record_contract *contract, bool lost, int r) {
        if (r < 0)
                return fleet_session_settle(f, r, f->sent_ns);
        if (!lost || contract->recovered_unix_ms != view->contract.recovered_unix_ms)
                report(f, contract, lost);
        f->contract_modified = view->contract_modified;
        know(f, d, contract);
        f->claims = 0;
        if (lost)
                return fleet_session_lose(f, "another host has claimed them from an old copy of "
                                             "the coordinator");
        f->modified = d->writes[0].modified;
        f->uncertain = f->late = false; /* commits on their way check for another revision */
        fleet_session_wrote(f, f->record.renewals, f->record.fence_tick);
        return 0;
}

/* `region`: all of it was read. `used` is a condition then, so nobody has claimed meanwhile. */
static int put_back(struct fleet *f, const struct fleet_view *view, bool region) {
        static const struct worker_set none = { .bits = { 0 } };
        const struct fleet_owner *own = fleet_view_host(view, f->record.nonce);
        bool lost = region && has_other_owner(f, view);
        struct fleet_commit d = { .space = &f->parts.space };
        struct record_contract contract = view->contract;

        f->record.renewals++;
        if (!lost)
                fleet_commit_record(&d, &f->record, own != NULL ? own->modified : 0);
        if (region)
                fleet_commit_used(&d, view, lost ? &none : &f->record.workers,
                                  later(view->used.claims, f->claims) + 1);
        raise_contract(f, &contract);
        fleet_commit_contract(&d, view, &contract);
        return take_brake(f, &d, view, &contract, lost,
                          fleet_commit_send(&d, f->parts.calls, f->parts.coordinator));
}

int fleet_brake(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = fleet_view_host(view, f->record.nonce);
        struct fleet_view *region = NULL;
        struct record_host found;
        int r;

        if (fleet_session_fence_has_passed(f))
                return give_up(f);
        settle_run(f);
        if (own != NULL)
                record_brief_expand(own->record, &found);
        /* a claim would have taken them out of our record */
        if (own != NULL && memcmp(&found.workers, &f->record.workers,
                                  sizeof(f->record.workers)) == 0)
                return put_back(f, view, false);
        r = fleet_view_read(&region, f->parts.calls, f->parts.coordinator, &f->parts.space);
        if (r == 0)
                r = fleet_check_running(f, region);
        if (r == 0)
                r = put_back(f, region, true);
        fleet_view_free(region);
        return r;
}
