/* SPDX-License-Identifier: MIT */
#pragma once
/* A line of output as it is put together: bounded, and what does not fit is left out. */
#include <stddef.h>

struct log_text {
        size_t length;
        char bytes[6 * 2048 + 6 * 768 + 1024]; /* a sentence and fields, all of it escaped */
};

void log_text_put(struct log_text *text, const char *bytes, size_t n);
void log_text_string(struct log_text *text, const char *string);
void log_text_format(struct log_text *text, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* Bytes that are not printable ASCII become \xHH, a backslash \\. */
void log_text_escape(struct log_text *text, const char *string);
