/* SPDX-License-Identifier: MIT */
#include "daemon/statistics/totals.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/time.h"

/* `client->statistics` is a client's record. It is allocated only where its page, which is of
 * an earlier daemon, has no room for it. This one stands for a client which is still in the
 * list, but already in the totals. */
static uint64_t retired[1];

/* ---- a client's record */

/* Of this client: its page may have room for fewer worker IDs than the run has. */
static uint32_t record_values(const struct totals *totals, const struct client *client) {
        uint32_t workers = client_grants(client)->worker_counters;

        return STATISTICS_WORKERS + (workers < totals->run.worker_count ? workers
                                                                        : totals->run.worker_count);
}

static bool record_in_page(const struct client *client) {
        uint32_t workers;

        return client->statistics != NULL && client->statistics == client_counted(client, &workers);
}

/* Called with the mutex. Without memory for a record the client is counted when it ends. */
static void record_begin(struct totals *totals, struct client *client) {
        uint32_t workers;

        client->statistics = client_counted(client, &workers);
        if (client->statistics == NULL)
                client->statistics = calloc(record_values(totals, client), sizeof(uint64_t));
}

static void record_end(struct client *client) {
        if (client->statistics != retired && !record_in_page(client))
                free(client->statistics);
        client->statistics = NULL;
}

/* Adds what is new since the last time. A value that fell, or is impossible, is left
 * out, so that totals only grow, whatever a client writes. */
static void take_in(struct totals *totals, const struct client *client, uint64_t *record,
                    uint64_t *values) {
        int64_t age_ns = time_ns(CLOCK_BOOTTIME) - client->attached_boot_ns;

        if (statistics_page_read(client, &totals->run, totals->fresh) < 0)
                return; /* its counters are gone: the values seen before stay */
        for (uint32_t i = 0; i < record_values(totals, client); i++) {
                uint64_t value = totals->fresh[i];

                if (value <= record[i] || value > statistics_page_limit(&totals->run, age_ns, i))
                        continue;
                values[i] += value - record[i];
                record[i] = value;
        }
}

/* ---- clients come, stay and go */

/* A record in its page says what was counted of it. Otherwise that is not known: what it has
 * counted so far is left out. */
void totals_adopt(struct totals *totals, struct client *client) {
        pthread_mutex_lock(&totals->mutex);
        record_begin(totals, client);
        if (client->statistics != NULL && !record_in_page(client))
                take_in(totals, client, client->statistics, totals->scratch);
        pthread_mutex_unlock(&totals->mutex);
}

void totals_look_at(struct totals *totals, struct client *client,
                    void (*list)(void *context, const struct client *client,
                                 const uint64_t *record),
                    void *context) {
        pthread_mutex_lock(&totals->mutex);
        if (client->statistics == NULL)
                record_begin(totals, client);
        if (client->statistics != NULL && client->statistics != retired) {
                take_in(totals, client, client->statistics, totals->values);
                list(context, client, client->statistics);
        }
        pthread_mutex_unlock(&totals->mutex);
}

void totals_retire(struct totals *totals, struct client *client) {
        pthread_mutex_lock(&totals->mutex);
        memset(totals->scratch, 0, sizeof(totals->scratch)); /* in place of a missing record */
        if (client->statistics == NULL)
                record_begin(totals, client);
        take_in(totals, client,
                client->statistics != NULL ? client->statistics : totals->scratch, totals->values);
        record_end(client);
        client->statistics = retired;
        pthread_mutex_unlock(&totals->mutex);
}

void totals_forget(struct client *client) {
        record_end(client);
}

/* ---- from a snapshot, and to one */

/* A number that no daemon can have counted is damage. */
static uint64_t count_of(int64_t value) {
        return value >= 0 && value <= INT64_MAX / 2 ? (uint64_t)value : 0;
}

void totals_init(struct totals *totals, const struct statistics_run *run,
                 const struct statistics_segment *earlier) {
        const struct statistics_histograms *from = &earlier->histograms;
        const struct histogram_values *waits[] = { [WAIT_OVERFLOW] = &from->wait_overflow,
                                                   [WAIT_GRANT] = &from->wait_grant,
                                                   [WAIT_ATTACH] = &from->wait_attach,
                                                   [WAIT_CLOCK] = &from->wait_clock };
        uint64_t *outcomes = totals->values + STATISTICS_OUTCOMES;

        totals->run = *run;
        pthread_mutex_init(&totals->mutex, NULL); /* cannot fail with default attributes */
        outcomes[OVERFLOW_WAITED] = count_of(earlier->counters.overflows_waited);
        outcomes[OVERFLOW_AGAIN] = count_of(earlier->counters.overflows_again);
        outcomes[OVERFLOW_TIMEOUT] = count_of(earlier->counters.overflows_timeout);
        for (unsigned i = 0; i < WAIT_REASONS; i++)
                memcpy(totals->values + STATISTICS_WAITS + i * (METRICS_BUCKETS + 1), waits[i],
                       sizeof(*waits[i]));
        memcpy(totals->values + STATISTICS_WORKERS, earlier->worker_ids,
               run->worker_count * sizeof(uint64_t));
}

void totals_fini(struct totals *totals) {
        pthread_mutex_destroy(&totals->mutex);
}

void totals_fill(struct totals *totals, struct statistics_segment *image) {
        struct statistics_histograms *to = &image->histograms;
        struct histogram_values *waits[] = { [WAIT_OVERFLOW] = &to->wait_overflow,
                                             [WAIT_GRANT] = &to->wait_grant,
                                             [WAIT_ATTACH] = &to->wait_attach,
                                             [WAIT_CLOCK] = &to->wait_clock };
        const uint64_t *outcomes = totals->values + STATISTICS_OUTCOMES;

        pthread_mutex_lock(&totals->mutex);
        image->counters.overflows_waited = (int64_t)outcomes[OVERFLOW_WAITED];
        image->counters.overflows_again = (int64_t)outcomes[OVERFLOW_AGAIN];
        image->counters.overflows_timeout = (int64_t)outcomes[OVERFLOW_TIMEOUT];
        for (unsigned i = 0; i < WAIT_REASONS; i++)
                memcpy(waits[i], totals->values + STATISTICS_WAITS + i * (METRICS_BUCKETS + 1),
                       sizeof(*waits[i]));
        memcpy(image->worker_ids, totals->values + STATISTICS_WORKERS,
               totals->run.worker_count * sizeof(uint64_t));
        pthread_mutex_unlock(&totals->mutex);
}
