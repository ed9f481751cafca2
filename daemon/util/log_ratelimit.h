/* SPDX-License-Identifier: MIT */
#pragma once
/* At most one log line a second of a kind. */
#include <stdbool.h>
#include <stdint.h>

struct log_ratelimit {
        int64_t open_ns;     /* no line before */
        uint64_t suppressed; /* since the last line */
};

#define LOG_RATELIMIT_TEXT 48u
/* True when a line may be written. ret_more: "", or " (N more before)" for the
 * suppressed lines. */
bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns,
                        char ret_more[LOG_RATELIMIT_TEXT]);
