/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Simulates the reservations of one run tick by tick, with clients of various demand,
 * against an independent checker that knows only what the clients' pages show.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "daemon/ledger/gone.h"
#include "daemon/reserve/reserve.h"

#define RUN_START 4096u
#define RUN_WIDTH 4096u
#define CLIENTS_MAX 2100u
#define SATURATING UINT32_MAX

struct account {
        uid_t uid;
        uint32_t uid_weight;
        uint64_t uid_cap;
        bool limited;
};

struct lease {
        uint64_t fence, asked;
        bool stalled;
};

/* A client, its page, and what the checker saw there last. A client that is gone stays
 * here, because its promises do. */
struct fake {
        struct client *client; /* NULL once gone */
        unsigned account;
        struct grants_page *page;
        uint32_t demand; /* IDs it would take in a tick */
        uint64_t ids, overflows, hinted_tick;
        uint64_t cursor_tick; /* what its cursor says when the client leaves */
        struct rectangle seen[SLOTS_PER_LANE];
};

extern struct reserve_world {
        struct account accounts[4];
        struct fake fakes[CLIENTS_MAX];
        unsigned n_fakes;
        struct lease lease;
        struct ledger_segment *segment;
        struct ledger *ledger;
        struct fence fence;
        struct reserve *reserve;
        uint64_t now, due; /* ticks */
        uint64_t runs;     /* of reserve_run() by world_step() */
} world;
extern const struct config world_config;

void world_begin(void);
void world_end(void);
/* A daemon finds the ledger of one that died with all its connections. */
void world_restart_daemon(void);

/* The next fake; what reserve_attach() returned. */
int world_attach(unsigned account, uint32_t demand);
/* The same, as that process; world_attach() takes another one each time. */
int world_attach_process(unsigned account, uint32_t demand, uint32_t pid);
/* What clients that are gone hold at `tick` or later. */
struct ledger_gone world_gone(unsigned account, uint64_t tick);
void world_detach(struct fake *fake);

/* A tick passes, everybody takes what they want, and the pages are checked. */
void world_step(void);
void world_steps(unsigned n);
void world_check_pages(void);

/* The tick after the last one promised in a standing reservation. */
uint64_t fake_standing_end(const struct fake *fake);
/* The width of its widest valid slot in this tick. */
uint32_t fake_width(const struct fake *fake);
/* The positions it holds in elastic reservations in this tick. */
uint32_t fake_elastic_width(const struct fake *fake);
