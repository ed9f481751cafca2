/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Gives out reservations: reads demand, asks the planner, grants and extends
 * through the ledger. Ledger thread only.
 *
 * Standing: slots A and B in turn, placed from the top of the run downward.
 * The first is 100 ms long and is kept going in such steps for a second, then
 * it reaches `reserve.standing` ahead. Not so for the clients of an earlier
 * daemon: see reserve_begin_grace().
 *
 * Elastic: time is cut into periods of reserve.elastic / 2. At the beginning
 * of each the next one is planned, so that every busy lane always holds
 * between one and two periods ahead. All elastic rectangles end at the end of
 * a period; the next period's partition may thus be any other. If the plan is
 * close to what they have they are just extended. A hint in the middle of a
 * period is served at once from what is free.
 *
 * Newcomers: a plan leaves 1 % of the run free for them, and up to 1.5 % when
 * many came in the period before. Each takes at most a sixteenth of what
 * is still free, so dozens find room before the next plan.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/client/client.h"
#include "daemon/config/config.h"
#include "daemon/reserve/elastic.h"
#include "daemon/reserve/fence.h"
#include "daemon/ledger/ledger.h"

struct reserve;

/* For tests the pure parts take ticks; nothing here reads a clock. `wake` is
 * called with a client whose grants page changed: bumps `changed` and wakes
 * its futex (NULL in tests). */
int reserve_new(struct reserve **ret, const struct config *config, struct ledger *ledger,
                struct fence *fence, void (*wake)(struct client *client));
/* The configuration has other times, and accounts have other weights and caps. What
 * was promised is kept: a shorter standing reservation is one that is not extended
 * until so much of it is left. Call reserve_run() then. */
void reserve_reload(struct reserve *reserve, const struct config *config);
struct reserve *reserve_free(struct reserve *reserve);

/* This daemon has adopted the ledger of an earlier one. Clients which attach in
 * the next 5 s (STANDING_ADOPTED_TICKS) are taken for that daemon's and get a
 * standing reservation of full length at once: they close the long one which
 * they hold when they switch, and must not be left with 100 ms if this daemon
 * dies as well. So that one-shot clients cannot pin the run in that time, the
 * widths shrink with the number that came, and a quarter of the run's width is
 * the most lanes it holds for. Call once, before any client attaches. */
void reserve_begin_grace(struct reserve *reserve, uint64_t now_tick);

/* A new client, its lanes open in the ledger: first standing grants.
 * -ENOSPC: standing reservations hold half the run already (refuse, say so);
 * -EDQUOT: a cap has no position left, or the uid has its part of the lanes:
 * reserve_refusal() is the sentence;
 * -EAGAIN: no position is free right now or the fence is not there yet; the
 * client is in the list and will be granted by reserve_run() (answer WELCOME
 * then: ask reserve_ready()). */
int reserve_attach(struct reserve *reserve, struct client *client, uint64_t now_tick);
/* A client which the daemon before attached, its lanes adopted by the ledger: it
 * keeps what it holds, whatever the limits are now. After reserve_begin_grace(). 0 or
 * -ENOMEM. */
int reserve_adopt(struct reserve *reserve, struct client *client, uint64_t now_tick);
const char *reserve_refusal(const struct reserve *reserve);
bool reserve_ready(const struct reserve *reserve, const struct client *client, uint64_t now_tick);
void reserve_detach(struct reserve *reserve, struct client *client);

/* A hint: the lane wants more. Serves it at once where it can. */
void reserve_want(struct reserve *reserve, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick);

/* Everything that is due; returns the tick at which to call again (UINT64_MAX:
 * not before something happens). Also raises the fence in time. */
uint64_t reserve_run(struct reserve *reserve, uint64_t now_tick);

/* Before the clock moves forward to `to_tick` (rule 9): asks for a fence above it,
 * and once that is durable extends standing reservations to where they would reach
 * at that tick. True when that is done. Elastic ones are given anew there, within
 * milliseconds: should the clock not move after all, their positions are not gone
 * until then. */
bool reserve_prepare_step(struct reserve *reserve, uint64_t to_tick);

/* At a clean stop: all standing reservations end together, at the last promise, to which
 * the fence comes down. A next daemon that cannot read the ledger begins right there, and
 * nobody has run out before. */
void reserve_align_ends(struct reserve *reserve, uint64_t now_tick);

/* The run has another length; longer ones are all of the caller's, in ticks from now on.
 * Of a shorter one, what is held beyond its end runs out: the ledger knows when. Call
 * reserve_run() then. */
void reserve_set_run(struct reserve *reserve, uint32_t run_width, uint64_t now_tick);
/* What was measured since the last call; is it anything? */
bool reserve_measured(const struct reserve *reserve);
struct elastic_demand reserve_take_demand(struct reserve *reserve);

/* Is anybody busy, so that the ticker should run? */
bool reserve_busy(const struct reserve *reserve, uint64_t now_tick);

struct reserve_totals {
        uint64_t grants, extensions; /* since start */
        uint32_t positions, positions_standing, positions_elastic, lanes;
};
struct reserve_totals reserve_totals(const struct reserve *reserve);
