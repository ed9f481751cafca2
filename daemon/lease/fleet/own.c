/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/own.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/util/log.h"

const struct fleet_owner *fleet_own(const struct fleet *f, const struct fleet_view *view) {
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

struct worker_set fleet_own_run(const struct fleet *f, const struct fleet_view *view,
                                const struct fleet_owner *owner) {
        struct worker_set run = { .bits = { 0 } };
        uint32_t first = owner->record->first, most = fleet_max_count(f);

        for (uint32_t w = first; w - first < most && w < view->end &&
                                 view->of_worker[w] == (int32_t)(owner - view->owners); w++)
                worker_set_add(&run, w);
        return run;
}

int fleet_own_refuse_later(const struct fleet *f) {
        return log_failure(EPROTO, WITH(EVENT_COORDINATOR_VERSION,
                                        FIELD(REGION, f->parts.space.region)),
                           "the coordinator's key region/%" PRIu32
                           "/host/%s, this host's own, is of a later version of sfshmd: run that "
                           "version, or give this host an empty daemon.state_dir: it then takes "
                           "other worker IDs", f->parts.space.region, f->parts.memory.nonce);
}
