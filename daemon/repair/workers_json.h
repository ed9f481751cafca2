/* SPDX-License-Identifier: MIT */
#pragma once
/* The list as one object on one line, host by host: all of 65,536 together take much memory.
 * Pure, except for `out`. */
#include <stdio.h>

#include "daemon/repair/workers_list.h"

/* 0 or -ENOMEM. */
int workers_list_json(FILE *out, const struct workers_list *list);
