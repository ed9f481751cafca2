/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/tell.h"

#include <string.h>

#include "daemon/ledger/internal.h"

#define RECORDS_AT_ONCE 512u /* that hold something */

void ledger_set_history(struct ledger *ledger, struct history *history) {
        ledger->history = history;
}

static void write_event(const struct ledger *ledger, struct history_event event) {
        if (ledger->history == NULL)
                return;
        ledger->history->tick = ledger->now;
        history_write(ledger->history, event);
}

void ledger_tell_held(const struct ledger *ledger, uint32_t record, unsigned slot,
                      const struct rectangle *r) {
        const struct ledger_lane *lane = &ledger->segment->lanes[record];

        if (ledger->history == NULL)
                return;
        ledger->history->tick = ledger->now;
        history_held(ledger->history, record, slot,
                     /* relaxed: this thread stores it */
                     atomic_load_explicit(&lane->client, memory_order_relaxed), lane->lane, r);
        /* before the stores that follow, as all of rule 4 */
        ledger_store_in_order();
}

static struct history_event event_of(const struct ledger *ledger, enum history_kind kind) {
        return (struct history_event){ .kind = (uint16_t)kind,
                                       .daemon = { .start = ledger->run.start,
                                                   .width = ledger->run.width } };
}

void ledger_tell_start(const struct ledger *ledger, bool adopted, uint64_t unknown_tick,
                       uint32_t pid, uint32_t generation) {
        struct history_event event = event_of(ledger, HISTORY_START);
        bool damaged = false;

        event.slot = adopted ? HISTORY_ADOPTED : 0;
        event.daemon.t1 = unknown_tick;
        event.daemon.pid = pid;
        event.daemon.generation = generation;
        memcpy(&event.client, ledger->segment->lineage, sizeof(event.client));
        write_event(ledger, event);
        for (uint32_t i = 0; i < ledger->segment->capacity; i++)
                damaged |= ledger->places[i].damaged;
        event = event_of(ledger, HISTORY_DAMAGED);
        event.daemon.t1 = ledger->adopted_end;
        if (damaged)
                write_event(ledger, event);
}

void ledger_tell_round(struct ledger *ledger) {
        ledger->told = 0;
        write_event(ledger, event_of(ledger, HISTORY_ROUND));
}

static void tell_record(const struct ledger *ledger, uint32_t record) {
        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++) {
                struct rectangle r;

                if (slot_read(&ledger->segment->lanes[record].slots[slot], &r) && r.width > 0 &&
                    r.t1 > ledger->now)
                        ledger_tell_held(ledger, record, slot, &r);
        }
}

bool ledger_tell_more(struct ledger *ledger) {
        uint32_t n = 0;

        for (; ledger->told < ledger->segment->capacity && n < RECORDS_AT_ONCE; ledger->told++) {
                const struct place *place = &ledger->places[ledger->told];

                if (place->n_live == 0 || place->damaged)
                        continue;
                tell_record(ledger, ledger->told);
                n++;
        }
        return ledger->told < ledger->segment->capacity;
}

void ledger_tell_round_end(const struct ledger *ledger) {
        write_event(ledger, event_of(ledger, HISTORY_ROUND_END));
}
