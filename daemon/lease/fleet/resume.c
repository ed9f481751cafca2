/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/resume.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/lease/fleet/brake.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/lease/fleet/own.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/fleet/take.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* ---- going on */

/* Of this boot, this directory and this configuration, and the ledger that knows what clients
 * hold is there. `anew`: the coordinator has said that they are not ours any more. */
bool fleet_can_resume(const struct fleet *f) {
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
        record->fence_tick = memory->fence_tick;
        record->grown_tick = memory->grown_tick;
        record->renewals = memory->renewals;
        fleet_session_next_life(f);
        f->begun = f->session = false;
}

/* As the daemon knew it that wrote the memory. */
static void take_knowledge(struct fleet *f) {
        const struct fleet_memory *memory = &f->parts.memory;
        uint64_t now_ms = (uint64_t)fleet_unix_ms(f), up_ms = (uint64_t)fleet_boot_ns(f) / NS_PER_MS;
        uint64_t ago_ms = now_ms - memory->confirmed_unix_ms; /* huge where it is later than now */

        memcpy(f->contract.space, memory->space, RECORD_HEX);
        f->contract.recovered_unix_ms = (int64_t)memory->recovered_unix_ms;
        f->claims = memory->claims;
        f->claimed_unix_ms = (int64_t)memory->claimed_unix_ms;
        f->written_since = (int64_t)memory->since_unix_ms;
        f->written_renewals = memory->renewals;
        f->written_fence = memory->fence_tick;
        if (ago_ms < up_ms)
                f->sent_ns = (int64_t)(up_ms - ago_ms) * NS_PER_MS;
}

int fleet_resume(struct fleet *f, struct lease_grant *ret) {
        const struct id_layout *layout = &f->parts.space.layout;
        char time[FENCE_TIME_SIZE];

        if (!fleet_can_resume(f))
                return -ENOENT;
        take_record(f);
        take_knowledge(f);
        *ret = (struct lease_grant){
                .worker_first = (f->parts.space.region
                                 << (layout->worker_bits - layout->region_bits)) |
                                f->parts.memory.first,
                .worker_count = worker_set_count(&f->record.workers),
                .fence_tick = f->record.fence_tick,
                .fence_of_run = true,
                .above_tick = f->record.grown_tick,
        };
        log_event(WITH(EVENT_LEASE_RESUMED, FIELD(WORKER, ret->worker_first),
                       FIELD(WORKER_COUNT, ret->worker_count), FIELD(TICK, ret->fence_tick),
                       FIELD(FENCE_UNIX_MS, layout->epoch_unix_ms + (int64_t)ret->fence_tick)),
                  "the coordinator does not answer: this host "
                  "goes on with the %" PRIu32 " worker IDs from %" PRIu32 " that it had, up to the "
                  "fence that it remembers, of tick %" PRIu64 " (%s)", ret->worker_count,
                  ret->worker_first, ret->fence_tick, fence_time(layout, ret->fence_tick, time));
        return 0;
}

/* ---- confirming it */

static bool has_all(const struct worker_set *set, const struct worker_set *part) {
        struct worker_set rest = *part;

        worker_set_subtract(&rest, set);
        return worker_set_count(&rest) == 0;
}

static int take_own(struct fleet *f, const struct fleet_view *view) {
        const struct fleet_owner *own = fleet_own(f, view);
        struct worker_set run;

        if (own == NULL)
                return fleet_session_lose(f, "another daemon has written their record while the "
                                             "coordinator was away");
        run = fleet_own_run(f, view, own);
        if (!has_all(&run, &f->record.workers))
                return fleet_session_lose(f, "another host has taken some of them while the "
                                             "coordinator was away");
        /* its fence is at or above the one that was remembered */
        return fleet_take(f, view, own, &run, own->record->fence_tick);
}

/* The contract, and our record. As a renewal looks at them; but the record is that of another
 * daemon of this host, and its session is not ours. */
static int confirm(struct fleet *f, const struct fleet_view *view) {
        int r = fleet_brake_gives_way(f, view);

        if (r < 0)
                return r;
        return fleet_brake_is_due(f, view) ? fleet_brake(f, view) : take_own(f, view);
}

static int try_to_confirm(struct fleet *f) {
        struct fleet_view *view = NULL;
        int r = fleet_renew_look(f, &view);

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
