/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/grants.h"

#include <errno.h>
#include <stdlib.h>

int grants_add(struct grants *grants, struct client *client) {
        if (grants->n_clients == grants->room) {
                size_t room = grants->room > 0 ? grants->room * 2 : 64;
                struct client **clients =
                        reallocarray(grants->clients, room, sizeof(struct client *));

                if (!clients)
                        return -ENOMEM;
                grants->clients = clients;
                grants->room = room;
        }
        grants->clients[grants->n_clients++] = client;
        grants->n_lanes += client->n_lanes;
        return 0;
}

bool grants_remove(struct grants *grants, const struct client *client) {
        for (size_t i = 0; i < grants->n_clients; i++) {
                if (grants->clients[i] != client)
                        continue;
                grants->clients[i] = grants->clients[--grants->n_clients];
                grants->n_lanes -= client->n_lanes;
                return true;
        }
        return false;
}

bool grants_newest(const struct grants *grants, const struct client_lane *lane, unsigned first,
                   unsigned *ret_slot, struct rectangle *ret) {
        bool found = false;

        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (!ledger_slot(grants->ledger, lane->entry, slot, &r) ||
                    (found && r.t1 <= ret->t1))
                        continue;
                found = true;
                *ret_slot = slot;
                *ret = r;
        }
        return found;
}

bool grants_at(const struct grants *grants, const struct client_lane *lane, unsigned first,
               uint64_t tick, struct rectangle *ret) {
        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (!ledger_slot(grants->ledger, lane->entry, slot, &r) || !rectangle_at(&r, tick))
                        continue;
                *ret = r;
                return true;
        }
        return false;
}

static uint32_t widest(const struct grants *grants, const struct client_lane *lane, unsigned first,
                       uint32_t width) {
        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (ledger_slot(grants->ledger, lane->entry, slot, &r) && r.width > width)
                        width = r.width;
        }
        return width;
}

uint32_t grants_standing(const struct grants *grants, const struct client_lane *lane) {
        return widest(grants, lane, SLOT_STANDING_A, lane->standing);
}

uint32_t grants_widest(const struct grants *grants, const struct client_lane *lane) {
        return widest(grants, lane, SLOT_ELASTIC_A, grants_standing(grants, lane));
}

uint64_t grants_limit(const struct grants *grants, const struct client *client, uint64_t t1) {
        uint64_t fence = ledger_fence(grants->ledger), last;

        if (__builtin_add_overflow(client_grants(client)->base_tick, CURSOR_TICK_MAX, &last))
                last = UINT64_MAX;
        t1 = t1 < fence ? t1 : fence;
        return t1 < last ? t1 : last;
}

int grants_issue(struct grants *grants, struct client *client, struct client_lane *lane,
                 unsigned first, struct rectangle r) {
        struct rectangle old;
        unsigned slot = first;
        int result;

        r.t1 = grants_limit(grants, client, r.t1);
        if (r.t1 <= r.t0)
                return -ERANGE;
        if (ledger_slot(grants->ledger, lane->entry, slot, &old) &&
            ledger_slot(grants->ledger, lane->entry, ++slot, &old))
                return -EBUSY;
        result = ledger_grant(grants->ledger, lane->entry, slot, &r);
        if (result < 0)
                return result;
        grants->issued++;
        if (grants->wake)
                grants->wake(client);
        return 0;
}

int grants_extend(struct grants *grants, struct client *client, struct client_lane *lane,
                  unsigned slot, uint64_t t1) {
        struct rectangle held;
        int result;

        t1 = grants_limit(grants, client, t1);
        if (!ledger_slot(grants->ledger, lane->entry, slot, &held) || t1 <= held.t1)
                return -ERANGE;
        result = ledger_extend(grants->ledger, lane->entry, slot, t1);
        if (result == 0)
                grants->extensions++;
        return result;
}
