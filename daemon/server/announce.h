/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the daemon says about itself to whoever looks for it: the answer to QUERY, and the
 * file beside its socket, which stays when it is gone. Ledger thread only.
 */
#include <stdint.h>

#include "daemon/clock/timekeeper.h"
#include "daemon/server/clients.h"
#include "daemon/server/listener.h"
#include "daemon/startup/segments.h"
#include "shm/wire.h"

struct announcer {
        const struct config *config;
        const struct segments *segments;
        const struct timekeeper *timekeeper;
        const struct clients *clients;
};

void announce_status(const struct announcer *announcer, int64_t now_ns, struct wire_status *ret);

/* While the worker IDs are waited for: there is no shared memory yet. */
void announce_wait(const struct announcer *announcer, uint32_t reason, int64_t now_ns,
                   struct wire_status *ret);

/* Removes the file of an earlier daemon, which leads to a clock that is not ours. */
void announce_withdraw(const struct listener *listener);
/* Writes the file beside the socket. A failure is logged, and the daemon serves without: it
 * is found only while it answers. */
void announce_beside(const struct announcer *announcer, const struct listener *listener);
