/* SPDX-License-Identifier: MIT */
#pragma once
/* One ID and its parts, as a line of a table or of JSON. */
#include <stdint.h>
#include <stdio.h>

#include "libclient/sfshm.h"

/* One object on one line. The ID is a string: JavaScript's numbers have 53 bits.
 * 0, or what sfshm_decode() said; nothing is printed then. */
int id_line_print_json(FILE *out, const struct sfshm_layout *layout, uint64_t id);

/* Columns as wide as the layout's largest values. */
void id_line_print_header(FILE *out, const struct sfshm_layout *layout);
/* 0, or what sfshm_decode() said; nothing is printed then. */
int id_line_print(FILE *out, const struct sfshm_layout *layout, uint64_t id);
