/* SPDX-License-Identifier: MIT */
#include "daemon/util/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/util/log_output.h"
#include "daemon/util/log_queue.h"
#include "daemon/util/time.h"

bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns, uint64_t *ret_more) {
        /* relaxed, all: the limit orders nothing, and the exchange lets each second be
         * spent once */
        int64_t paid_ns = atomic_load_explicit(&ratelimit->paid_ns, memory_order_relaxed), from_ns;

        do {
                from_ns = paid_ns > now_ns ? paid_ns : now_ns;
                if (from_ns - now_ns > (ratelimit->burst - 1) * NS_PER_S) {
                        atomic_fetch_add_explicit(&ratelimit->suppressed, 1, memory_order_relaxed);
                        return false;
                }
        } while (!atomic_compare_exchange_weak_explicit(&ratelimit->paid_ns, &paid_ns,
                                                        from_ns + NS_PER_S, memory_order_relaxed,
                                                        memory_order_relaxed));
        *ret_more = atomic_exchange_explicit(&ratelimit->suppressed, 0, memory_order_relaxed);
        return true;
}

__attribute__((format(printf, 3, 0)))
static void log_at_once(struct log_event event, int error, const char *format, va_list args) {
        struct log_line line;

        log_line_format(&line, event, 0, error, format, args);
        /* a log that cannot be written cannot be reported anywhere */
        (void)log_output_write(&line);
}

__attribute__((format(printf, 4, 0)))
static void log_put(struct log_ratelimit *ratelimit, struct log_event event, int error,
                    const char *format, va_list args) {
        struct log_line *line;
        uint64_t more;

        if (!log_ratelimit_pass(ratelimit, time_ns(CLOCK_BOOTTIME), &more))
                return;
        line = log_queue_take();
        if (line == NULL)
                return;
        log_line_format(line, event, more, error, format, args);
        log_queue_put(line);
}

__attribute__((format(printf, 4, 0)))
static void log_write(struct log_ratelimit *ratelimit, struct log_event event, int error,
                      const char *format, va_list args) {
        int saved_errno = errno;

        if (log_queue_running())
                log_put(ratelimit, event, error, format, args);
        else
                log_at_once(event, error, format, args);
        errno = saved_errno;
}

void log_event_at(struct log_ratelimit *ratelimit, struct log_event event, const char *format,
                  ...) {
        va_list args;

        va_start(args, format);
        log_write(ratelimit, event, 0, format, args);
        va_end(args);
}

int log_failure_at(struct log_ratelimit *ratelimit, int error, struct log_event event,
                   const char *format, ...) {
        va_list args;

        va_start(args, format);
        log_write(ratelimit, log_at(LOG_LEVEL_ERROR, event), error, format, args);
        va_end(args);
        return -error;
}

int log_start(void) {
        int r = log_queue_start();

        if (r < 0)
                return log_failure(-r, EVENT_START, "cannot start the log's thread: %s",
                                   strerror(-r));
        return 0;
}

void log_stop(void) {
        log_queue_stop();
}

uint64_t log_lost(void) {
        return log_queue_lost();
}
