/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/old_copy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/resize.h"
#include "daemon/util/log.h"

static int refuse_other(const struct fleet *f, const struct fleet_view *view) {
        return log_failure(ENOENT, "coordinator-other", "this host had worker IDs of another "
                           "coordinator or prefix, with the ID space %s; here it is %s: hosts that "
                           "still have worker IDs from there would issue the same IDs. Correct the "
                           "address and the prefix in the configuration; or move all hosts together: "
                           "stop all, wait for workers.horizon, and begin with an empty "
                           "daemon.state_dir each",
                           f->parts.memory.space, view->contract.space);
}

static int refuse_empty(void) {
        return log_failure(ENOENT, "coordinator-lost", "the coordinator has no key contract, but "
                           "this host had worker IDs from it: it was emptied, or is another one. "
                           "Correct its address and prefix in the configuration; or, as the "
                           "daemon's user on one host, say 'sfshm workers --begin --above TIME' "
                           "with a time that no ID has passed, now plus workers.horizon: all "
                           "hosts continue then. See KEYS.md, Repairing");
}

static int refuse_old(const char *what, uint64_t found, uint64_t remembered) {
        return log_failure(EBADMSG, "coordinator-old", "the coordinator was put back to an old copy: "
                           "%s is %" PRIu64 " there, and was %" PRIu64 " already. Worker IDs that "
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

/* Each daemon of a state directory says a later `since`, and counts its writes in `renewals`. The
 * fence does not tell: a release, which the copy may lack, lowers it. */
static int check_own(const struct fleet_memory *memory, const struct record_brief *record) {
        uint64_t since = (uint64_t)record->since_unix_ms;

        if (since < memory->since_unix_ms)
                return refuse_old("the since_unix_ms of this host", since, memory->since_unix_ms);
        if (since == memory->since_unix_ms && record->renewals < memory->renewals)
                return refuse_old("the number of renewals of this host", record->renewals,
                                  memory->renewals);
        return 0;
}

int fleet_check_old_copy(const struct fleet *f, const struct fleet_view *view) {
        const struct fleet_memory *memory = &f->parts.memory;

        if ((uint64_t)view->contract.recovered_unix_ms > memory->recovered_unix_ms)
                return 0;
        if (view->used_modified != 0 && view->used.claims < memory->claims)
                return refuse_old("claims of the region", view->used.claims, memory->claims);
        for (size_t i = 0; i < view->n_owners; i++)
                if (strcmp(view->owners[i].record->nonce, memory->nonce) == 0)
                        return check_own(memory, view->owners[i].record);
        return 0;
}

void fleet_remember(const struct fleet *f, struct fleet_memory *ret) {
        *ret = (struct fleet_memory){
                .since_unix_ms = (uint64_t)f->record.since_unix_ms,
                .renewals = f->written_renewals,
                .fence_tick = f->written_fence,
                .recovered_unix_ms = f->recovered_unix_ms,
                .claims = f->claims,
        };
        memcpy(ret->space, f->space, RECORD_HEX);
        memcpy(ret->boot_id, f->parts.who.boot_id, RECORD_HEX);
        memcpy(ret->directory, f->parts.who.directory, sizeof(ret->directory));
        ret->region = f->parts.space.region;
        ret->first = worker_set_next(&f->record.workers, 0);
        ret->count = fleet_run(f, &ret->grown_tick);
        memcpy(ret->nonce, f->record.nonce, RECORD_HEX);
        if (f->lost)
                fleet_memory_forget_record(ret);
}
