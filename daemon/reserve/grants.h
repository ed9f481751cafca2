/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What standing and elastic reservations have in common: the clients, the run, and how far
 * ahead they may reach. Each kind uses two slots of a lane in turn; `first` is the lower
 * one.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/client/client.h"
#include "daemon/ledger/ledger.h"

struct grants {
        struct ledger *ledger;
        uint64_t now;         /* tick */
        uint64_t planned_end; /* the latest end of an elastic reservation */
        struct client **clients;
        size_t n_clients, room;
        uint32_t n_lanes; /* of all clients */
        void (*wake)(struct client *client);
        uint64_t issued, extensions;
};

static inline uint32_t grants_run_width(const struct grants *grants) {
        return ledger_run(grants->ledger).width;
}

int grants_add(struct grants *grants, struct client *client); /* 0 or -ENOMEM */
bool grants_remove(struct grants *grants, const struct client *client);

/* The live grant of the pair that ends last; false if there is none. */
bool grants_newest(const struct grants *grants, const struct client_lane *lane, unsigned first,
                   unsigned *ret_slot, struct rectangle *ret);
/* The grant of the pair that holds at `tick`. */
bool grants_at(const struct grants *grants, const struct client_lane *lane, unsigned first,
               uint64_t tick, struct rectangle *ret);

/* The widest standing reservation of the lane that is live or asked for, and the widest of
 * any kind. */
uint32_t grants_standing(const struct grants *grants, const struct client_lane *lane);
uint32_t grants_widest(const struct grants *grants, const struct client_lane *lane);

/* `t1`, limited to the fence (U3) and to what the client's cursors can count. */
uint64_t grants_limit(const struct grants *grants, const struct client *client, uint64_t t1);

/* Both limit t1; -ERANGE if nothing is left. -EBUSY: the pair has no free slot, or the
 * positions are not free. */
int grants_issue(struct grants *grants, struct client *client, struct client_lane *lane,
                 unsigned first, struct rectangle r);
int grants_extend(struct grants *grants, struct client *client, struct client_lane *lane,
                  unsigned slot, uint64_t t1);
