/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The messages of a connection and their answers, one message at a time. It decides
 * the next state of the connection. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/timekeeper.h"
#include "daemon/reserve/fence.h"
#include "daemon/server/announce.h"
#include "daemon/server/clients.h"
#include "daemon/server/connection.h"
#include "daemon/server/control.h"
#include "daemon/util/log.h"

/* Why HELLOs are refused: a limit of the configuration, no position left, no descriptors or
 * memory, another version, a clock that holds IDs back or no worker IDs yet. */
enum refusal_kind {
        REFUSAL_LIMIT,
        REFUSAL_POSITIONS,
        REFUSAL_RESOURCES,
        REFUSAL_VERSION,
        REFUSAL_CLOCK,
        REFUSAL_KINDS,
};

struct protocol_totals {
        uint64_t refusals[REFUSAL_KINDS], errors, hints; /* since start */
};

/* What the daemon waits for before it serves. */
struct protocol_wait {
        uint32_t reason;  /* enum clock_reason */
        const char *text; /* a clause */
};

struct protocol {
        struct connections *connections;
        struct clients *clients;
        struct timekeeper *timekeeper;
        const struct fence *fence;
        struct announcer announcer;
        struct protocol_totals totals;
        const struct protocol_wait *wait; /* NULL: it serves */
        bool refresh; /* a snapshot of the statistics was asked for; reset by the caller */
};

/* For struct connections; `protocol` is a struct protocol. */
enum connection_state protocol_receive(void *protocol, struct connection *connection,
                                       uint32_t events, int64_t now_ns);
/* Answers the HELLOs that were held and can be answered now. */
void protocol_welcome(struct protocol *protocol, int64_t now_ns);
/* Refuses or drops what has waited for too long, listens again to throttled clients. */
void protocol_expire(struct protocol *protocol, int64_t now_ns);
