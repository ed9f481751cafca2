/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers, times and bars in few columns. Pure. */
#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 16

/* Three digits: "0", "0.5", "999", "4.10M", "18.4E"; at most five columns. Returns `ret`. */
const char *format_count(double value, char ret[FORMAT_SIZE]);

/* A wait: "312us", "1.25ms", "2.10s", "71min". Returns `ret`. */
const char *format_wait(double us, char ret[FORMAT_SIZE]);

/* "0.1 s", "29 s", "4 min 12 s", "3 d 4 h"; with a "-" if it is negative. Returns `ret`. */
#define FORMAT_SPAN_SIZE 48
const char *format_span(int64_t ms, char ret[FORMAT_SPAN_SIZE]);

/* "[|||   ]", `width` columns in all: at least the two brackets. A share above 0 and below 1
 * shows neither an empty bar nor a full one. */
void format_bar(double share, size_t width, char *ret, size_t size);
