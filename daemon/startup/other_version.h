/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an sfshmd of another version left under the names of our segments. It is logged
 * before new segments take the names. Such a segment is not changed: processes that have it
 * mapped continue with it (rule 11).
 *
 * All versions have in common that a segment begins with a magic of 8 bytes and a version
 * of 4 bytes, and that a running daemon holds the lock of its ledger.
 */
#include "daemon/config/config.h"
#include "daemon/segment/segment.h"

/* *ret is SEGMENT_NONE, or gets the descriptor that holds the lock of a ledger which cannot
 * be adopted, until the new segments have their names. -EBUSY: the daemon of such a ledger
 * still runs. Logs what it finds, and its errors. */
int other_version_find(struct segment *ret, const struct config *config);
