/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The log on standard error, one line for each event; log_output.h says how a line looks.
 * The function that turns a condition into an error logs it once: it knows what happened,
 * to what, and what to do. Callers pass the negative errno up and stay silent. errno is
 * left unchanged.
 *
 * Between log_start() and log_stop(), in the daemon, no call waits for standard error: lines
 * are written by a thread of their own, or lost and counted, see log_queue.h. Each call has
 * a rate limit of its own; a line that follows suppressed ones says how many they were:
 * " (3 more before)". Outside of that, in a command of the operator, every line is written
 * at once and by the caller.
 */
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/util/log_events.h"

/* Before any other thread starts. 0 or -errno. */
int log_start(void);
/* The last lines are written, if standard error takes them. */
void log_stop(void);
/* Lines that were lost. Any thread. */
uint64_t log_lost(void);

/* One line a second, and `burst` at once after a pause. */
struct log_ratelimit {
        const int64_t burst;
        _Atomic int64_t paid_ns; /* each line moves it on by a second */
        _Atomic uint64_t suppressed; /* since the last line */
};

/* As much as a list of keys, endpoints or worker IDs may take. */
#define LOG_BURST 64

/* log_event(EVENT_…, format, …): an event of log_events.h, at its level or another by
 * log_at(), with fields by WITH(); the rest makes the sentence. */
#define log_event(...) log_event_limited(LOG_BURST, __VA_ARGS__)
/* For what somebody else can cause: one a second, without a burst. */
#define log_event_throttled(...) log_event_limited(1, __VA_ARGS__)

/* Logs at ERROR and returns -error (a positive errno). */
#define log_failure(error, ...)                                                                    \
        __extension__({                                                                            \
                static struct log_ratelimit log_ratelimit_ = { .burst = LOG_BURST };               \
                log_failure_at(&log_ratelimit_, error, __VA_ARGS__);                               \
        })

/* There is no way to log without a limit: what follows is for the macros. */
#define log_event_limited(n, ...)                                                                  \
        do {                                                                                       \
                static struct log_ratelimit log_ratelimit_ = { .burst = (n) };                     \
                log_event_at(&log_ratelimit_, __VA_ARGS__);                                        \
        } while (0)

void log_event_at(struct log_ratelimit *ratelimit, struct log_event event, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));
int log_failure_at(struct log_ratelimit *ratelimit, int error, struct log_event event,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Is a line due at that time? ret_more: the suppressed ones before it. Any thread. */
_Bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns, uint64_t *ret_more);
