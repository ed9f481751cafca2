/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * May the ledger of an earlier daemon of this boot be adopted? Asked twice: before worker IDs
 * are claimed, as without it only others can be served at once; and when it is opened.
 */
#include <stdbool.h>
#include <stddef.h>

#include "daemon/config/config.h"
#include "daemon/lease/state/ledger_id.h"
#include "shm/ledger.h"

/* The same for every configuration, so that the ledger stays adoptable; fewer in the
 * simulation of tests/sim. */
#ifndef ADOPT_LEDGER_RECORDS
#define ADOPT_LEDGER_RECORDS 16384u
#endif

/* Can it be read, and is it of this boot and epoch? Looks at the first page only. */
bool ledger_look_reads(const struct ledger_segment *ledger, size_t size, const uint8_t boot_id[16],
                       const struct id_layout *layout);
/* Then: is it of this layout, and that of the state directory? `id` NULL: that names none. */
bool ledger_look_continues(const struct ledger_segment *ledger, const struct id_layout *layout,
                           const uint8_t *id);
/* Both, of the ledger which has its name now, whatever its worker IDs. Silent. */
bool ledger_look_exists(const struct config *config);
