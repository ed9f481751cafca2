/* SPDX-License-Identifier: MIT */
#pragma once
/* The list as a table of 80 columns. Pure, except for `out`. */
#include <stdio.h>

#include "daemon/repair/workers_list.h"

/* 0 or -ENOMEM. */
int workers_list_text(FILE *out, const struct workers_list *list);

/* Prints printable ASCII as it is and '?' for the rest, such as control sequences. */
void workers_print_plain(FILE *out, const char *text);
