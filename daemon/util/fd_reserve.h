/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Descriptors which clients make the daemon hold never use up the last ones:
 * without these the fence could not be written, and everybody would stop.
 */
#include <stdbool.h>

#define DESCRIPTORS_KEPT 16

/* May `fd` be kept for a client? The kernel gives the lowest free number, so
 * while all that are kept pass this, DESCRIPTORS_KEPT are left. */
bool descriptor_spare(int fd);
