/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/resize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/keys/commit.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/keys/view_part.h"

#define ATTEMPTS 3

static uint32_t run_count(const struct fleet *f) {
        return worker_set_count(&f->record.workers);
}

static uint64_t later_tick(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

/* Our record with other workers. Until the answer arrives, either set may be ours. */
static void put_own(struct fleet *f, struct fleet_commit *d, const struct worker_set *workers) {
        struct record_host record = f->record;

        record.renewals = ++f->record.renewals; /* no two attempts write the same text */
        record.workers = *workers;
        fleet_commit_record(d, &record, f->modified);
}

/* Sends the commit; after a lost answer, the record decides. -EAGAIN: it was not done, and
 * will not be; -ETIMEDOUT: it may still be done, until the next renewal is done. */
static int commit_run(struct fleet *f, struct fleet_commit *d, const struct worker_set *workers) {
        int r, sent;

        f->resized = *workers;
        f->resizing = true;
        r = fleet_session_settle(f, fleet_commit_send(d, f->parts.calls, f->parts.coordinator),
                                 f->sent_ns);
        if (r == 0) {
                if (worker_set_count(workers) > run_count(f))
                        fleet_session_claimed(f);
                f->record.workers = *workers;
                f->modified = d->writes[0].modified;
                f->contract_modified = fleet_commit_modified(d, "contract", f->contract_modified);
                return 0;
        }
        sent = r;
        if (!fleet_session_is_unknown(r))
                f->resizing = false;
        if (!fleet_session_is_unknown(r) && r != -EAGAIN)
                return r;
        r = fleet_renew_reread(f);
        if (r < 0)
                return r;
        return memcmp(&f->record.workers, workers, sizeof(*workers)) == 0 ? 0 : sent;
}

/* ---- growing */

static int grow_into(struct fleet *f, const struct fleet_view *view, uint32_t first, uint32_t n) {
        struct worker_set taken = { .bits = { 0 } }, all = f->record.workers;
        struct fleet_commit d = { .space = &f->parts.space };
        int r;

        for (uint32_t w = first; w < first + n; w++) {
                worker_set_add(&taken, w);
                worker_set_add(&all, w);
        }
        put_own(f, &d, &all);
        /* without a session the run would look like that of a dead host */
        fleet_commit_check(&d, fleet_commit_key(&d, "alive", f->record.life), f->alive_modified);
        fleet_commit_region(&d, view, &taken);
        (void)fleet_commit_owners(&d, view, &taken);
        r = commit_run(f, &d, &all);
        if (r == 0)
                f->claims = view->used.claims + 1;
        return r;
}

/* The region is listed only where the worker ID that follows was used. */
static int read_neighbours(const struct fleet *f, uint32_t end, struct fleet_view **ret) {
        const struct fleet_parts *p = &f->parts;
        struct fleet_view *view = NULL;
        int r = fleet_view_contract(&view, p->calls, p->coordinator, &p->space);

        if (r == 0)
                r = fleet_view_add_used(view, p->calls, p->coordinator, &p->space);
        if (r == 0 && (end >= view->end || view->of_worker[end] == FLEET_NEVER_USED)) {
                *ret = view;
                return 0;
        }
        fleet_view_free(view);
        return r < 0 ? r : fleet_view_read(ret, p->calls, p->coordinator, &p->space);
}

static int grow_run(struct fleet *f, uint32_t count) {
        uint64_t recycle = fleet_recycle_ticks(f), fence;
        uint32_t end = worker_set_next(&f->record.workers, 0) + run_count(f), n;
        struct fleet_view *view = NULL;
        int r = read_neighbours(f, end, &view);

        if (r < 0)
                return r;
        if (view->contract_modified != f->contract_modified) {
                fleet_view_free(view); /* as before a renewal, which looks whether all is ours */
                r = fleet_renew_reread(f);
                return r < 0 ? r : -EAGAIN;
        }
        n = fleet_extent(view, end, count - run_count(f), fleet_tick_now(f), recycle, &f->parts.who,
                         &fence);
        if (n == 0) {
                r = -EBUSY;
        } else {
                fence = later_tick(fence, view->contract.not_before_tick);
                /* set before we know whether they are ours: harmless if they are not */
                f->record.grown_tick = later_tick(f->record.grown_tick, fence);
                f->record.fence_tick = later_tick(f->record.fence_tick, fence);
                r = grow_into(f, view, end, n);
        }
        fleet_view_free(view);
        return r;
}

/* ---- shrinking */

void fleet_give_back(struct fleet *f, struct fleet_commit *d, const struct worker_set *given,
                     uint64_t last_tick) {
        struct record_host rest = f->record;

        fleet_draw(f, rest.nonce);
        fleet_draw(f, rest.life);
        rest.released = true;
        rest.grown_tick = 0;
        rest.renewals = 0;
        rest.workers = *given;
        /* nothing was promised above the durable fence either */
        if (last_tick < rest.fence_tick)
                rest.fence_tick = later_tick(last_tick, f->record.grown_tick);
        fleet_commit_record(d, &rest, 0);
}

static int shrink_run(struct fleet *f, uint32_t count, uint64_t last_tick) {
        struct worker_set kept = f->record.workers, given = { .bits = { 0 } };
        uint32_t first = worker_set_next(&kept, 0), end = first + run_count(f);
        struct fleet_commit d = { .space = &f->parts.space };

        for (uint32_t w = first + count; w < end; w++) {
                worker_set_remove(&kept, w);
                worker_set_add(&given, w);
        }
        put_own(f, &d, &kept);
        fleet_commit_check(&d, "contract", f->contract_modified);
        fleet_give_back(f, &d, &given, last_tick);
        return commit_run(f, &d, &kept);
}

/* ---- both */

static bool is_long_enough(const struct fleet *f, uint32_t count, bool longer) {
        return longer ? run_count(f) >= count : run_count(f) <= count;
}

static int change_run(struct fleet *f, uint32_t count, bool longer, uint64_t last_tick) {
        int r = -EAGAIN;

        if (f->lost)
                return -ESTALE;
        if (f->uncertain && (r = fleet_renew_reread(f)) < 0)
                return r;
        if (f->resizing)
                return -EAGAIN; /* an earlier resize may still be done, until the next renewal */
        r = -EAGAIN;
        for (int i = 0; i < ATTEMPTS && r == -EAGAIN; i++)
                r = is_long_enough(f, count, longer) ? 0
                    : longer                         ? grow_run(f, count)
                                                     : shrink_run(f, count, last_tick);
        if (r == -EAGAIN)
                fleet_count(&f->parts.counters->conflicts);
        return r;
}

int fleet_grow(struct fleet *f, uint32_t count) {
        return change_run(f, count < fleet_max_count(f) ? count : fleet_max_count(f), true, 0);
}

int fleet_shrink(struct fleet *f, uint32_t count, uint64_t last_tick) {
        return change_run(f, count > 0 ? count : 1, false, last_tick);
}
