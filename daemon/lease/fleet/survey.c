/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/survey.h"

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/fleet/internal.h"

#define RENEWALS 10u
#define HOSTS 1000u
#define SOON 4096u /* so few hosts may list the region when they start, even all at once */

void fleet_survey_count(struct fleet *f, const struct fleet_view *view) {
        struct fleet_census census = fleet_census(view, fleet_tick_now(f), fleet_recycle_ticks(f));
        struct lease_counters *counters = f->parts.counters;

        f->region_hosts = (uint32_t)view->n_owners;
        /* relaxed, all: numbers for display */
        atomic_store_explicit(&counters->held, census.held, memory_order_relaxed);
        atomic_store_explicit(&counters->resting, census.resting, memory_order_relaxed);
        atomic_store_explicit(&counters->refused, census.refused, memory_order_relaxed);
        atomic_store_explicit(&counters->free, census.free, memory_order_relaxed);
}

void fleet_survey_later(struct fleet *f, const struct fleet_view *view) {
        if (view->used_modified != 0)
                /* relaxed: a number for display */
                atomic_store_explicit(&f->parts.counters->free,
                                      view->end - worker_set_count(&view->used.workers),
                                      memory_order_relaxed);
        f->region_hosts = view->end / f->parts.count;
        f->until_survey = f->region_hosts <= SOON ? 1 : 0;
}

static uint32_t pause_of(const struct fleet *f) {
        uint64_t hosts = f->region_hosts > HOSTS ? f->region_hosts : HOSTS;

        return (uint32_t)(RENEWALS * hosts * hosts / (HOSTS * HOSTS));
}

/* Hosts that were started together differ by their nonces. */
static uint32_t first_pause(const struct fleet *f) {
        uint32_t drawn = 0;

        for (size_t i = 0; i < 8; i++)
                drawn = drawn << 4 | (uint32_t)(f->record.nonce[i] & 15);
        return 1 + drawn % pause_of(f);
}

void fleet_survey_renewed(struct fleet *f) {
        struct fleet_view *view = NULL;

        if (f->until_survey == 0)
                f->until_survey = first_pause(f);
        if (--f->until_survey > 0)
                return;
        if (fleet_view_read_quietly(&view, f->parts.calls, f->parts.coordinator,
                                    &f->parts.space) == 0)
                fleet_survey_count(f, view);
        fleet_view_free(view);
        f->until_survey = pause_of(f);
}
