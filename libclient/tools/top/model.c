/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKS_PER_S 1000
#define WORKERS_LISTED 16u /* idle workers are listed if there are at most so many */

void model_clear(struct top_model *model) {
        sample_clear(&model->before);
        sample_clear(&model->after);
        free(model->clients);
        free(model->rows);
        *model = (struct top_model){ 0 };
}

/* ---- from two samples to rates */

static int compare_numbers(const void *a, const void *b) {
        const struct statistics_client *x = *(const struct statistics_client *const *)a;
        const struct statistics_client *y = *(const struct statistics_client *const *)b;

        return (x->client > y->client) - (x->client < y->client);
}

/* The clients of a sample by number; NULL if there are none or no memory. */
static const struct statistics_client **index_clients(const struct sample *sample, size_t *ret_n) {
        size_t n = sample->has_statistics ? sample->statistics.header.client_count : 0;
        const struct statistics_client **index = n > 0 ? malloc(n * sizeof(*index)) : NULL;

        *ret_n = index != NULL ? n : 0;
        for (size_t i = 0; i < *ret_n; i++)
                index[i] = &sample->statistics.clients[i];
        if (index != NULL)
                qsort(index, n, sizeof(*index), compare_numbers);
        return index;
}

/* Since `from`: NULL if it attached after the first snapshot. */
static void rate(struct top_client *client, const struct statistics_client *from, double seconds) {
        static const struct statistics_client nothing;
        const struct statistics_client *a = from != NULL ? from : &nothing, *b = client->counted;
        double overflows = (double)(b->overflows - a->overflows);

        if (a->ids > b->ids || a->overflows > b->overflows ||
            a->overflow_wait_ns > b->overflow_wait_ns)
                return;
        client->known = true;
        client->ids = (double)(b->ids - a->ids) / seconds;
        client->overflows = overflows / seconds;
        client->waited = (double)(b->overflow_wait_ns - a->overflow_wait_ns) / seconds;
        if (overflows > 0)
                client->wait_us = client->waited / client->overflows / 1e3;
}

static void rate_clients(struct top_model *model) {
        size_t n;
        const struct statistics_client **index = index_clients(&model->before, &n);
        int64_t since = model->before.statistics.header.updated_boot_ns;

        for (size_t i = 0; i < model->n_clients; i++) {
                struct top_client *client = &model->clients[i];
                const struct statistics_client **found =
                        n == 0 ? NULL
                               : bsearch(&client->counted, index, n, sizeof(*index),
                                         compare_numbers);

                if (found != NULL || (int64_t)client->counted->attached_boot_ns > since)
                        rate(client, found != NULL ? *found : NULL, model->rates.seconds);
        }
        free(index);
}

static int list_clients(struct top_model *model) {
        size_t n = model->after.has_statistics ? model->after.statistics.header.client_count : 0;

        free(model->clients);
        free(model->rows);
        model->clients = calloc(n > 0 ? n : 1, sizeof(*model->clients));
        model->rows = calloc(n > 0 ? n : 1, sizeof(*model->rows));
        model->n_rows = 0;
        model->n_clients = model->clients != NULL && model->rows != NULL ? n : 0;
        for (size_t i = 0; i < model->n_clients; i++)
                model->clients[i].counted = &model->after.statistics.clients[i];
        return model->n_clients == n ? 0 : -ENOMEM;
}

/* --shm may find the same snapshot twice: its rates stand as long as the daemon lives. */
static bool is_same_snapshot(const struct sample *a, const struct sample *b) {
        return a->has_statistics && b->has_statistics && sample_is_up(b) &&
               a->statistics.header.pid == b->statistics.header.pid &&
               a->statistics.header.updated_boot_ns == b->statistics.header.updated_boot_ns;
}

int model_take(struct top_model *model, struct sample *sample) {
        int r;

        if (is_same_snapshot(&model->after, sample)) {
                sample_clear(&model->after);
        } else {
                sample_clear(&model->before);
                model->before = model->after;
        }
        model->after = *sample;
        *sample = (struct sample){ 0 };
        model->has_sample = true;
        rates_between(&model->before, &model->after, &model->rates);
        r = list_clients(model);
        if (model->rates.known)
                rate_clients(model);
        return r;
}

/* ---- which, in which order */

static int compare_descending(double x, double y) {
        return (x < y) - (x > y);
}

static int compare_totals(const struct top_client *x, const struct top_client *y) {
        const struct statistics_client *a = x->counted, *b = y->counted;

        return a->ids != b->ids ? (a->ids < b->ids) - (a->ids > b->ids)
                                : (a->client > b->client) - (a->client < b->client);
}

/* A rate that is not known comes last. */
static int compare_rates(const void *a, const void *b) {
        const struct top_client *x = *(const struct top_client *const *)a;
        const struct top_client *y = *(const struct top_client *const *)b;
        int order = compare_descending(x->known ? x->ids : -1, y->known ? y->ids : -1);

        return order != 0 ? order : compare_totals(x, y);
}

static int compare_waits(const void *a, const void *b) {
        const struct top_client *x = *(const struct top_client *const *)a;
        const struct top_client *y = *(const struct top_client *const *)b;
        int order = compare_descending(x->known ? x->waited : -1, y->known ? y->waited : -1);

        if (order == 0)
                order = compare_descending((double)x->counted->overflow_wait_ns,
                                           (double)y->counted->overflow_wait_ns);
        return order != 0 ? order : compare_totals(x, y);
}

static int compare_by_total(const void *a, const void *b) {
        return compare_totals(*(const struct top_client *const *)a,
                              *(const struct top_client *const *)b);
}

static bool is_user(const struct statistics_client *client, const char *wanted,
                    const struct top_host *host) {
        char uid[16];

        snprintf(uid, sizeof(uid), "%u", client->uid);
        return strcmp(wanted, uid) == 0 || strcmp(wanted, host->user(client->uid)) == 0;
}

/* The cheap texts first: a control group is read from a file. */
static bool matches(const struct statistics_client *client, const char *search,
                    const struct top_host *host) {
        char text[sizeof(client->comm) + 1], cgroup[TOP_CGROUP_SIZE];

        snprintf(text, sizeof(text), "%.*s", (int)sizeof(client->comm), client->comm);
        if (strstr(text, search) != NULL || strstr(host->user(client->uid), search) != NULL)
                return true;
        snprintf(text, sizeof(text), "%u", client->pid);
        return strstr(text, search) != NULL ||
               (host->cgroup(client, cgroup) && strstr(cgroup, search) != NULL);
}

void model_select(struct top_model *model, const struct top_view *view,
                  const struct top_host *host) {
        static int (*const compare[])(const void *, const void *) = {
                [TOP_BY_RATE] = compare_rates,
                [TOP_BY_WAITS] = compare_waits,
                [TOP_BY_TOTAL] = compare_by_total,
        };

        model->n_rows = 0;
        for (size_t i = 0; i < model->n_clients; i++) {
                const struct statistics_client *client = model->clients[i].counted;

                if ((view->user[0] == '\0' || is_user(client, view->user, host)) &&
                    (view->search[0] == '\0' || matches(client, view->search, host)))
                        model->rows[model->n_rows++] = &model->clients[i];
        }
        if (model->n_rows > 1)
                qsort(model->rows, model->n_rows, sizeof(*model->rows), compare[view->sort]);
}

/* ---- workers */

double model_worker_ceiling(const struct sample *sample) {
        return (double)(UINT64_C(1) << sample->layout.sequence_bits) * TICKS_PER_S;
}

static bool is_listed(const struct sample *sample, uint32_t worker) {
        return sample->statistics.header.worker_ids[worker] > 0 ||
               (sample_workers(sample) <= WORKERS_LISTED && sample_worker_counts(sample, worker));
}

/* The place of the slowest of those chosen; the last one of equals. */
static size_t slowest(const struct top_model *model, const uint32_t *workers, size_t n) {
        size_t at = 0;

        for (size_t i = 1; i < n; i++)
                if (model->rates.workers[workers[i]] <= model->rates.workers[workers[at]])
                        at = i;
        return at;
}

size_t model_workers(const struct top_model *model, size_t most, uint32_t *ret_workers,
                     size_t *ret_more) {
        const struct sample *sample = &model->after;
        size_t n = 0;

        *ret_more = 0;
        for (uint32_t i = 0; sample->has_statistics && i < sample_workers(sample); i++) {
                size_t out;

                if (!is_listed(sample, i))
                        continue;
                if (n < most) {
                        ret_workers[n++] = i;
                        continue;
                }
                ++*ret_more;
                out = n > 0 ? slowest(model, ret_workers, n) : 0;
                if (n == 0 || model->rates.workers[i] <= model->rates.workers[ret_workers[out]])
                        continue;
                memmove(ret_workers + out, ret_workers + out + 1,
                        (n - out - 1) * sizeof(*ret_workers));
                ret_workers[n - 1] = i;
        }
        return n;
}
