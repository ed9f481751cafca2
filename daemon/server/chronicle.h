/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The history of this daemon: tells the clients, and every ten seconds all clients and all
 * that is live, so that a reader that lost events knows everything again. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/ledger/history.h"
#include "daemon/ledger/ledger.h"
#include "daemon/segment/segment.h"
#include "daemon/server/clients.h"

struct chronicle {
        struct segment segment;
        struct history history;
        struct ledger *ledger;
        struct clients *clients;
        bool in_round;
        uint32_t round;    /* its number */
        uint64_t due_tick; /* of the next */
        uint64_t now_tick; /* told last */
};

/* Opens the segment and tells that a daemon begins; the first round comes at once.
 * `unknown_tick` as for ledger_tell_start(). Before anything is granted. */
void chronicle_start(struct chronicle *chronicle, const struct config *config,
                     struct ledger *ledger, struct clients *clients, bool adopted,
                     uint64_t unknown_tick, uint32_t generation);
void chronicle_stop(struct chronicle *chronicle);
/* That nothing else has changed up to now: also when the daemon stops. */
void chronicle_tell_now(struct chronicle *chronicle, uint64_t now_tick);
/* A round of the event loop. Wakes nobody: an idle daemon tells nothing, as nothing changes.
 * Returns when it is due. */
int64_t chronicle_run(struct chronicle *chronicle, uint64_t now_tick, int64_t now_ns);
