/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Issues reservations: reads the demand, asks the planner, grants and extends through the
 * ledger. Ledger thread only.
 *
 * Standing reservations use the slots A and B in turn, and are placed from the top of the
 * run downward. They reach `reserve.standing` ahead from the first one on. When a client has
 * left they are withdrawn, so that a crowd of one-shot clients holds no more than what is
 * attached, and what was withdrawn in the last two ticks.
 *
 * Elastic reservations are planned each reserve.elastic / 2, and at once for whoever holds
 * nothing. If the plan is close to what the lanes have, they are just extended, to
 * reserve.elastic ahead. Otherwise they are withdrawn and granted anew, two ticks later: a
 * newcomer has its share after that time, whatever the others hold.
 *
 * A plan leaves 1 % of the run free, in which newcomers find a place without waiting for
 * one. Each takes at most a sixteenth of what is still free.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/client/client.h"
#include "daemon/config/config.h"
#include "daemon/reserve/elastic.h"
#include "daemon/reserve/fence.h"
#include "daemon/ledger/ledger.h"

struct reserve;

/* Nothing here reads a clock; all functions take ticks. `wake` is called with a client
 * whose grants page has changed: it raises `changed` and wakes the futex (NULL in
 * tests). */
int reserve_new(struct reserve **ret, const struct config *config, struct ledger *ledger,
                struct fence *fence, void (*wake)(struct client *client));
/* The configuration has other times, or accounts have other weights and caps. Promises are
 * kept: a standing reservation becomes shorter by not being extended until only that much
 * of it is left. reserve_run() comes next. */
void reserve_reload(struct reserve *reserve, const struct config *config);
struct reserve *reserve_free(struct reserve *reserve);

/* A new client, whose lanes are open in the ledger: makes the first standing grants.
 * -ENOSPC: standing reservations already hold half the run; refuse the client.
 * -EDQUOT: a cap has no position left, or the uid has its share of the lanes;
 * reserve_refusal() is the sentence.
 * -EAGAIN: no position is free now, or the fence is not high enough yet. The client is in
 * the list, and reserve_run() will grant; answer WELCOME when reserve_ready(). */
int reserve_attach(struct reserve *reserve, struct client *client, uint64_t now_tick);
/* A client of an earlier daemon, whose lanes the ledger has adopted: it keeps what it
 * holds, whatever the limits are now. 0 or -ENOMEM. */
int reserve_adopt(struct reserve *reserve, struct client *client, uint64_t now_tick);
const char *reserve_refusal(const struct reserve *reserve);
bool reserve_ready(const struct reserve *reserve, const struct client *client, uint64_t now_tick);
/* The client has left: everything that it holds is withdrawn (ledger/withdraw.h), standing
 * reservations too, and serves others in two ticks. Before reserve_detach(), while its lanes
 * are open. Never for a client that may go on with another daemon. */
void reserve_withdraw(struct reserve *reserve, const struct client *client);
/* Likewise all clients, connected ones too: the worker IDs are another host's. Nothing is
 * granted after it. */
void reserve_withdraw_all(struct reserve *reserve);
void reserve_detach(struct reserve *reserve, struct client *client);

/* A hint: the lane wants more. Serves it at once if possible. */
void reserve_want(struct reserve *reserve, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick);

/* Does everything that is due, and raises the fence in time. Returns the tick at which to
 * call it again; UINT64_MAX: not before something happens. */
uint64_t reserve_run(struct reserve *reserve, uint64_t now_tick);

/* Before the clock moves forward to `to_tick` (rule 9): asks for a fence above it, and once
 * that is durable extends standing reservations to where they would reach at that tick.
 * True when that is done. Elastic reservations are issued anew after the step, within
 * milliseconds: if the clock does not move after all, their positions are not lost until
 * then. */
bool reserve_prepare_step(struct reserve *reserve, uint64_t to_tick);

/* At a clean stop: makes all standing reservations end together at the last promise, to
 * which the fence comes down. A next daemon that cannot read the ledger begins right
 * there, and no client has run out before. */
void reserve_align_ends(struct reserve *reserve, uint64_t now_tick);

/* The run has another width. All of a wider run must be this host's, in ticks from now on.
 * What is held beyond the end of a narrower run expires; the ledger knows when.
 * reserve_run() comes next. */
void reserve_set_run(struct reserve *reserve, uint32_t run_width, uint64_t now_tick);
/* Was anything measured since the last reserve_take_demand()? */
bool reserve_measured(const struct reserve *reserve);
struct elastic_demand reserve_take_demand(struct reserve *reserve);

/* Is any lane busy, so that the ticker should run? */
bool reserve_busy(const struct reserve *reserve, uint64_t now_tick);

struct reserve_totals {
        uint64_t grants, extensions; /* since start */
        uint32_t positions, positions_standing, positions_elastic, lanes;
};
struct reserve_totals reserve_totals(const struct reserve *reserve);
