/* SPDX-License-Identifier: MIT */
#pragma once
/* sfshm-stat --top. */
#include <stdint.h>
#include <stdio.h>

#include "libclient/observe/take.h"

#define TOP_INTERVAL_NS INT64_C(1000000000) /* the daemon counts once a second */

struct top_settings {
        struct take_target target;
        int64_t interval_ns;
        uint64_t count; /* of frames; 0: without end */
};

/* --batch: one frame after another, the first one at once and without rates. Goes on whatever the
 * daemon's state is. Returns the exit status, by the last sample. */
int top_batch(const struct top_settings *settings, FILE *out);
