/* SPDX-License-Identifier: MIT */
#pragma once
/* A rate over the last five minutes, drawn as SVG. */
#include <stdint.h>
#include <stdio.h>

#include "libclient/exporter/history.h"

typedef double chart_value(const struct history_entry *entry);

/* With its title, the newest value and the scale; times up to `now_ns`. */
void chart_print(FILE *out, const struct history *history, const char *title, chart_value *value,
                 int64_t now_ns);
