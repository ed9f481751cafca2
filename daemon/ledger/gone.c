/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/gone.h"

#include "daemon/ledger/internal.h"

/* Nobody's: an earlier daemon's client had it. */
static bool orphaned(const struct place *place) {
        return !place->open && !place->awaits && !place->left && !place->succeeded &&
               place->n_live > 0;
}

uint32_t ledger_records(const struct ledger *ledger, uint32_t *ret_gone) {
        *ret_gone = ledger->segment->capacity - ledger->n_free - ledger->n_open;
        return ledger->segment->capacity;
}

static void add(struct ledger_held *sum, const struct live_rectangle *live, bool left,
                bool first) {
        sum->lanes += first;
        sum->positions += live->rectangle.width;
        sum->standing += left ? live->rectangle.width : first;
}

static bool counts(const struct place *place, const struct ledger_lane *record,
                   struct ledger_owner owner) {
        return place->left || (orphaned(place) && (owner.pid == 0 || record->pid != owner.pid ||
                                                   record->uid != owner.uid));
}

struct ledger_gone ledger_gone(struct ledger *ledger, struct ledger_owner owner, uint64_t tick) {
        struct ledger_gone sums = { .all = { .lanes = 0 } };
        uint32_t gone;

        ledger->n_counts++;
        (void)ledger_records(ledger, &gone);
        for (size_t i = 0; gone > 0 && i < ledger->live.n; i++) {
                const struct live_rectangle *live = &ledger->live.entries[i];
                const struct ledger_lane *record = &ledger->segment->lanes[live->record];
                struct place *place = &ledger->places[live->record];
                bool first = place->counted != ledger->n_counts;

                if (live->rectangle.t1 <= tick || !counts(place, record, owner))
                        continue;
                place->counted = ledger->n_counts;
                add(&sums.all, live, place->left, first);
                if (record->uid != owner.uid)
                        continue;
                add(&sums.uid, live, place->left, first);
                if (record->cgroup == owner.cgroup)
                        add(&sums.cgroup, live, place->left, first);
        }
        return sums;
}

void ledger_succeed(struct ledger *ledger, uint32_t uid, uint32_t pid) {
        /* all records are looked at for each lane: not but when there can be one */
        if (ledger->now >= ledger->adopted_end)
                return;
        for (uint32_t i = 0; i < ledger->segment->capacity; i++) {
                struct place *place = &ledger->places[i];

                if (!orphaned(place) || ledger->segment->lanes[i].uid != uid ||
                    ledger->segment->lanes[i].pid != pid)
                        continue;
                place->succeeded = true;
                return;
        }
}
