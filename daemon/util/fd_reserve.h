/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Descriptors which clients make the daemon hold never use up the last ones:
 * without these the fence could not be written, and everybody would stop.
 */
#include <stdbool.h>

#define FD_RESERVE_COUNT 16

/* May `fd` be kept for a client? The kernel gives the lowest free number, so
 * while all that are kept pass this, FD_RESERVE_COUNT are left. */
bool fd_reserve_spares(int fd);
