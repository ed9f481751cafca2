/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>

/* A histogram of so many values for people to look at: a bar for each step of a
 * 1-2-5 series, between the smallest and the largest. */
void bars_print(const char *title, const double *values, size_t n);
