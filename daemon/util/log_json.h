/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A line of the log as an object of JSON, all in one line:
 *   {"time":"2026-11-23T15:04:05.678Z","level":"warning","event":"refused","message":"a …",
 *    "pid":812,"fields":{"UID":1000},"suppressed":3}
 * "suppressed" only after lines that the rate limit left out, "dropped" only in the line
 * which says how many were lost. Bytes that are no UTF-8 become U+FFFD.
 */
#include "daemon/util/log_line.h"
#include "daemon/util/log_text.h"

/* With the newline. */
void log_json_put(struct log_text *text, const struct log_line *line);
