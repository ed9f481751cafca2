/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an earlier daemon left in the journal is judged and taken over. What cannot have
 * been promised is damage, and counts for the worst that was promised in its place
 * (PROTOCOL.md, section 11): its positions rest until the fence that was durable before,
 * and the client that it belongs to cannot go on with it. Logs what is damaged.
 */
#include <stddef.h>

#include "daemon/ledger/internal.h"

/* How many rectangles the journal can mean at most, damaged as it may be. */
size_t adoption_rectangles(const struct ledger_segment *segment);

/* Fills live set, places, free places, recovery and the last promise of a new ledger. The
 * journal keeps the owner of each record: this daemon may die before the adoption ends, and
 * then the next one adopts. 0 or -ENOMEM. */
int adoption_begin(struct ledger *ledger);
