/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an sfshmd of another version left under the names of our segments: said
 * by name before new ones take their place. Such a segment is not changed;
 * whoever has it mapped goes on with it (rule 11).
 *
 * What every version has in common: a segment begins with a magic of 8 bytes and
 * a version of 4, and a running daemon holds the lock of its ledger.
 */
#include "daemon/config/config.h"

struct other_version {
        int ledger_fd; /* holds the lock of a ledger that cannot be taken over; else -1 */
};
#define OTHER_VERSION_NONE ((struct other_version){ .ledger_fd = -1 })

/* -EBUSY when the daemon of such a ledger still runs. Logs what it finds, and its errors. */
int other_version_find(struct other_version *ret, const struct config *config);
/* Once the new segments have their names. */
void other_version_release(struct other_version *other);
