/* SPDX-License-Identifier: MIT */
#pragma once
/* What this host knows of a client: its user's name, the control group of its process. */
#include "libclient/tools/top/model.h"

extern const struct top_host process_host;

/* CLOCK_BOOTTIME at which a process started, of the text of /proc/PID/stat, rounded down to the
 * kernel's clock ticks; -1 if it does not say. */
int64_t process_start_ns(const char *stat);
/* The path in the unified hierarchy, of the text of /proc/PID/cgroup; false without one. */
bool process_parse_cgroup(const char *text, char ret[TOP_CGROUP_SIZE]);
