/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/hold.h"

void ledger_hold(struct ledger *ledger, const struct rectangle *r, uint32_t record,
                 uint32_t slot) {
        struct live_rectangle live = { .rectangle = *r, .record = record, .slot = slot };

        rectangle_set_insert(&ledger->live, &live);
        ledger->places[record].n_live++;
        if (r->t1 > ledger->last_promise)
                ledger->last_promise = r->t1;
}

void ledger_rest(struct ledger *ledger, uint32_t record) {
        const struct place *place = &ledger->places[record];

        if (!place->open && !place->awaits && place->n_live == 0)
                ledger->free_places[ledger->n_free++] = record;
}
