/* SPDX-License-Identifier: MIT */
#pragma once
/* A ledger of one run with four lanes, and the pages of their clients. */
#include <stdint.h>

#include "daemon/ledger/ledger.h"

#define RUN_START 8192u
#define RUN_WIDTH 4096u
#define CAPACITY 64u

extern struct ledger_world {
        struct ledger_segment *segment;
        struct ledger *ledger;
        struct slot pages[CAPACITY][SLOTS_PER_LANE];
        struct ledger_entry *lanes[CAPACITY];
} world;

void world_begin(void);
void world_end(void);
/* Another daemon opens the segment. */
void world_restart(uint64_t now);
int world_grant(unsigned lane, unsigned slot, uint32_t start, uint32_t width, uint64_t t0,
                       uint64_t t1);
