/* SPDX-License-Identifier: MIT */
/*
 * A coordinator that is put back to an old copy, or emptied, while hosts run, restart and
 * come: what happens to it, and what must hold nevertheless. Nothing here believes the code
 * under test: it knows what each host was told, and what the coordinator has forgotten.
 *
 * Each restoration begins a branch of the coordinator's history. A commit is a point in it,
 * and on the path to the present branch unless the copy is older than it.
 *
 * The same ticks have two owners only if one of them is not on the path, and the other one
 * - could not know: it remembers nothing that was forgotten, or another one that could not
 *   know has claimed since; and
 * - began before a surviving host, or the operator, had raised `recovered_unix_ms`; and
 * - has not renewed since then, if it must give way.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/repair/workers_begin.h"
#include "fleet_world.h"

#define COPIES 4u
#define BRANCHES 256u
#define WAY_MARGIN_MS 60000 /* of whoever must give way */
#define SPACE "11111111111111111111111111111111"

struct branch {
        unsigned parent;
        int64_t fork_revision; /* of the copy, in the parent */
        int64_t recovered;     /* as the copy says */
        int64_t recovered_ns;  /* when it was raised; 0: not yet */
        bool claimed[16];      /* in that region, by somebody who could not know */
};

static struct branch branches[BRANCHES];
static unsigned n_branches;
static struct {
        bool kept;
        struct fleet_point point;
        struct memory_coordinator memory;
} copies[COPIES];
static bool stopped; /* no more attacks */
static bool needed;  /* the operator: a host was refused since */

/* ---- points and branches */

static struct branch *present(void) {
        return &branches[fleet_world.branch];
}

struct fleet_point attack_now(void) {
        return (struct fleet_point){ fleet_world.branch, fleet_world.memory.revision };
}

/* Does that branch know of it? */
static bool is_known(const struct fleet_point *point, unsigned branch) {
        int64_t until = INT64_MAX;

        while (branch != point->branch) {
                if (branch == 0)
                        return false;
                until = branches[branch].fork_revision;
                branch = branches[branch].parent;
        }
        return point->revision <= until;
}

static bool on_path(const struct fleet_point *point) {
        return is_known(point, fleet_world.branch);
}

static bool read_contract(struct record_contract *ret) {
        const char *text = memory_get(&fleet_world.memory, "contract");

        return text != NULL && record_contract_parse(text, ret) == 0;
}

static int64_t recovered_now(void) {
        struct record_contract contract;

        return read_contract(&contract) ? contract.recovered_unix_ms : -1;
}

static bool writes_used(const struct coordinator_commit *commit, uint32_t *ret_region) {
        for (size_t i = 0; i < commit->n_writes; i++) {
                const char *key = commit->writes[i].key;

                if (strncmp(key, "region/", 7) != 0 || strstr(key, "/used") == NULL)
                        continue;
                *ret_region = (uint32_t)strtoul(key + 7, NULL, 10);
                return true;
        }
        return false;
}

static void look_at_recovery(bool by_operator) {
        struct branch *b = present();

        if (b->recovered_ns != 0 || recovered_now() <= b->recovered)
                return;
        b->recovered_ns = fleet_world.now_ns;
        needed = false;
        fleet_world.sum.recovered += by_operator;
        fleet_world.sum.braked += !by_operator;
        fleet_trace(NULL, "recovered by %s", by_operator ? "the operator" : "a host");
}

/* Of two restorations, the later one may be to a copy of more recoveries: that is not seen. */
static bool is_newer(const struct fleet_knowledge *known) {
        return !known->released && !on_path(&known->point) &&
               recovered_now() <= (int64_t)known->recovered_ms;
}

bool attack_committed(const struct coordinator_commit *commit,
                      const struct fleet_knowledge *known, bool claims) {
        struct branch *b = present();
        uint32_t region = 0;
        bool used = writes_used(commit, &region);
        bool knew = claims && is_newer(known) && b->recovered_ns == 0 && !b->claimed[region];

        look_at_recovery(false);
        if (used && !knew && b->recovered_ns == 0)
                b->claimed[region] = true;
        return knew;
}

/* ---- what happens */

static void next_attack(void) {
        fleet_schedule(fleet_world.now_ns + 1 +
                               (int64_t)fleet_below(
                                       (uint64_t)fleet_world.rules.attack_every_ns * 2),
                       FLEET_ATTACK, 0, 0, NULL);
}

static void next_operator(void) {
        fleet_schedule(fleet_world.now_ns + fleet_spread(10 * SECOND, 5 * MINUTE), FLEET_OPERATOR,
                       0, 0, NULL);
}

void attack_begin(void) {
        n_branches = 1;
        branches[0] = (struct branch){ .recovered = 0 };
        stopped = needed = false;
        if (fleet_world.rules.attack_every_ns == 0)
                return;
        next_attack();
        next_operator();
}

void attack_end(void) {
        for (size_t i = 0; i < COPIES; i++) {
                if (copies[i].kept)
                        memory_end(&copies[i].memory);
                copies[i].kept = false;
        }
}

void attack_stop(void) {
        stopped = true;
}

static void keep_copy(void) {
        size_t i = fleet_below(COPIES);

        if (copies[i].kept)
                memory_end(&copies[i].memory);
        copies[i].kept = true;
        copies[i].point = attack_now();
        copies[i].memory = memory_copy(&fleet_world.memory);
        fleet_world.sum.kept_copies++;
        fleet_trace(NULL, "a copy is kept, of branch %u, revision %" PRId64, fleet_world.branch,
                    copies[i].point.revision);
}

/* Whoever works on the coordinator works on hosts as well. */
static void disturb_hosts(void) {
        if (fleet_chance(2))
                fleet_world.outage_ns = fleet_world.now_ns + fleet_spread(100 * MS, 2 * MINUTE);
        for (unsigned i = 0; i < fleet_world.rules.hosts && !fleet_chance(8); i++) {
                struct sim_host *host = &fleet_world.hosts[fleet_below(fleet_world.rules.hosts)];

                switch (fleet_below(6)) {
                case 0:
                        host_reboot(host);
                        break;
                case 1:
                        host_crash(host);
                        break;
                case 2:
                        host_stop(host);
                        break;
                case 3:
                        host_crash(host);
                        host_new_machine(host);
                        host_start(host);
                        break;
                default:
                        break;
                }
        }
}

static void put_back(const struct memory_coordinator *memory, struct fleet_point point) {
        if (n_branches == BRANCHES)
                return;
        memory_put_back(&fleet_world.memory, memory);
        fleet_world.branch = n_branches++;
        *present() = (struct branch){ .parent = point.branch, .fork_revision = point.revision };
        present()->recovered = recovered_now();
        fleet_trace(NULL, "branch %u, from branch %u at revision %" PRId64, fleet_world.branch,
                    point.branch, point.revision);
        disturb_hosts();
}

static void put_back_any(void) {
        size_t i = fleet_below(COPIES);

        if (!copies[i].kept)
                return;
        fleet_world.sum.put_back++;
        put_back(&copies[i].memory, copies[i].point);
}

static void wipe(void) {
        static const struct memory_coordinator empty;

        fleet_world.sum.wiped++;
        put_back(&empty, (struct fleet_point){ 0, 0 });
}

void attack(void) {
        uint64_t what = fleet_below(100);

        if (stopped)
                return;
        next_attack();
        if (what < 50)
                keep_copy();
        else if (what < 90)
                put_back_any();
        else
                wipe();
}

/* ---- the operator: sfshm workers --begin --above */

void attack_operator(void) {
        const struct fleet_rules *rules = &fleet_world.rules;
        int64_t unix_ms = host_wall_ns(&(struct sim_host){ .wall_ahead_ns = 0 }) / MS;
        struct memory_host link = { .memory = &fleet_world.memory };
        struct workers_begin begin = {
                .calls = &memory_calls,
                .coordinator = &link,
                .place = "memory",
                .space = { rules->layout, 0 },
                .remembered = SPACE,
                .unix_ms = unix_ms,
                .above_tick = fleet_tick_of(&rules->layout,
                                            unix_ms + (rules->horizon_ns + MINUTE) / MS),
        };
        struct record_contract contract;

        next_operator();
        if (!needed || fleet_world.now_ns < fleet_world.outage_ns)
                return;
        fleet_trace(NULL, "the operator continues the space");
        cr_assert_eq(workers_begin(&begin, &contract), 0);
        look_at_recovery(true);
}

/* ---- what must hold */

static bool must_give_way(int64_t claimed_unix_ms) {
        struct record_contract contract;

        return read_contract(&contract) && contract.claims_since_unix_ms != 0 &&
               claimed_unix_ms + WAY_MARGIN_MS > contract.claims_since_unix_ms;
}

bool attack_has_recovered(const struct sim_host *host) {
        return recovered_now() > (int64_t)host->known.recovered_ms;
}

/* `new` is on the path, and the other one's worker IDs are in no record of it. */
static bool could_not_know(const struct tenure *new) {
        int64_t recovered_ns = present()->recovered_ns;

        if (new->knew)
                return false;
        if (recovered_ns == 0)
                return true;
        return new->start_ns < recovered_ns &&
               (new->done_ns <= recovered_ns || !must_give_way(new->claimed_unix_ms));
}

bool attack_excuses(const struct tenure *a, const struct tenure *b, uint64_t ticks) {
        bool of_a = on_path(&a->point), of_b = on_path(&b->point);
        const struct tenure *new = of_a ? a : b;
        bool excused = false;

        if (!of_a && !of_b) {
                excused = true; /* of two branches, and nobody was told since */
        } else if (of_a != of_b && new->start.branch != fleet_world.branch) {
                excused = true; /* it has run all the time */
                fleet_world.sum.slept += ticks;
                return true;
        } else if (of_a != of_b) {
                excused = could_not_know(new);
        }
        if (excused)
                fleet_world.sum.excused += ticks;
        return excused;
}

/* Who asked before a recovery may have read the contract before it, and its record after it. */
void attack_refused(const struct sim_host *host, int64_t asked_ns) {
        if (fleet_world.rules.attack_every_ns == 0)
                return;
        if (host->claim_error == -EBADMSG && strcmp(fleet_world.failure, "coordinator-old") == 0) {
                fleet_world.sum.refused_old++;
                needed = true;
                if (host->seen_changes != fleet_world.memory.n_changes)
                        return; /* it saw something else */
                if ((on_path(&host->known.point) &&
                     recovered_now() >= (int64_t)host->known.recovered_ms) || (present()->recovered_ns != 0 && present()->recovered_ns < asked_ns))
                        fleet_fail("host %u is refused, and need not be", host->index);
        } else if (host->claim_error == -ENOENT) {
                needed = true;
                if (host->seen_changes == fleet_world.memory.n_changes &&
                    memory_get(&fleet_world.memory, "contract") != NULL)
                        fleet_fail("host %u is refused: %s", host->index, fleet_world.failure);
        } else if (host->claim_error != -EAGAIN && host->claim_error != -EIO &&
                   host->claim_error != -ETIMEDOUT) {
                fleet_fail("host %u is refused: %s", host->index, fleet_world.failure);
        }
}

/* Does another host's record have one of its worker IDs? */
static bool is_taken(const struct sim_host *host) {
        char prefix[FLEET_KEY_MAX];
        size_t length = strlen(fleet_key(prefix, host->region, "host/", ""));
        uint32_t end = host->tenure->first + host->tenure->count +
                       (host->grown != NULL ? host->grown->count : 0);
        static struct record_host record;

        for (size_t i = 0; i < fleet_world.memory.n_keys; i++) {
                const struct memory_key *item = fleet_world.memory.keys[i];

                if (strncmp(item->key, prefix, length) != 0 ||
                    strcmp(item->key + length, host->memory.nonce) == 0 ||
                    record_host_parse(item->value, &fleet_world.rules.layout, item->key + length,
                                      &record) < 0)
                        continue;
                if (worker_set_next(&record.workers, host->tenure->first) < end)
                        return true;
        }
        return false;
}

/* Others could claim what it had, before the copy was put back: nothing it promised is left. */
static bool has_ended(const struct sim_host *host) {
        return fleet_tick_of(&fleet_world.rules.layout, host_wall_ns(host) / MS) > host->fence;
}

void attack_lost(const struct sim_host *host) {
        if (fleet_world.rules.attack_every_ns == 0 ||
            host->seen_changes != fleet_world.memory.n_changes || is_taken(host) ||
            has_ended(host))
                return;
        if (!must_give_way(host->known.claimed_unix_ms))
                fleet_fail("host %u stops, and need not", host->index);
        fleet_world.sum.gave_way++;
}
