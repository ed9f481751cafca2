/* SPDX-License-Identifier: MIT */
#pragma once
/* The rates of the last minutes, for the page. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/observe/sample.h"

#define HISTORY_ENTRIES 300u /* five minutes, at one a second */
#define HISTORY_INTERVAL_NS INT64_C(1000000000)

/* Between two samples; CLOCK_BOOTTIME. */
struct history_entry {
        int64_t from_ns, to_ns;
        double ids, overflows; /* per second */
};

struct history {
        bool has_last;
        struct sample last; /* without its clients */
        struct rates rates; /* the newest */
        struct history_entry entries[HISTORY_ENTRIES];
        unsigned n, first;
};

/* Ignores a sample that comes sooner than an interval after the last one. */
void history_add(struct history *history, const struct sample *sample);
/* By age: 0 is the oldest of history->n. */
const struct history_entry *history_at(const struct history *history, unsigned index);
