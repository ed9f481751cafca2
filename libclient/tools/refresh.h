/* SPDX-License-Identifier: MIT */
#pragma once
/* Asks the daemon for a fresh snapshot. */

/* Sends REFRESH to the socket at `path` without ever waiting. A descriptor to
 * keep open until the answer is there, or -errno. */
int refresh_send(const char *path);
