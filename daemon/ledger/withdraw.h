/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Withdrawal: reservations end before their promise has run out. Many at once: a barrier
 * and two readings of the clock serve all of them. shm/PROTOCOL.md, section 11, argues why
 * nobody can use what was withdrawn.
 */
#include <stddef.h>
#include <stdint.h>

#include "daemon/ledger/ledger.h"

struct client;

/* A slot whose reservation is to end. */
struct withdrawal {
        struct ledger_entry *entry;
        unsigned slot;
        const struct client *client; /* for the function below, as is `lane` */
        uint32_t lane;
};

/* The tick of that lane's cursor, read from the client's memory when it is called. Any
 * number may come from there; UINT64_MAX says that it cannot be read. */
typedef uint64_t (*withdrawal_cursor_tick)(const struct client *client, uint32_t lane);

/*
 * Ends the reservations of these slots, or shortens them. What ends within the next two
 * ticks anyway, and what is not live, is left alone.
 *
 * Returns the tick from which on all of their positions are free; 0 if none of the slots
 * holds anything. That is two ticks from now, unless a cursor is ahead of the clock or
 * cannot be read: then its lane holds on for longer, up to its old end. ledger_slot() and
 * the search for gaps show the new ends at once. A slot can be granted again when its own
 * end has come (rule 2), and extended before that.
 *
 * For the standing reservation of a connected client only when the worker IDs are lost.
 */
uint64_t ledger_withdraw(struct ledger *ledger, const struct withdrawal *list, size_t n,
                         withdrawal_cursor_tick cursor_tick);
/* By that tick everything has run out that was withdrawn before this call, but for lanes
 * that hold on for longer. UINT64_MAX: there is no clock. */
uint64_t ledger_withdrawn_by(const struct ledger *ledger);
