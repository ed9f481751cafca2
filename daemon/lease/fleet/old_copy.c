/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/old_copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

static int refuse_other(const struct fleet *f, const struct fleet_view *view) {
        return log_failure(ENOENT, EVENT_COORDINATOR_OTHER, "this host had worker IDs of another "
                           "coordinator or prefix, with the ID space %s; here it is %s: hosts that "
                           "still have worker IDs from there would issue the same IDs. Correct the "
                           "address and the prefix in the configuration; or move all hosts together: "
                           "stop all, wait for workers.horizon, and begin with an empty "
                           "daemon.state_dir each",
                           f->parts.memory.space, view->contract.space);
}

static int refuse_empty(void) {
        return log_failure(ENOENT, EVENT_COORDINATOR_LOST,
                           "the coordinator has no key contract, but "
                           "this host had worker IDs from it: it was emptied, or is another one. "
                           "Correct its address and prefix in the configuration; or, as the "
                           "daemon's user on one host, say 'sfshm workers --begin --above TIME' "
                           "with a time that no ID has passed, now plus workers.horizon: all "
                           "hosts continue then. See KEYS.md, Repairing");
}

static int refuse_old(const char *what, uint64_t found, uint64_t remembered) {
        return log_failure(EBADMSG, EVENT_COORDINATOR_OLD,
                           "the coordinator was put back to an old copy: "
                           "%s: %" PRIu64 " there, %" PRIu64 " before. Worker IDs that "
                           "were given away since would be given away twice. As the daemon's user "
                           "on one host, say 'sfshm workers --begin --above TIME' with a time that "
                           "no ID has passed, now plus workers.horizon: all hosts continue then. "
                           "See KEYS.md, Repairing", what, found, remembered);
}

int fleet_check_contract(const struct fleet *f, const struct fleet_view *view) {
        const struct fleet_memory *memory = &f->parts.memory;
        uint64_t recovered = (uint64_t)view->contract.recovered_unix_ms;

        if (memory->nonce[0] == '\0')
                return fleet_view_begun(view);
        if (view->contract_modified == 0)
                return refuse_empty();
        if (memory->space[0] != '\0' && strcmp(view->contract.space, memory->space) != 0)
                return refuse_other(f, view);
        return recovered < memory->recovered_unix_ms
                       ? refuse_old("contract's recovered_unix_ms", recovered,
                                    memory->recovered_unix_ms)
                       : 0;
}

/* Of two keys that were read one after the other: a brake may have come in between. */
static int refuse_if_still(const struct fleet *f, const struct fleet_view *view, const char *what,
                           uint64_t found, uint64_t remembered) {
        const struct fleet_parts *p = &f->parts;
        struct fleet_view *again = NULL;
        int r = fleet_view_contract(&again, p->calls, p->coordinator, &p->space);

        if (r == 0 && again->contract_modified != view->contract_modified)
                r = -EAGAIN;
        fleet_view_free(again);
        return r < 0 ? r : refuse_old(what, found, remembered);
}

static int check_own(const struct fleet *f, const struct fleet_view *view,
                     const struct record_brief *record) {
        const struct fleet_memory *memory = &f->parts.memory;
        uint64_t since = (uint64_t)record->since_unix_ms;

        if (!fleet_is_behind(record, (int64_t)memory->since_unix_ms, memory->renewals))
                return 0;
        if (since < memory->since_unix_ms)
                return refuse_if_still(f, view, "the since_unix_ms of this host", since,
                                       memory->since_unix_ms);
        return refuse_if_still(f, view, "the number of renewals of this host", record->renewals,
                               memory->renewals);
}

bool fleet_is_behind(const struct record_brief *record, int64_t since_unix_ms, uint64_t renewals) {
        return record->since_unix_ms < since_unix_ms ||
               (record->since_unix_ms == since_unix_ms && record->renewals < renewals);
}

int fleet_check_old_copy(const struct fleet *f, const struct fleet_view *view) {
        const struct fleet_memory *memory = &f->parts.memory;
        const struct fleet_owner *own;

        if ((uint64_t)view->contract.recovered_unix_ms > memory->recovered_unix_ms)
                return 0;
        if (view->used_modified != 0 && view->used.claims < memory->claims)
                return refuse_if_still(f, view, "claims of the region", view->used.claims,
                                       memory->claims);
        own = fleet_view_host(view, memory->nonce);
        return own == NULL ? 0 : check_own(f, view, own->record);
}

int fleet_check_running(struct fleet *f, const struct fleet_view *view) {
        bool is_gone = view->contract_modified == 0;
        bool is_other = !is_gone && strcmp(view->contract.space, f->contract.space) != 0;
        int trouble = is_gone ? ENOENT : is_other ? ENODEV : 0;
        bool told = trouble == f->trouble;

        f->trouble = trouble;
        if (trouble == 0 || told)
                return trouble == 0 ? 0 : -ENOENT;
        return log_failure(ENOENT, is_gone ? EVENT_COORDINATOR_LOST : EVENT_COORDINATOR_OTHER,
                           "the coordinator has %s%s, and this host has worker IDs of the space "
                           "%s: it was emptied, or is another one. IDs continue up to the fence, "
                           "and nothing is written there. Correct its address; or, as the daemon's "
                           "user on one host, say 'sfshm workers --begin --above TIME' with a time "
                           "that no ID has passed, now plus workers.horizon. See KEYS.md, "
                           "Repairing", is_gone ? "no key contract" : "the space ",
                           is_gone ? "" : view->contract.space, f->contract.space);
}

void fleet_know_contract(struct fleet *f, const struct fleet_view *view) {
        if (view->contract.recovered_unix_ms != f->contract.recovered_unix_ms)
                f->claims = 0; /* they are counted from the copy on */
        f->contract = view->contract;
        f->contract_modified = view->contract_modified;
}

int64_t fleet_confirmed_unix_ms(const struct fleet *f) {
        int64_t ms = fleet_unix_ms(f) - (fleet_boot_ns(f) - f->sent_ns) / NS_PER_MS;

        return ms > 0 ? ms : 1;
}

void fleet_remember(const struct fleet *f, struct fleet_memory *ret) {
        *ret = (struct fleet_memory){
                .since_unix_ms = (uint64_t)f->written_since,
                .renewals = f->written_renewals,
                .fence_tick = f->written_fence,
                .confirmed_unix_ms = (uint64_t)fleet_confirmed_unix_ms(f),
                .claimed_unix_ms = (uint64_t)f->claimed_unix_ms,
                .recovered_unix_ms = (uint64_t)f->contract.recovered_unix_ms,
                .claims = f->claims,
        };
        memcpy(ret->space, f->contract.space, RECORD_HEX);
        memcpy(ret->boot_id, f->parts.who.boot_id, RECORD_HEX);
        memcpy(ret->directory, f->parts.who.directory, sizeof(ret->directory));
        ret->region = f->parts.space.region;
        ret->first = worker_set_next(&f->record.workers, 0);
        ret->count = fleet_run(f, &ret->grown_tick);
        memcpy(ret->nonce, f->record.nonce, RECORD_HEX);
        if (f->lost && !f->doubted)
                fleet_memory_forget_record(ret);
}
