/* SPDX-License-Identifier: MIT */
#pragma once
/* Text and numbers for the page. */
#include <stdint.h>
#include <stdio.h>

/* Escaped; bytes outside printable ASCII become '?'. */
void html_text(FILE *out, const char *text);

#define HTML_COUNT 24
/* Three digits: "0", "3.46 k", "15.7 M". Returns `ret`. */
const char *html_count(double value, char ret[HTML_COUNT]);

/* A row of a table: <tr><th>name</th><td>…</td></tr>, its value as printf(3), escaped. */
void html_row(FILE *out, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
