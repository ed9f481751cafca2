/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/take.h"

#include <errno.h>
#include <string.h>

#include "daemon/lease/fleet/brake.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/resize.h"

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

/* Was the space recovered from an old copy since a daemon of this host knew it last? */
static bool is_recovered(const struct fleet *f, const struct fleet_view *view) {
        return (uint64_t)view->contract.recovered_unix_ms > f->parts.memory.recovered_unix_ms;
}

/* Nobody may claim them before their fence has passed, so nobody has, whatever copies were put
 * back; but who claimed them from a copy may be there beside another one. What is remembered may
 * be too low where it could not be written; the shared memory of this boot knows better. */
static bool were_ours(const struct fleet *f, const struct fleet_view *view,
                      const struct fleet_owner *own) {
        const struct fleet_memory *memory = &f->parts.memory;

        return own != NULL && strcmp(own->record->nonce, memory->nonce) == 0 &&
               strcmp(memory->boot_id, f->parts.who.boot_id) == 0 && !f->parts.forgetful &&
               memory->fence_tick >= fleet_tick_now(f) &&
               (!is_recovered(f, view) ||
                fleet_is_behind(own->record, (int64_t)memory->since_unix_ms, memory->renewals) ||
                !fleet_brake_doubts(&view->contract, (int64_t)memory->claimed_unix_ms));
}

/* What later starts hold against the coordinator. */
static void know_claim(struct fleet *f, const struct fleet_view *view,
                       const struct fleet_owner *own) {
        const struct fleet_memory *memory = &f->parts.memory;

        if (own == NULL)
                f->claims = view->used.claims + 1;
        else
                f->claims = is_recovered(f, view) ? 0 : memory->claims;
        fleet_session_claimed(f);
        if (were_ours(f, view, own))
                f->claimed_unix_ms = (int64_t)memory->claimed_unix_ms;
}

int fleet_take(struct fleet *f, const struct fleet_view *view, const struct fleet_owner *own,
               const struct worker_set *taken, uint64_t fence_tick) {
        struct fleet_commit d = { .space = &f->parts.space };
        struct record_host *record = &f->record;
        bool recovered = is_recovered(f, view) && !were_ours(f, view, own);
        int r = claim_session(f);

        if (r < 0)
                return r;
        if (own != NULL)
                memcpy(record->nonce, own->record->nonce, RECORD_HEX);
        record->workers = *taken;
        record->fence_tick = later(fence_tick, f->parts.floor_tick);
        if (own == NULL || recovered)
                record->fence_tick = later(record->fence_tick, view->contract.not_before_tick);
        if (own != NULL) /* an old copy's, from which the operator has recovered, may be lower */
                record->fence_tick = later(record->fence_tick, f->parts.memory.fence_tick);
        record->grown_tick = own != NULL ? own->record->grown_tick : 0;
        record->released = false;
        /* has this boot had the worker IDs since its shared memory was written? A record that was
         * never renewed may be that of a daemon which did not get that far; and where an old copy
         * was put back since, the claims may be missing that came after it */
        f->others = own == NULL || own->record->renewals == 0 || recovered ||
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
        fleet_know_contract(f, view);
        f->contract_modified = fleet_commit_modified(&d, "contract", f->contract_modified);
        fleet_session_prolong(f, f->begun_ns);
        know_claim(f, view, own);
        return 0;
}
