/* SPDX-License-Identifier: MIT */
/*
 * What must hold in a fleet, told from what hosts were granted and from the keys that
 * are there, not from what the code under test thinks:
 *
 * - no tick of a worker ID belongs to two owners, whenever they learn of it (U1, U3);
 * - a worker ID whose record is gone is never handed out again (F1);
 * - nobody is turned away while a run is free.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_world.h"

/* Of one worker ID, in the order of their making. */
struct history {
        struct tenure **tenures;
        size_t n;
        char gone[RECORD_HEX]; /* the record that was lost, with its fence; "": none */
};

static struct history *histories;
static struct tenure **tenures; /* all */
static size_t n_tenures;

static uint32_t region_end(void) {
        return record_region_end(&fleet_world.rules.layout);
}

static struct history *history_of(uint32_t region, uint32_t worker) {
        return &histories[region * region_end() + worker];
}

static size_t n_workers(void) {
        return (size_t)region_end() << fleet_world.rules.layout.region_bits;
}

void check_fleet_begin(void) {
        histories = calloc(n_workers(), sizeof(*histories));
        cr_assert_not_null(histories);
        n_tenures = 0;
}

void check_fleet_end(void) {
        for (size_t i = 0; i < n_workers(); i++)
                free(histories[i].tenures);
        for (size_t i = 0; i < n_tenures; i++)
                free(tenures[i]);
        free(tenures);
        free(histories);
        tenures = NULL;
        histories = NULL;
}

/* Room for one more; sizes are powers of two. */
static struct tenure **grown(struct tenure **list, size_t n) {
        if ((n & (n - 1)) == 0)
                list = realloc(list, (n == 0 ? 1 : 2 * n) * sizeof(struct tenure *));
        cr_assert_not_null(list);
        return list;
}

struct tenure *tenure_new(const struct sim_host *host, uint32_t first, uint32_t count,
                          uint64_t lo) {
        struct tenure *t = malloc(sizeof(*t));

        cr_assert_not_null(t);
        *t = (struct tenure){ .region = host->region, .first = first, .count = count,
                              .host = host->index, .lo = lo, .hi = lo };
        tenures = grown(tenures, n_tenures);
        tenures[n_tenures++] = t;
        for (uint32_t w = first; w < first + count; w++) {
                struct history *h = history_of(host->region, w);

                h->tenures = grown(h->tenures, h->n);
                h->tenures[h->n++] = t;
        }
        fleet_world.sum.tenures++;
        return t;
}

/* Of the ticks after `known`. */
static uint64_t overlap(const struct tenure *t, const struct tenure *other, uint64_t known) {
        uint64_t lo = other->lo > known ? other->lo : known;
        uint64_t hi = other->hi < t->hi ? other->hi : t->hi;

        return other->lo < other->hi && lo < hi ? hi - lo : 0;
}

void tenure_promise(struct tenure *t, uint64_t hi) {
        uint64_t known = t->hi;

        if (hi <= t->hi)
                return;
        t->hi = hi;
        for (uint32_t w = t->first; w < t->first + t->count; w++) {
                const struct history *h = history_of(t->region, w);

                for (size_t i = 0; i < h->n; i++) {
                        const struct tenure *other = h->tenures[i];

                        uint64_t twice = other != t ? overlap(t, other, known) : 0;

                        if (twice > 0 && !attack_excuses(t, other, twice))
                                fleet_fail("worker %" PRIu32 " of region %" PRIu32 ": host %u has "
                                           "the ticks after %" PRIu64 " up to %" PRIu64 ", host %u "
                                           "those after %" PRIu64 " up to %" PRIu64, w, t->region,
                                           t->host, t->lo, t->hi, other->host, other->lo,
                                           other->hi);
                }
        }
}

bool tenure_continues(const struct tenure *t, const struct sim_host *host, uint32_t first,
                      uint32_t count) {
        return t != NULL && t->region == host->region && t->first == first && t->count == count;
}

bool tenure_meets(const struct tenure *t, const struct sim_host *host, uint32_t first,
                  uint32_t count) {
        return t != NULL && t->region == host->region && t->first < first + count &&
               first < t->first + t->count;
}

/* ---- lost records */

void check_gone(uint32_t region, const struct record_host *record) {
        for (uint32_t w = worker_set_next(&record->workers, 0); w < region_end();
             w = worker_set_next(&record->workers, w + 1))
                memcpy(history_of(region, w)->gone, record->nonce, RECORD_HEX);
}

static void check_back(uint32_t region, const struct record_host *record) {
        for (uint32_t w = worker_set_next(&record->workers, 0); w < region_end();
             w = worker_set_next(&record->workers, w + 1))
                if (strcmp(history_of(region, w)->gone, record->nonce) == 0)
                        history_of(region, w)->gone[0] = '\0';
}

void check_written(const struct coordinator_commit *commit) {
        static struct record_host record;

        for (size_t i = 0; i < commit->n_writes; i++) {
                const char *key = commit->writes[i].key, *nonce = strstr(key, "/host/");

                if (nonce != NULL && commit->writes[i].value != NULL &&
                    record_host_parse(commit->writes[i].value, &fleet_world.rules.layout,
                                      nonce + strlen("/host/"), &record) == 0)
                        check_back((uint32_t)strtoul(key + strlen("region/"), NULL, 10), &record);
        }
}

void check_granted(const struct sim_host *host, uint32_t first, uint32_t count) {
        for (uint32_t w = first; w < first + count; w++)
                if (history_of(host->region, w)->gone[0] != '\0')
                        fleet_fail("host %u has worker %" PRIu32 " of region %" PRIu32
                                   ", whose fence was lost", host->index, w, host->region);
}

/* ---- nobody is stuck */

void check_settled(void) {
        for (unsigned i = 0; i < fleet_world.rules.hosts; i++) {
                const struct sim_host *host = &fleet_world.hosts[i];

                if (host->serving ? host->retry_ns != 0 || host->over :
                                    host->claim_error != -EBUSY && host->claim_error != 0)
                        fleet_fail("host %u is stuck: %s", i, host->serving ? "no renewals" :
                                   strerror(-host->claim_error));
        }
}

/* ---- what is free */

#define NEVER_FREE UINT64_MAX

/* Since when the fences of all workers have passed; NEVER_FREE: held or refused. */
static void read_records(uint32_t region, uint64_t fences[], bool known[]) {
        char prefix[FLEET_KEY_MAX], key[FLEET_KEY_MAX];
        size_t length = strlen(fleet_key(prefix, region, "host/", ""));
        static struct record_host record;

        for (size_t i = 0; i < fleet_world.memory.n_keys; i++) {
                const struct memory_key *item = fleet_world.memory.keys[i];
                bool alive;

                if (strncmp(item->key, prefix, length) != 0 ||
                    record_host_parse(item->value, &fleet_world.rules.layout, item->key + length,
                                      &record) < 0)
                        continue;
                alive = memory_get(&fleet_world.memory,
                                   fleet_key(key, region, "alive", record.life)) != NULL;
                for (uint32_t w = worker_set_next(&record.workers, 0); w < region_end();
                     w = worker_set_next(&record.workers, w + 1)) {
                        fences[w] = alive || known[w] ? NEVER_FREE : record.fence_tick;
                        known[w] = true;
                }
        }
}

static uint64_t rests_until(const struct record_used *used, uint32_t worker,
                            const uint64_t fences[], const bool known[]) {
        if (known[worker])
                return fences[worker];
        return worker_set_has(&used->workers, worker) ? NEVER_FREE : 0;
}

void check_exhausted(const struct sim_host *host) {
        uint64_t now = host_tick(host), recycle = (uint64_t)(fleet_world.rules.recycle_ns / MS);
        char key[FLEET_KEY_MAX];
        const char *text = memory_get(&fleet_world.memory,
                                      fleet_key(key, host->region, "used", ""));
        uint64_t *fences;
        bool *known;
        static struct record_used used;

        fleet_world.sum.exhausted++;
        memory_expire(&fleet_world.memory);
        if (fleet_world.memory.n_changes != host->seen_changes || text == NULL ||
            record_used_parse(text, region_end(), &used) < 0)
                return; /* it saw something else */
        fleet_world.sum.exhausted_checked++;
        fences = calloc(region_end(), sizeof(*fences));
        known = calloc(region_end(), sizeof(*known));
        read_records(host->region, fences, known);
        for (uint32_t w = 0, run = 0; w < region_end(); w++) {
                uint64_t fence = rests_until(&used, w, fences, known);
                bool free_one = fence == 0 ? !known[w] || now > recycle :
                                fence != NEVER_FREE && now > fence && now - fence > recycle;

                run = free_one ? run + 1 : 0;
                if (run == host->count)
                        fleet_fail("host %u found no run of %" PRIu32 ", and one ends at worker "
                                   "%" PRIu32, host->index, host->count, w);
        }
        free(fences);
        free(known);
}
