/* SPDX-License-Identifier: MIT */
#pragma once
/* The head of a frame: the state of the daemon, its clock and its lease, sums and rates. */
#include "libclient/tools/top/draw.h"

void head_draw(struct drawing *d, const struct top_model *model, const struct top_view *view,
               int64_t unix_ms);
