/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_ratelimit.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/util/time.h"

bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns,
                        char ret_more[LOG_RATELIMIT_TEXT]) {
        if (now_ns < ratelimit->open_ns) {
                ratelimit->suppressed++;
                return false;
        }
        ret_more[0] = '\0';
        if (ratelimit->suppressed > 0)
                snprintf(ret_more, LOG_RATELIMIT_TEXT, " (%" PRIu64 " more before)",
                         ratelimit->suppressed);
        ratelimit->suppressed = 0;
        ratelimit->open_ns = now_ns + NS_PER_S;
        return true;
}
