/* SPDX-License-Identifier: MIT */
#pragma once
/* A frame: the daemon's state, its workers, its clients. */
#include "libclient/tools/top/draw.h"

struct frame {
        struct top_model *model;
        struct top_view *view; /* its `scroll` is kept in range, its `page` set */
        const struct top_host *host;
        int64_t unix_ms; /* the wall clock */
};

void frame_draw(const struct frame *frame, const struct draw_sink *sink);
