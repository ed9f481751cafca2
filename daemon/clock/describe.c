/* SPDX-License-Identifier: MIT */
#include "daemon/clock/describe.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/util/time.h"
#include "shm/isotime.h"

const char *describe_duration(int64_t ns, char text[DESCRIBE_DURATION_TEXT]) {
        uint64_t size = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, s = size / NS_PER_S;

        if (s == 0)
                snprintf(text, DESCRIBE_DURATION_TEXT, "%" PRIu64 " ms", size / NS_PER_MS);
        else if (s < 120)
                snprintf(text, DESCRIBE_DURATION_TEXT, "%" PRIu64 ".%" PRIu64 " s", s,
                         size / (NS_PER_S / 10) % 10);
        else if (s < 7200)
                snprintf(text, DESCRIBE_DURATION_TEXT, "%" PRIu64 " min", s / 60);
        else if (s < 172800)
                snprintf(text, DESCRIBE_DURATION_TEXT, "%" PRIu64 " h", s / 3600);
        else
                snprintf(text, DESCRIBE_DURATION_TEXT, "%" PRIu64 " days", s / 86400);
        return text;
}

/* "for 37 s (until 2026-11-23T10:00:00Z)", by the wall clock as it is now. */
static const char *until(const struct guard *guard, const struct guard_reading *reading,
                         char *text, size_t size) {
        int64_t left_ns = guard->resume_boot_ns - reading->boottime_ns, at_ns;
        char date[ISOTIME_SIZE];

        if (guard->resume_boot_ns == INT64_MAX ||
            __builtin_add_overflow(reading->realtime_ns, left_ns, &at_ns)) {
                snprintf(text, size, "until the operator acts");
                return text;
        }
        snprintf(text, size, "for %" PRId64 " s (until %s)",
                 left_ns > 0 ? left_ns / NS_PER_S + 1 : 0,
                 isotime_format_short(at_ns / NS_PER_S * 1000, date));
        return text;
}

const char *describe_clock(const struct guard *guard, const struct guard_reading *reading,
                           char text[DESCRIBE_CLOCK_TEXT]) {
        char offset[DESCRIBE_DURATION_TEXT], end[96];

        describe_duration(guard->offset_ns, offset);
        until(guard, reading, end, sizeof(end));
        text[0] = '\0';
        switch (guard->reason) {
        case CLOCK_REASON_NONE:
                snprintf(text, DESCRIBE_CLOCK_TEXT, "Serving IDs.");
                break;
        case CLOCK_REASON_SLEWING:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "Serving IDs; a difference of %s to the wall clock is being slewed "
                         "away.",
                         offset);
                break;
        case CLOCK_REASON_OFFSET:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "Serving IDs, %s ahead of the wall clock, which was behind them; "
                         "the difference is being slewed away.",
                         offset);
                break;
        case CLOCK_REASON_STEPPING:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "Serving IDs, %s behind the wall clock, which was set forward; it "
                         "is followed as soon as the fence is raised.",
                         offset);
                break;
        case CLOCK_REASON_HELD:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "Serving IDs, %s behind the wall clock: it jumped forward by more "
                         "than clock.max_forward_step and is not followed. If it is right, "
                         "run 'sfshm clock accept'; if not, set it back.",
                         offset);
                break;
        case CLOCK_REASON_FENCE:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "No IDs %s: IDs up to the fence may have been issued before, and "
                         "the clock is behind it. If the clock is wrong, set it right; see "
                         "sfshm-clock(7).",
                         end);
                break;
        case CLOCK_REASON_ROLLBACK:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "No IDs %s: the wall clock is %s behind the last ones. If it is "
                         "wrong, set it right; if it is right, 'sfshm clock accept' "
                         "continues at once, ahead of it.",
                         end, offset);
                break;
        case CLOCK_REASON_UNSYNC:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "No IDs until the kernel's clock is synchronised "
                         "(clock.require_sync): start a time service, or run 'sfshm clock "
                         "accept' if the clock is right.");
                break;
        case CLOCK_REASON_END:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "No IDs: the clock is at the last tick of id.layout and id.epoch, "
                         "or past it. If it is wrong, set it right; if it is right, this ID "
                         "space is used up.");
                break;
        case CLOCK_REASON_WORKERS:
        case CLOCK_REASON_COORDINATOR:
        case CLOCK_REASON_ACCESS:
                break; /* while there is no clock, see lobby.c */
        case CLOCK_REASON_CLONED:
                snprintf(text, DESCRIBE_CLOCK_TEXT,
                         "No IDs: this machine was cloned or reverted to an earlier state. "
                         "If no other copy runs and the wall clock is right, run 'sfshm "
                         "clock accept'; a copy needs workers.first of its own and an empty "
                         "daemon.state_dir.");
                break;
        case CLOCK_REASON_STUCK:
                break;
        }
        return text;
}
