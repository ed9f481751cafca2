/* SPDX-License-Identifier: MIT */
#include "daemon/repair/above.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/lease/state/fence_file.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"
#include "shm/isotime.h"

#define MS_PER_DAY INT64_C(86400000)

/* At most INT64_MAX: all bits but the sign. */
static int parse_id(const char *text, uint64_t *ret) {
        uint64_t id = 0;

        for (; *text != '\0'; text++)
                if (__builtin_mul_overflow(id, UINT64_C(10), &id) ||
                    __builtin_add_overflow(id, (uint64_t)(*text - '0'), &id) || id > INT64_MAX)
                        return -ERANGE;
        *ret = id;
        return 0;
}

int above_parse(const struct id_layout *layout, const char *text, uint64_t *ret_tick) {
        int64_t unix_ms, ms;
        uint64_t tick;

        if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
                if (parse_id(text, &tick) < 0)
                        return -ERANGE;
                tick >>= id_position_bits(layout);
        } else {
                int r = isotime_parse(text, ISOTIME_ROUND_UP, &unix_ms);

                if (r < 0)
                        return r;
                if (__builtin_sub_overflow(unix_ms, layout->epoch_unix_ms, &ms) || ms < 0)
                        return -ERANGE;
                tick = (uint64_t)ms;
        }
        /* the daemon starts below the last tick only */
        if (tick >= id_tick_max(layout))
                return -ERANGE;
        *ret_tick = tick > 0 ? tick : 1; /* a fence of 0 says that there are no IDs */
        return 0;
}

/* Until then the next daemon gives no ID, or IDs that are as far ahead. */
static int check_ahead(const struct id_layout *layout, uint64_t tick) {
        int64_t now_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS, fence_ms, ahead_ms;
        char time[FENCE_TIME_SIZE];

        if (__builtin_add_overflow(layout->epoch_unix_ms, (int64_t)tick, &fence_ms) ||
            __builtin_sub_overflow(fence_ms, now_ms, &ahead_ms))
                ahead_ms = INT64_MAX;
        if (ahead_ms <= MS_PER_DAY)
                return 0;
        return log_failure(
                ERANGE, EVENT_FENCE_ABOVE,
                "%s is %" PRId64 " days ahead of the wall clock: "
                "for as long there would be no IDs, or IDs which are as far ahead. Check "
                "the clock, and that the ID is of id.layout and id.epoch; --force does "
                "it nevertheless",
                fence_time(layout, tick, time), ahead_ms / MS_PER_DAY);
}

int above_tick(const struct id_layout *layout, const char *text, bool force, uint64_t *ret_tick) {
        char end[FENCE_TIME_SIZE], begin[FENCE_TIME_SIZE];
        uint64_t tick;
        int r = above_parse(layout, text, &tick);

        if (r == -EINVAL)
                return log_failure(EINVAL, EVENT_FENCE_ABOVE,
                                   "\"%s\" is neither an ID nor a time: say a "
                                   "decimal ID, or a time as " ISOTIME_FORMS,
                                   text);
        if (r < 0)
                return log_failure(-r, EVENT_FENCE_ABOVE,
                                   "%s is outside the times of id.epoch and "
                                   "id.layout, from %s to %s: nothing can begin above it",
                                   text, fence_time(layout, 1, begin),
                                   fence_time(layout, id_tick_max(layout), end));
        r = force ? 0 : check_ahead(layout, tick);
        if (r == 0)
                *ret_tick = tick;
        return r;
}

uint64_t above_least_tick(const struct config *config) {
        int64_t ms = (time_ns(CLOCK_REALTIME) + config->horizon_ns) / NS_PER_MS, tick;

        if (__builtin_sub_overflow(ms, config->layout.epoch_unix_ms, &tick) || tick < 0)
                return 0;
        return (uint64_t)tick;
}

int above_check(const struct id_layout *layout, uint64_t tick, uint64_t least_tick,
                struct log_event event, const char *who) {
        char time[FENCE_TIME_SIZE], least_time[FENCE_TIME_SIZE];

        if (tick >= least_tick)
                return 0;
        fence_time(layout, least_tick, least_time);
        return log_failure(EINVAL, event, "%s may have issued IDs up to %s, which is "
                           "now plus workers.horizon or later: whoever takes their worker IDs would "
                           "begin above %s and issue those between the two again. Say --above %s; --force does "
                           "it nevertheless", who, least_time, fence_time(layout, tick, time),
                           least_time);
}
