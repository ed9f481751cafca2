/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/fleet/internal.h"

#define RENEWALS 10u
#define HOSTS 1000u
#define SOON 256u /* so few hosts may list the region when they start, even all at once */

/* relaxed, all: numbers for display */
static void publish(struct fleet *f, const struct fleet_census *census, size_t hosts) {
        struct lease_counters *counters = f->parts.counters;

        f->region_hosts = (uint32_t)hosts;
        atomic_store_explicit(&counters->held, census->held, memory_order_relaxed);
        atomic_store_explicit(&counters->resting, census->resting, memory_order_relaxed);
        atomic_store_explicit(&counters->refused, census->refused, memory_order_relaxed);
        atomic_store_explicit(&counters->free, census->free, memory_order_relaxed);
}

void fleet_survey_count(struct fleet *f, const struct fleet_view *view) {
        struct fleet_census census = fleet_census(view, fleet_tick_now(f), fleet_recycle_ticks(f));

        publish(f, &census, view->n_owners);
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

/* No more hosts than worker IDs that were ever used. */
static void guess_hosts(struct fleet *f, const struct worker_set *used) {
        uint32_t n = worker_set_count(used), end = record_region_end(&f->parts.space.layout);

        /* relaxed: a number for display */
        atomic_store_explicit(&f->parts.counters->free, end - n, memory_order_relaxed);
        f->region_hosts = n + 1; /* or we ourselves */
        f->until_survey = n <= SOON ? 1 : first_pause(f);
}

void fleet_survey_later(struct fleet *f, const struct fleet_view *view) {
        f->region_hosts = f->until_survey = 0;
        if (view->used_modified != 0)
                guess_hosts(f, &view->used.workers);
}

/* ---- reading it anew */

/* Not a view: its records have 8 KiB each, in all daemons. One record after the other. */
struct look {
        const struct coordinator_list *list;
        struct record_host record;
        struct record_used used;
        enum state { FREE, HELD, RESTING, REFUSED } state[WORKER_SET_MAX];
        struct worker_set known; /* in a record */
        size_t hosts;
};

static enum state state_of(const struct fleet *f, const struct look *look) {
        char key[FLEET_KEY_MAX];
        uint64_t free_tick = fleet_free_tick(look->record.fence_tick, look->record.freed,
                                             fleet_recycle_ticks(f));

        if (coordinator_find(look->list, fleet_key(key, f->parts.space.region, "alive",
                                                   look->record.life)) != NULL)
                return HELD;
        return fleet_tick_now(f) >= free_tick ? FREE : RESTING;
}

static void take_record(const struct fleet *f, struct look *look) {
        const struct worker_set *workers = &look->record.workers;
        enum state state = state_of(f, look);

        look->hosts++;
        for (uint32_t w = worker_set_next(workers, 0); w < WORKER_SET_MAX;
             w = worker_set_next(workers, w + 1)) {
                look->state[w] = worker_set_has(&look->known, w) ? REFUSED : state;
                worker_set_add(&look->known, w);
        }
}

static int take_list(const struct fleet *f, struct look *look) {
        const struct fleet_space *space = &f->parts.space;
        char key[FLEET_KEY_MAX];
        const struct coordinator_item *item =
                coordinator_find(look->list, fleet_key(key, space->region, "used", ""));
        size_t length = strlen(fleet_key(key, space->region, "host/", ""));
        int r = item == NULL ? -ENOENT :
                record_used_parse(item->value, record_region_end(&space->layout), &look->used);

        for (size_t i = 0; r == 0 && i < look->list->n; i++) {
                item = &look->list->items[i];
                if (strncmp(item->key, key, length) == 0 &&
                    record_host_parse(item->value, &space->layout, item->key + length,
                                      &look->record) == 0)
                        take_record(f, look);
        }
        return r;
}

static void count(struct fleet *f, const struct look *look) {
        uint32_t n[REFUSED + 1] = { 0 }, end = record_region_end(&f->parts.space.layout);
        struct fleet_census census;

        for (uint32_t w = 0; w < end; w++)
                n[worker_set_has(&look->used.workers, w) && !worker_set_has(&look->known, w) ?
                          REFUSED : look->state[w]]++;
        census = (struct fleet_census){ .held = n[HELD], .resting = n[RESTING],
                                        .refused = n[REFUSED], .free = n[FREE] };
        publish(f, &census, look->hosts);
}

static void read_region(struct fleet *f) {
        struct coordinator_list list = { .n = 0 };
        struct look *look = calloc(1, sizeof(*look));
        char prefix[FLEET_KEY_MAX];

        if (look == NULL)
                return;
        look->list = &list;
        if (f->parts.calls->list(f->parts.coordinator,
                                 fleet_key(prefix, f->parts.space.region, "", ""), &list) == 0 &&
            take_list(f, look) == 0)
                count(f, look);
        coordinator_list_clear(&list);
        free(look);
}

static void read_used(struct fleet *f) {
        struct coordinator_list list = { .n = 0 };
        const struct coordinator_item *item;
        struct record_used used;
        char key[FLEET_KEY_MAX];

        if (f->parts.calls->list(f->parts.coordinator,
                                 fleet_key(key, f->parts.space.region, "used", ""), &list) < 0)
                return;
        item = coordinator_find(&list, key);
        if (item != NULL && record_used_parse(item->value,
                                              record_region_end(&f->parts.space.layout), &used) == 0)
                guess_hosts(f, &used.workers);
        coordinator_list_clear(&list);
}

void fleet_survey_renewed(struct fleet *f) {
        if (f->region_hosts == 0)
                read_used(f);
        if (f->region_hosts == 0)
                return; /* until it can be read */
        if (f->until_survey == 0)
                f->until_survey = first_pause(f);
        if (--f->until_survey > 0)
                return;
        read_region(f);
        f->until_survey = pause_of(f);
}
