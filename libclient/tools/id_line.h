/* SPDX-License-Identifier: MIT */
#pragma once
/* An ID and its parts as a line of a table or of JSON. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "libclient/sfshm.h"

/* One object on one line. The ID is a string, since JavaScript's numbers have 53 bits. Returns
 * 0, or an error of sfshm_decode() and then prints nothing. */
int id_line_print_json(FILE *out, const struct sfshm_layout *layout, uint64_t id);

/* Columns as wide as the layout's largest values, below a header which is printed unless *titled.
 * Returns 0 with *titled set, or an error of sfshm_decode() and then prints nothing. */
int id_line_print(FILE *out, const struct sfshm_layout *layout, uint64_t id, bool *titled);

/* Finds the text of the ID in a line that id_line_print_json() printed, blanks between its tokens
 * aside; what follows the ID is not looked at, but must end as an object does. */
bool id_line_find_json(const char *line, size_t length, const char **ret_id, size_t *ret_length);
