/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/renew.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/lease/fleet/brake.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/keys/view_part.h"
#include "daemon/util/log.h"
#include "shm/probe.h"

int64_t fleet_renew_due(const struct fleet *f) {
        return f->sent_ns + f->ttl_ns / 3;
}

bool fleet_lost(const struct fleet *f) {
        return f->lost;
}

/* ---- after an answer that was lost, or a check that failed */

/* Are these our workers, or those that our resize has left? (If it gave some back and
 * another host took exactly those meanwhile, the rest is still ours.) */
static bool are_our_workers(const struct fleet *f, const struct record_host *found) {
        return memcmp(&f->record.workers, &found->workers, sizeof(found->workers)) == 0 ||
               (f->resizing && memcmp(&f->resized, &found->workers, sizeof(f->resized)) == 0);
}

static bool is_as_written(const struct fleet *f, const struct record_host *found) {
        return found->renewals == f->written_renewals && found->fence_tick == f->written_fence;
}

/* Any other writer takes workers out of the record, or has other lives, except a copy of
 * this very daemon, as after a running virtual machine was cloned. The copy has written
 * what we have not; one of the two finds that out here, and stops. */
static int adopt_record(struct fleet *f, const struct record_host *found, int64_t modified) {
        if (!are_our_workers(f, found) || memcmp(found->life, f->lives, FLEET_LIVES_LENGTH) != 0)
                return fleet_session_lose(f, "another daemon has written their record");
        if (!f->late && !is_as_written(f, found))
                return fleet_session_lose(
                        f, "a copy of this daemon, or the operator, has written their record; if "
                           "this machine was cloned, let only one of the two run");
        if (modified != f->modified) {
                f->late = false; /* commits on their way check for the old revision */
                fleet_session_wrote(f, found->renewals, found->fence_tick);
        }
        if (f->uncertain && modified != f->modified)
                f->sent_ns = f->uncertain_ns; /* or later */
        f->modified = modified;
        if (worker_set_count(&found->workers) > worker_set_count(&f->record.workers))
                fleet_session_claimed(f);
        if (memcmp(&f->record.workers, &found->workers, sizeof(found->workers)) != 0)
                f->resizing = false; /* it was done */
        f->record.workers = found->workers;
        /* this is the one of our attempts that was done: what it says is durable */
        if (found->fence_tick > f->record.fence_tick)
                f->record.fence_tick = found->fence_tick;
        if (found->grown_tick > f->record.grown_tick)
                f->record.grown_tick = found->grown_tick;
        f->record.released = found->released;
        return 0;
}

/* Of the last session only: earlier ones are not renewed any more. */
static int reread_alive(struct fleet *f, const char *life) {
        struct coordinator_list list = { .n = 0 };
        char key[FLEET_KEY_MAX];
        const struct coordinator_item *item;
        int r = f->parts.calls->list(f->parts.coordinator,
                                     fleet_key(key, f->parts.space.region, "alive",
                                               f->record.life), &list);

        if (r < 0)
                return r;
        item = coordinator_find(&list, key);
        if (f->session && item == NULL)
                fleet_session_expire(f, "the coordinator has no sign of life of this host any more");
        /* the key of a session that cannot be renewed may exist for a while */
        f->session = f->begun && item != NULL && strcmp(life, f->record.life) == 0;
        f->alive_modified = item != NULL ? item->modified : 0;
        coordinator_list_clear(&list);
        return 0;
}

/* A later release would have written it, and we do not know all that it says. */
static int refuse_odd(const struct fleet *f, const struct fleet_view *view) {
        int r = view->n_damaged > 0                                       ? view->damaged[0].error
                : view->n_owners > 0 && view->owners[0].later != NULL ? -EPROTO
                                                                          : 0;

        return r == 0 ? 0 : log_failure(-r, WITH(EVENT_COORDINATOR_DAMAGED,
                                                 FIELD(REGION, f->parts.space.region)),
                                        "the coordinator's key region/%"
                                        PRIu32 "/host/%s, this host's own, is damaged or of another "
                                        "version: put back its value by hand",
                                        f->parts.space.region, f->record.nonce);
}

int fleet_renew_look(struct fleet *f, struct fleet_view **ret) {
        const struct fleet_parts *p = &f->parts;
        struct fleet_view *view = NULL;
        int r = fleet_view_contract(&view, p->calls, p->coordinator, &p->space);

        if (r == 0)
                r = fleet_check_running(f, view);
        if (r == 0)
                r = fleet_view_add_host(view, p->calls, p->coordinator, &p->space,
                                        f->record.nonce);
        if (r == 0)
                r = refuse_odd(f, view);
        if (r < 0)
                fleet_view_free(view);
        else
                *ret = view;
        return r;
}

static int take_look(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = fleet_view_host(view, f->record.nonce);
        struct record_host found;
        int r = fleet_brake_gives_way(f, view);

        if (r < 0)
                return r;
        if (fleet_brake_is_due(f, view)) {
                r = fleet_brake(f, view);
                return r < 0 ? r : reread_alive(f, f->record.life);
        }
        record_brief_expand(own->record, &found);
        r = adopt_record(f, &found, own->modified);
        if (r < 0)
                return r;
        fleet_know_contract(f, view);
        return reread_alive(f, own->record->life);
}

int fleet_renew_reread(struct fleet *f) {
        struct fleet_view *view = NULL;
        int r = fleet_renew_look(f, &view);

        if (r == 0)
                r = take_look(f, view);
        if (r == 0)
                f->uncertain = false;
        fleet_view_free(view);
        return r;
}

/* ---- renewing */

/* With `revive` in a new session. */
static int commit_host(struct fleet *f, bool revive) {
        struct fleet_commit d = { .space = &f->parts.space };
        int r;

        fleet_commit_record(&d, &f->record, f->modified);
        fleet_commit_check(&d, "contract", f->contract_modified); /* whoever brakes writes it */
        if (revive)
                fleet_session_write_life(f, &d);
        else
                fleet_commit_check(&d, fleet_commit_key(&d, "alive", f->record.life),
                                   f->alive_modified);
        r = fleet_commit_send(&d, f->parts.calls, f->parts.coordinator);
        if (r < 0)
                return r;
        f->modified = d.writes[0].modified;
        if (revive)
                f->alive_modified = d.writes[1].modified;
        return 0;
}

static void report_renewal(const struct fleet *f, int64_t sent_ns) {
        struct lease_counters *counters = f->parts.counters;
        int64_t took_ns = fleet_boot_ns(f) - sent_ns;

        fleet_count(&counters->renewals);
        histogram_add(&counters->renewal, took_ns);
        PROBE1(renewal, took_ns);
}

static int take_renewal(struct fleet *f, int r, int64_t sent_ns) {
        if (r == 0) {
                f->session = true;
                report_renewal(f, sent_ns);
        }
        return fleet_session_settle(f, r, sent_ns);
}

/* The session has ended and nobody has taken the workers: the record is still ours. */
static int revive_session(struct fleet *f) {
        int r = fleet_session_begin(f);

        if (r < 0)
                return r;
        fleet_session_next_life(f);
        r = take_renewal(f, commit_host(f, true), f->begun_ns);
        if (r == 0)
                log_event(EVENT_LEASE_REVIVED, "the lease continues in a new session: "
                          "no other host has taken the worker IDs");
        return r;
}

static int keep_session(struct fleet *f) {
        int64_t sent_ns = fleet_boot_ns(f);
        int r = f->parts.calls->session_keep(f->parts.coordinator, &f->ttl_ns);

        if (r == -ESTALE) {
                f->begun = false;
                fleet_session_expire(f, "the coordinator has ended the session");
                return -EAGAIN;
        }
        if (r < 0)
                return r;
        return take_renewal(f, commit_host(f, false), sent_ns);
}

static int renew_session(struct fleet *f) {
        if (f->session && fleet_boot_ns(f) >= fleet_session_deadline_ns(f))
                fleet_session_expire(f, "the coordinator confirmed no renewal in time");
        return f->session ? keep_session(f) : revive_session(f);
}

/* -EAGAIN: the record was read again, and another attempt makes sense. */
static int try_renewal(struct fleet *f) {
        int r = f->uncertain ? fleet_renew_reread(f) : 0;

        if (r < 0)
                return r;
        r = fleet_brake_tell_horizon(f);
        if (r == 0)
                r = renew_session(f);
        if (r != -EAGAIN)
                return r;
        r = fleet_renew_reread(f);
        return r < 0 ? r : -EAGAIN;
}

int fleet_renew(struct fleet *f, uint64_t fence_tick) {
        int r = -EAGAIN;

        if (f->lost)
                return -ESTALE;
        if (fence_tick > f->record.fence_tick)
                f->record.fence_tick = fence_tick;
        f->record.renewals++; /* no two attempts write the same text */
        for (int i = 0; i < 3 && r == -EAGAIN; i++)
                r = try_renewal(f);
        if (r < 0)
                fleet_count(&f->parts.counters->failures);
        return r;
}

/* ---- releasing */

static int commit_release(struct fleet *f) {
        struct fleet_commit d = { .space = &f->parts.space };

        fleet_commit_record(&d, &f->record, f->modified);
        fleet_commit_delete(&d, fleet_commit_key(&d, "alive", f->record.life));
        return fleet_commit_send(&d, f->parts.calls, f->parts.coordinator);
}

/* Whatever the answer was, the record decides. */
static int release_record(struct fleet *f, uint64_t fence_tick) {
        int r;

        f->record.fence_tick = fence_tick > f->record.grown_tick ? fence_tick :
                                                                    f->record.grown_tick;
        f->record.released = true;
        if (f->record.renewals > 0) /* 0: it has never served; a claim relies on that */
                f->record.renewals++; /* a copy from before it is older */
        r = commit_release(f);
        if (r != -EAGAIN && !fleet_session_is_unknown(r))
                return r;
        f->late |= fleet_session_is_unknown(r);
        r = fleet_renew_reread(f);
        return r < 0 || f->record.released ? r : -EAGAIN;
}

int fleet_release(struct fleet *f, uint64_t fence_tick) {
        int r;

        if (f->lost)
                return 0; /* another host has the fence by now */
        r = f->uncertain ? fleet_renew_reread(f) : 0;
        if (r == 0)
                r = release_record(f, fence_tick);
        if (r == -EAGAIN)
                r = release_record(f, fence_tick);
        if (r == 0) {
                fleet_session_wrote(f, f->record.renewals, f->record.fence_tick);
                (void)f->parts.calls->session_end(f->parts.coordinator); /* expires anyway */
                log_event(WITH(EVENT_LEASE_RELEASED, FIELD(TICK, fence_tick)),
                          "the worker IDs are given back, with the "
                          "fence of tick %" PRIu64, fence_tick);
        }
        return r == -ESTALE ? 0 : r;
}
