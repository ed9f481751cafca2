/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Keeps the last file descriptors from being used up by clients: without them the fence
 * could not be written, and all clients would stop.
 */
#include <stdbool.h>

#define FD_RESERVE_COUNT 16

/* May `fd` be kept for a client? The kernel assigns the lowest free number, so as long as
 * all descriptors that are kept pass this check, FD_RESERVE_COUNT are left. */
bool fd_reserve_spares(int fd);
