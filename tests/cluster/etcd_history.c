/* SPDX-License-Identifier: MIT */
#include "tests/cluster/etcd_history.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/base64.h"
#include "daemon/lease/record.h"
#include "tests/cluster/etcd_ctl.h"

#define HOSTS "/sfshm/region/0/host/"
#define MARK "/the-end"
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
        struct workers *all = calloc(1, sizeof(*all));

        for (size_t i = 0; i < h->n_records; i++) {
                const struct workers *of = &h->records[i]->workers;

                for (uint32_t w = workers_next(of, 0); w < WORKERS_MAX;
                     w = workers_next(of, w + 1)) {
                        cr_assert(!workers_has(all, w), "at revision %" PRId64 " worker ID %" PRIu32
                                  " is in two records", h->revision, w);
                        workers_add(all, w);
                }
        }
        free(all);
}

static void expect_fences(struct history *h, const struct record_host *record) {
        const struct workers *of = &record->workers;

        for (uint32_t w = workers_next(of, 0); w < FENCES_MAX; w = workers_next(of, w + 1)) {
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

static void take(struct history *h, const char *key, const char *value) {
        const char *nonce = key + strlen(HOSTS);
        size_t i = find(h, nonce);

        h->n_events++;
        forget(h, i);
        if (value == NULL)
                return;
        cr_assert_lt(h->n_records, RECORDS_MAX);
        h->records[h->n_records++] = parse(nonce, value);
        expect_fences(h, h->records[h->n_records - 1]);
}

static char *text_of(const json_t *kv, const char *field) {
        const char *text = json_string_value(json_object_get(kv, field));

        return base64_decode(text != NULL ? text : "");
}

/* Of one revision or several; false after the mark. */
static bool take_event(struct history *h, const json_t *event) {
        const json_t *kv = json_object_get(event, "kv");
        int64_t revision = (int64_t)json_number_value(json_object_get(kv, "mod_revision"));
        bool is_delete = json_number_value(json_object_get(event, "type")) == 1;
        char *key = text_of(kv, "key"), *value = text_of(kv, "value");
        bool more = strcmp(key, MARK) != 0;

        if (revision != h->revision)
                expect_one_owner(h);
        h->revision = revision;
        if (strncmp(key, HOSTS, strlen(HOSTS)) == 0)
                take(h, key, is_delete ? NULL : value);
        free(key);
        free(value);
        return more;
}

static bool take_answer(struct history *h, const json_t *answer) {
        const json_t *events = json_object_get(answer, "Events");
        bool more = true;

        for (size_t i = 0; i < json_array_size(events) && more; i++)
                more = take_event(h, json_array_get(events, i));
        return more;
}

void etcd_history_check(const char *endpoint) {
        struct history *h = calloc(1, sizeof(*h));
        FILE *output = NULL;
        bool more = true;
        pid_t pid;

        free(ETCD_CTL(endpoint, "put", MARK, "1"));
        pid = etcd_ctl_begin(endpoint, (char *[]){ "watch", "--prefix", "/", "--rev=1", "-w",
                                                   "json", NULL }, &output);
        while (more) {
                /* nothing between one answer and the next; IDs of 64 bits without a sign */
                json_t *answer = json_loadf(
                        output, JSON_DISABLE_EOF_CHECK | JSON_DECODE_INT_AS_REAL, NULL);

                cr_assert_not_null(answer, "etcd does not tell its history to the end");
                more = take_answer(h, answer);
                json_decref(answer);
        }
        cr_assert_gt(h->n_events, 0);
        fprintf(stderr, "%u writes of records in etcd: one owner each, no fence fell\n",
                h->n_events);
        etcd_ctl_end(pid, output);
        while (h->n_records > 0)
                forget(h, 0);
        free(h);
}
