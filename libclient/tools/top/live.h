/* SPDX-License-Identifier: MIT */
#pragma once
/* sfshm-stat --top on a terminal. */
#include "libclient/tools/top/top.h"

/* Until the operator quits, a signal ends it, or `count` samples were shown. Returns the exit
 * status, by the last sample. */
int live_run(const struct top_settings *settings);
