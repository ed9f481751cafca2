/* SPDX-License-Identifier: MIT */
#pragma once
/* What both tools print: errors, quoted text, JSON strings. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "NAME: sentence" on stderr; returns 1, the exit status. */
int print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define PRINT_QUOTED_SIZE 256
/* The text in single quotes, safe to show on a terminal: anything but printable
 * ASCII as \xNN, cut with "..." when long. Returns `ret`. */
const char *print_quoted(const char *text, size_t length, char ret[PRINT_QUOTED_SIZE]);

/* A JSON string with its quotes; at most `size` bytes of `text`, which may end
 * earlier with a NUL. Bytes outside ASCII are written as \u00NN. */
void print_json_string(FILE *out, const char *text, size_t size);

/* Flushes; 0, or 1 after saying that the output could not be written. */
int print_finish(FILE *out);
