/* SPDX-License-Identifier: MIT */
#pragma once
/* The forms in which sfshm-stat(1) shows a sample. */
#include <stdbool.h>
#include <stdio.h>

#include "libclient/tools/sample.h"

/* For people, without an interval; `clients`: a line for each. */
void stat_print_summary(FILE *out, const struct sample *sample, bool clients);

#define STAT_HEADER_EVERY 20u
/* The vmstat-like line; the header goes above each STAT_HEADER_EVERY lines,
 * `line` counts from 0. */
void stat_print_line(FILE *out, const struct sample *sample, const struct rates *rates,
                     unsigned line);
void stat_print_clients(FILE *out, const struct sample *sample);

/* One object on one line. `rates` may be NULL. */
void stat_print_json(FILE *out, const struct sample *sample, const struct rates *rates,
                     bool clients);

/* The text exposition format; every counter of shm/statistics.h. */
void stat_print_prometheus(FILE *out, const struct sample *sample);

/* value / divisor in decimals, exactly; the divisor is a power of ten. */
void stat_print_scaled(FILE *out, int64_t value, int64_t divisor);
/* At most `size` bytes, ending at a NUL; what could steer a terminal or end a
 * label as '?'. */
void stat_print_plain(FILE *out, const char *text, size_t size);
