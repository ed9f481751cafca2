/* SPDX-License-Identifier: MIT */
#include "daemon/reserve/grants.h"

#include <errno.h>
#include <stdlib.h>

int allot_add(struct allot *allot, struct client *client) {
        if (allot->n_clients == allot->room) {
                size_t room = allot->room > 0 ? allot->room * 2 : 64;
                struct client **clients =
                        reallocarray(allot->clients, room, sizeof(struct client *));

                if (!clients)
                        return -ENOMEM;
                allot->clients = clients;
                allot->room = room;
        }
        allot->clients[allot->n_clients++] = client;
        allot->n_lanes += client->n_lanes;
        return 0;
}

bool allot_remove(struct allot *allot, const struct client *client) {
        for (size_t i = 0; i < allot->n_clients; i++) {
                if (allot->clients[i] != client)
                        continue;
                allot->clients[i] = allot->clients[--allot->n_clients];
                allot->n_lanes -= client->n_lanes;
                return true;
        }
        return false;
}

bool allot_newest(const struct allot *allot, const struct client_lane *lane, unsigned first,
                  unsigned *ret_slot, struct rectangle *ret) {
        bool found = false;

        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (!ledger_slot(allot->ledger, lane->entry, slot, &r) ||
                    (found && r.t1 <= ret->t1))
                        continue;
                found = true;
                *ret_slot = slot;
                *ret = r;
        }
        return found;
}

bool allot_at(const struct allot *allot, const struct client_lane *lane, unsigned first,
              uint64_t tick, struct rectangle *ret) {
        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (!ledger_slot(allot->ledger, lane->entry, slot, &r) || !rectangle_at(&r, tick))
                        continue;
                *ret = r;
                return true;
        }
        return false;
}

static uint32_t widest(const struct allot *allot, const struct client_lane *lane, unsigned first,
                       uint32_t width) {
        for (unsigned slot = first; slot < first + 2; slot++) {
                struct rectangle r;

                if (ledger_slot(allot->ledger, lane->entry, slot, &r) && r.width > width)
                        width = r.width;
        }
        return width;
}

uint32_t allot_standing(const struct allot *allot, const struct client_lane *lane) {
        return widest(allot, lane, SLOT_STANDING_A, lane->standing);
}

uint32_t allot_widest(const struct allot *allot, const struct client_lane *lane) {
        return widest(allot, lane, SLOT_ELASTIC_A, allot_standing(allot, lane));
}

uint64_t allot_limit(const struct allot *allot, const struct client *client, uint64_t t1) {
        uint64_t fence = ledger_fence(allot->ledger), last;

        if (__builtin_add_overflow(client_grants(client)->base_tick, CURSOR_TICK_MAX, &last))
                last = UINT64_MAX;
        t1 = t1 < fence ? t1 : fence;
        return t1 < last ? t1 : last;
}

int allot_grant(struct allot *allot, struct client *client, struct client_lane *lane,
                unsigned first, struct rectangle r) {
        struct rectangle old;
        unsigned slot = first;
        int result;

        r.t1 = allot_limit(allot, client, r.t1);
        if (r.t1 <= r.t0)
                return -ERANGE;
        if (ledger_slot(allot->ledger, lane->entry, slot, &old) &&
            ledger_slot(allot->ledger, lane->entry, ++slot, &old))
                return -EBUSY;
        result = ledger_grant(allot->ledger, lane->entry, slot, &r);
        if (result < 0)
                return result;
        allot->grants++;
        if (allot->wake)
                allot->wake(client);
        return 0;
}

int allot_extend(struct allot *allot, struct client *client, struct client_lane *lane,
                 unsigned slot, uint64_t t1) {
        struct rectangle held;
        int result;

        t1 = allot_limit(allot, client, t1);
        if (!ledger_slot(allot->ledger, lane->entry, slot, &held) || t1 <= held.t1)
                return -ERANGE;
        result = ledger_extend(allot->ledger, lane->entry, slot, t1);
        if (result == 0)
                allot->extensions++;
        return result;
}
