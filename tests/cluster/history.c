/* SPDX-License-Identifier: MIT */
#include "tests/cluster/history.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/record.h"

#define HOSTS "/sfshm/region/0/host/"
#define RECORDS_MAX 256u
#define FENCES_MAX 1024u

struct history {
        struct record_host *records[RECORDS_MAX]; /* as they are at `revision` */
        size_t n_records;
        int64_t revision;
        uint64_t fences[FENCES_MAX]; /* the last of each worker ID */
        unsigned n_events;
};

/* The times in a record are for the reader, so any layout does to read it. */
static struct record_host *parse(const char *nonce, const char *value) {
        const struct id_layout layout = { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 };
        struct record_host *record = malloc(sizeof(*record));
        int r = record_host_parse(value, &layout, nonce, record);

        cr_assert_eq(r, 0, "the record of %s cannot be read: %s", nonce, value);
        return record;
}

static size_t find(const struct history *h, const char *nonce) {
        size_t i = 0;

        while (i < h->n_records && strcmp(h->records[i]->nonce, nonce) != 0)
                i++;
        return i;
}

/* Each worker ID in one record at most: what has changed together is seen together. */
static void expect_one_owner(const struct history *h) {
        struct worker_set *all = calloc(1, sizeof(*all));

        for (size_t i = 0; i < h->n_records; i++) {
                const struct worker_set *of = &h->records[i]->workers;

                for (uint32_t w = worker_set_next(of, 0); w < WORKER_SET_MAX;
                     w = worker_set_next(of, w + 1)) {
                        cr_assert(!worker_set_has(all, w), "at revision %" PRId64
                                  " worker ID %" PRIu32 " is in two records", h->revision, w);
                        worker_set_add(all, w);
                }
        }
        free(all);
}

static void expect_fences(struct history *h, const struct record_host *record) {
        const struct worker_set *of = &record->workers;

        for (uint32_t w = worker_set_next(of, 0); w < FENCES_MAX; w = worker_set_next(of, w + 1)) {
                cr_assert(record->released || record->fence_tick >= h->fences[w],
                          "at revision %" PRId64 " the fence of worker ID %" PRIu32 " fell from %"
                          PRIu64 " to %" PRIu64, h->revision, w, h->fences[w], record->fence_tick);
                h->fences[w] = record->fence_tick;
        }
}

static void forget(struct history *h, size_t i) {
        if (i == h->n_records)
                return;
        free(h->records[i]);
        h->records[i] = h->records[--h->n_records];
}

static void take(struct history *h, const char *nonce, const char *value) {
        h->n_events++;
        forget(h, find(h, nonce));
        if (value == NULL)
                return;
        cr_assert_lt(h->n_records, RECORDS_MAX);
        h->records[h->n_records++] = parse(nonce, value);
        expect_fences(h, h->records[h->n_records - 1]);
}

struct history *history_new(void) {
        return calloc(1, sizeof(struct history));
}

void history_take(struct history *h, int64_t revision, const char *key, const char *value) {
        if (revision != h->revision)
                expect_one_owner(h);
        h->revision = revision;
        if (strncmp(key, HOSTS, strlen(HOSTS)) == 0)
                take(h, key + strlen(HOSTS), value);
}

struct history *history_end(struct history *h, const char *coordinator) {
        expect_one_owner(h);
        cr_assert_gt(h->n_events, 0);
        fprintf(stderr, "%u writes of records in %s: one owner each, no fence fell\n",
                h->n_events, coordinator);
        while (h->n_records > 0)
                forget(h, 0);
        free(h);
        return NULL;
}
