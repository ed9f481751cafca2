/* SPDX-License-Identifier: MIT */
#pragma once
/* One event with its sentence and fields, formatted by the thread to which it happened. */
#include <stdarg.h>
#include <stdint.h>

#include "daemon/util/log_events.h"

/* The longest sentence; escaped it may be several times as long. */
#define LOG_SENTENCE_MAX 2048u

struct log_line {
        struct log_event event; /* without its fields, which are here: */
        struct log_fields fields;
        int64_t unix_ms;
        uint64_t more;    /* lines of this kind that its rate limit suppressed before it */
        uint64_t dropped; /* lines that were lost before this one, which says so */
        char sentence[LOG_SENTENCE_MAX];
};

/* As much of the sentence as fits; one that was cut ends in a mark. `error`: the field
 * ERRNO, unless it is 0. */
void log_line_format(struct log_line *line, struct log_event event, uint64_t more, int error,
                     const char *format, va_list args) __attribute__((format(printf, 5, 0)));
