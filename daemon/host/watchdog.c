/* SPDX-License-Identifier: MIT */
#include "daemon/host/watchdog.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "daemon/util/log.h"
#include "daemon/host/notify.h"
#include "daemon/util/time.h"

/* Parts of the period. The manager counts from the last WATCHDOG=1 that it received: the
 * first retry comes at 5/8 of the period, the last at 7/8. */
#define EARLY(period) ((period) / 3)
#define DUE(period) ((period) / 2)
#define RETRY(period) ((period) / 8)
/* No scheduler can keep a shorter period, and 0 would spin. */
#define PERIOD_MIN_NS (8 * NS_PER_MS)
#define PERIOD_MAX_NS (86400 * NS_PER_S) /* a day: no sum below overflows */

void watchdog_init(struct watchdog *watchdog) {
        uint64_t period_us = 0;

        *watchdog = (struct watchdog){ .due_ns = INT64_MAX };
        /* an error means that the variable is malformed: treated as if it were not set */
        if (sd_watchdog_enabled(0, &period_us) <= 0)
                return;
        watchdog->period_ns = period_us > (uint64_t)PERIOD_MAX_NS / 1000 ?
                                      PERIOD_MAX_NS :
                                      (int64_t)period_us * 1000;
        if (watchdog->period_ns < PERIOD_MIN_NS)
                watchdog->period_ns = PERIOD_MIN_NS;
}

void watchdog_add(struct watchdog *watchdog, struct watchdog_thread thread) {
        assert(watchdog->n_threads < WATCHDOG_THREADS_MAX);
        watchdog->threads[watchdog->n_threads++] = thread;
        /* between two beats: it has not heard of the last question */
        if (watchdog->question != 0)
                thread.ask(thread.context, watchdog->question);
}

static bool answered(const struct watchdog *watchdog, size_t i) {
        const struct watchdog_thread *thread = &watchdog->threads[i];

        return thread->answered(thread->context, watchdog->question);
}

static bool all_answered(const struct watchdog *watchdog) {
        for (size_t i = 0; i < watchdog->n_threads; i++)
                if (!answered(watchdog, i))
                        return false;
        return true;
}

/* Not at the first miss: the answer may be under way. */
static void report_silent(struct watchdog *watchdog, int64_t now_ns) {
        for (size_t i = 0; i < watchdog->n_threads; i++) {
                if (watchdog->reported[i] || answered(watchdog, i))
                        continue;
                watchdog->reported[i] = true;
                log_event(WITH(EVENT_THREAD_SILENT, FIELD(THREAD, watchdog->threads[i].name),
                               FIELD(DURATION_NS, now_ns - watchdog->asked_ns)),
                          "the thread %s has not answered for "
                          "%" PRId64 " ms: WATCHDOG=1 is withheld, so the service manager will "
                          "kill and restart this daemon when WatchdogSec= has passed; find out "
                          "what stops the thread (a debugger, too little processor time)",
                          watchdog->threads[i].name, (now_ns - watchdog->asked_ns) / NS_PER_MS);
        }
}

static void report_back(struct watchdog *watchdog) {
        for (size_t i = 0; i < watchdog->n_threads; i++) {
                if (!watchdog->reported[i])
                        continue;
                watchdog->reported[i] = false;
                log_event(WITH(EVENT_THREAD_ANSWERS, FIELD(THREAD, watchdog->threads[i].name)),
                          "the thread %s answers again",
                          watchdog->threads[i].name);
        }
}

static void ask(struct watchdog *watchdog, int64_t now_ns) {
        watchdog->question++;
        watchdog->asked_ns = now_ns;
        for (size_t i = 0; i < watchdog->n_threads; i++)
                watchdog->threads[i].ask(watchdog->threads[i].context, watchdog->question);
}

int64_t watchdog_run(struct watchdog *watchdog, int64_t now_ns) {
        if (watchdog->period_ns == 0 || now_ns < watchdog->early_ns)
                return watchdog->due_ns;
        if (!all_answered(watchdog)) {
                if (++watchdog->misses > 1)
                        report_silent(watchdog, now_ns);
                watchdog->early_ns = watchdog->due_ns = now_ns + RETRY(watchdog->period_ns);
                return watchdog->due_ns;
        }
        watchdog->misses = 0;
        report_back(watchdog);
        if (notify_send("WATCHDOG=1", NULL, 0) == -EAGAIN) {
                watchdog->early_ns = watchdog->due_ns = now_ns + RETRY(watchdog->period_ns);
                return watchdog->due_ns;
        }
        ask(watchdog, now_ns);
        watchdog->early_ns = now_ns + EARLY(watchdog->period_ns);
        watchdog->due_ns = now_ns + DUE(watchdog->period_ns);
        return watchdog->due_ns;
}
