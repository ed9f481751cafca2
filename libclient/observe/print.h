/* SPDX-License-Identifier: MIT */
#pragma once
/* Prints errors, and text that is safe where it goes, for all tools. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXIT_USAGE 2 /* the command line is wrong */

/* Prints "NAME: text" on stderr. Returns 1, the exit status. */
int print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same of a wrong command line, and where its help is. Returns EXIT_USAGE. */
int print_usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only the latter, below a message of getopt_long(3). */
int print_usage_hint(void);

#define PRINT_QUOTED_SIZE 256
/* The text in single quotes, safe for a terminal: bytes other than printable ASCII as \xNN, and
 * a long text cut with "...". Returns `ret`. */
const char *print_quoted(const char *text, size_t length, char ret[PRINT_QUOTED_SIZE]);

/* Prints a JSON string with its quotes: at most `size` bytes of `text`, which may end earlier
 * with a NUL. Bytes outside ASCII become \u00NN. */
void print_json_string(FILE *out, const char *text, size_t size);

/* Prints at most `size` bytes, up to a NUL. A byte that could control a terminal or end a label
 * becomes '?'. */
void print_plain(FILE *out, const char *text, size_t size);

/* Prints value / divisor exactly, in decimals. The divisor is a power of ten. */
void print_scaled(FILE *out, int64_t value, int64_t divisor);

/* Flushes. Returns 0, or 1 after printing that the output could not be written. */
int print_finish(FILE *out);
