/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/history.h"

/* The loop is late by a few ms at times. */
#define SOONEST_NS (HISTORY_INTERVAL_NS * 9 / 10)

static void push(struct history *history, int64_t from_ns, int64_t to_ns) {
        unsigned at = (history->first + history->n) % HISTORY_ENTRIES;

        history->entries[at] = (struct history_entry){ from_ns, to_ns, history->rates.ids,
                                                       history->rates.overflows };
        if (history->n < HISTORY_ENTRIES)
                history->n++;
        else
                history->first = (history->first + 1) % HISTORY_ENTRIES;
}

void history_add(struct history *history, const struct sample *sample) {
        if (history->has_last && sample->boot_ns - history->last.boot_ns < SOONEST_NS)
                return;
        history->rates.known = false;
        if (history->has_last) {
                rates_between(&history->last, sample, &history->rates);
                if (history->rates.known)
                        push(history, history->last.boot_ns, sample->boot_ns);
        }
        history->has_last = true;
        history->last = *sample;
        history->last.statistics.clients = NULL;
}

const struct history_entry *history_at(const struct history *history, unsigned index) {
        return &history->entries[(history->first + index) % HISTORY_ENTRIES];
}
