/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What --top shows: two samples become rates and clients, which are filtered and sorted as the
 * operator chose. Pure, but for the memory; what the host knows of a client is asked through
 * struct top_host.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/observe/sample.h"

#define TOP_CGROUP_SIZE 512
#define TOP_INPUT_SIZE 64

enum top_sort {
        TOP_BY_RATE,
        TOP_BY_WAITS, /* the time its calls waited */
        TOP_BY_TOTAL,
};

enum top_prompt {
        TOP_NO_PROMPT,
        TOP_ASKS_INTERVAL,
        TOP_ASKS_USER,
        TOP_ASKS_SEARCH,
};

/* What the operator chose. */
struct top_view {
        enum top_sort sort;
        bool cgroups; /* the last column has them, not the commands */
        bool no_workers, paused, help;
        int64_t interval_ns;
        char user[TOP_INPUT_SIZE];   /* only this one's clients: a name or a uid; "": all */
        char search[TOP_INPUT_SIZE]; /* only clients with this in their text; "": all */
        size_t scroll, page;         /* rows above the first shown one, and shown at once */
        enum top_prompt prompt;
        char input[TOP_INPUT_SIZE]; /* what was typed at the prompt */
        const char *complaint;      /* about the last input; NULL: none */
};

struct top_host {
        /* The name of a user; "" if there is none. Valid until the next call. */
        const char *(*user)(uint32_t uid);
        /* The control group of a client's process, or false. */
        bool (*cgroup)(const struct statistics_client *client, char ret[TOP_CGROUP_SIZE]);
};

struct top_client {
        const struct statistics_client *counted;
        bool known;            /* these are: */
        double ids, overflows; /* per second */
        double waited;         /* ns per second */
        double wait_us;        /* mean wait of an overflow; 0 without overflows */
};

/* Zeros are a model without a sample. */
struct top_model {
        bool has_sample;
        struct sample before, after;
        struct rates rates;
        struct top_client *clients;     /* of `after`, in its order */
        const struct top_client **rows; /* those of model_select() */
        size_t n_clients, n_rows;
};

/* Takes over the sample, which is zeroed, and its memory. A snapshot that was shown before
 * changes no rate. 0 or -ENOMEM: there are no clients then. */
int model_take(struct top_model *model, struct sample *sample);
/* Sets `rows` to the clients that the operator wants to see, in order. */
void model_select(struct top_model *model, const struct top_view *view,
                  const struct top_host *host);
void model_clear(struct top_model *model);

/* IDs per second of one worker at most. */
double model_worker_ceiling(const struct sample *sample);

/* Which workers to show: sets ret_workers to indices of worker_ids, in ascending order and `most`
 * of them at most, those with the highest rates. Returns how many; *ret_more is how many have no
 * room. Idle ones have none if the run is long. */
size_t model_workers(const struct top_model *model, size_t most, uint32_t *ret_workers,
                     size_t *ret_more);
