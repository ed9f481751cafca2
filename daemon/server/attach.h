/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * From a HELLO to a client and back: charges, builds pages, opens lanes, asks
 * for the first reservations; and the answers. Ledger thread only.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/client/account.h"
#include "daemon/client/client.h"
#include "daemon/server/fdstore.h"
#include "daemon/server/server.h"
#include "daemon/clock/timekeeper.h"
#include "shm/wire.h"

struct attach {
        const struct server_parts *parts;
        struct accounts *accounts;
        struct reserve *reserve;
        struct fdstore *fdstore; /* NULL: there is none */
        uint32_t n_clients;
        struct timekeeper keeper;
};

/* Why somebody is not let in. */
struct attach_refusal {
        int error; /* positive */
        uint32_t retry_after_ms;
        char text[WIRE_REFUSED_TEXT];
};
void attach_refuse(struct attach_refusal *ret, int error, uint32_t retry_after_ms,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * A client for the peer at `socket`, in the list and with its lanes open. 0:
 * it holds reservations; -EAGAIN: it is there, but its reservations are not
 * yet (reserve_ready()); else *ret_refusal says why there is none.
 */
int attach_new(struct attach *attach, int socket, const struct wire_hello *hello, uint64_t now_tick,
               struct client **ret, struct attach_refusal *ret_refusal);
/* A client of the daemon before, its socket set and its lanes adopted, becomes one
 * of this daemon's: with whoever the kernel says that its peer is, and whatever
 * the limits are now (what it holds it keeps; only who comes is refused). 0 or
 * -errno; then it is in nothing. */
int attach_adopt(struct attach *attach, struct client *client, uint64_t now_tick);
/* Takes the client out of everything; its reservations run out by themselves. */
void attach_end(struct attach *attach, struct client *client);
/* The same, but its lanes stay its own in the ledger: the next daemon goes on with
 * it. For one that is in the descriptor store, at the end of this one. */
void attach_leave(struct attach *attach, struct client *client);

/* The answers; never block. 0 or -errno: the peer does not take it. */
int attach_send_welcome(struct attach *attach, struct client *client, uint16_t version);
int attach_send_refusal(struct attach *attach, int socket, const struct attach_refusal *refusal);
