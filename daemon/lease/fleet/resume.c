/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"

/* Of this boot, this directory and this configuration, and the ledger that knows what clients
 * hold is there. `anew`: the coordinator has said that they are not ours any more. */
static bool is_usable(const struct fleet *f) {
        const struct fleet_memory *memory = &f->parts.memory;
        const struct record_identity *who = &f->parts.who;

        return memory->count > 0 && memory->region == f->parts.space.region &&
               strcmp(memory->boot_id, who->boot_id) == 0 &&
               strcmp(memory->directory, who->directory) == 0 && !f->parts.forgetful &&
               f->parts.floor_tick == 0 && !f->anew && memory->fence_tick > fleet_tick_now(f);
}

static void take_record(struct fleet *f) {
        const struct fleet_memory *memory = &f->parts.memory;
        struct record_host *record = &f->record;

        memcpy(record->nonce, memory->nonce, RECORD_HEX);
        record->workers = (struct worker_set){ .bits = { 0 } };
        for (uint32_t w = 0; w < memory->count && w < fleet_max_count(f); w++)
                worker_set_add(&record->workers, memory->first + w);
        record->fence_tick = f->written_fence = memory->fence_tick;
        record->grown_tick = memory->grown_tick;
        f->begun = f->session = false;
}

int fleet_resume(struct fleet *f, struct lease_grant *ret) {
        const struct id_layout *layout = &f->parts.space.layout;
        char time[FENCE_TIME_SIZE];

        if (!is_usable(f))
                return -ENOENT;
        take_record(f);
        *ret = (struct lease_grant){
                .worker_first = (f->parts.space.region
                                 << (layout->worker_bits - layout->region_bits)) |
                                f->parts.memory.first,
                .worker_count = worker_set_count(&f->record.workers),
                .fence_tick = f->record.fence_tick,
                .fence_of_run = true,
                .above_tick = f->record.grown_tick,
        };
        log_event(LOG_LEVEL_WARNING, "lease-resumed", "the coordinator does not answer: this host "
                  "goes on with the %" PRIu32 " worker IDs from %" PRIu32 " that it had, up to the "
                  "fence that it remembers, of tick %" PRIu64 " (%s)", ret->worker_count,
                  ret->worker_first, ret->fence_tick, fence_time(layout, ret->fence_tick, time));
        return 0;
}
