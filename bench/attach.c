/* SPDX-License-Identifier: MIT */
/*
 * From opening a handle to its first ID, on an idle daemon and on a busy one, to nearly
 * all positions there are, and a thousand handles at once. Needs a daemon with workers.count=1.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "bench/support/callers.h"
#include "bench/support/measure.h"
#include "bench/support/process.h"
#include "bench/support/width.h"
#include "libclient/handle.h"

#define OPENS 200u
#define PAUSE_NS (20 * NS_PER_MS)
#define BUSY_CALLERS 2u
#define RAMPS 50u
#define RAMP_PAUSE_NS (37 * NS_PER_MS)
#define POSITIONS 4096u
#define CLIENTS 1000u
#define OPENERS 8u

static double open_to_first_id(void) {
        int64_t begun = now_ns(), ended;
        sfshm *s = open_or_die(0);
        uint64_t id;
        int r = sfshm_next(s, &id);

        ended = now_ns();
        if (r < 0)
                fail("the first sfshm_next", r);
        sfshm_close(s);
        return (double)(ended - begun) / 1e3;
}

static void report_opens(const char *const names[3], struct target median_target) {
        double us[OPENS];

        for (unsigned i = 0; i < OPENS; i++) {
                us[i] = open_to_first_id();
                sleep_ns(PAUSE_NS);
        }
        report_values(names[0], median(us, OPENS), "us", median_target, us, OPENS);
        report(names[1], percentile(us, OPENS, 0.99), "us", TARGET_NONE);
        report(names[2], us[OPENS - 1], "us", TARGET_NONE); /* sorted by now */
}

static uint32_t width_of(const sfshm *s) {
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);

        return width_at(attachment_grants(a), tick_now(attachment_clock(a)));
}

static double open_to_nearly_all(void) {
        int64_t begun = now_ns(), ended;
        sfshm *s = open_or_die(0);
        uint64_t id;

        while (width_of(s) * 100 < POSITIONS * 98) {
                int r = sfshm_next(s, &id);

                if (r < 0)
                        fail("sfshm_next", r);
        }
        ended = now_ns();
        sfshm_close(s);
        return (double)(ended - begun) / 1e6;
}

static void ramp(void) {
        double ms[RAMPS];

        for (unsigned i = 0; i < RAMPS; i++) {
                ms[i] = open_to_nearly_all();
                sleep_ns(RAMP_PAUSE_NS);
        }
        report("idle daemon: open to 98 % of all positions, median of 50", median(ms, RAMPS), "ms",
               TARGET_NONE);
        report_values("idle daemon: open to 98 % of all positions, max", ms[RAMPS - 1], "ms",
                      TARGET_AT_MOST(100), ms, RAMPS);
}

static void idle(void) {
        static const char *const names[] = { "idle daemon: open to first ID, median of 200",
                                             "idle daemon: open to first ID, p99",
                                             "idle daemon: open to first ID, max" };

        report_opens(names, TARGET_AT_MOST(500));
}

static void busy(void) {
        static const char *const names[] = {
                "2 saturating callers: open to first ID, median of 200",
                "2 saturating callers: open to first ID, p99",
                "2 saturating callers: open to first ID, max" };
        struct caller *callers = callers_start(BUSY_CALLERS, INT64_MAX, INT64_MAX);

        sleep_ns(2 * NS_PER_S);
        report_opens(names, TARGET_BELOW(5000));
        callers_kill(callers, BUSY_CALLERS);
}

static sfshm *handles[CLIENTS];
static _Atomic unsigned next_client;
static _Atomic unsigned failures;

static void *open_some(void *unused) {
        unsigned i;

        (void)unused;
        /* relaxed: each number is taken once, joining orders the rest */
        while ((i = atomic_fetch_add_explicit(&next_client, 1, memory_order_relaxed)) < CLIENTS) {
                uint64_t id;

                if (sfshm_open(&handles[i], NULL, 0) < 0 || sfshm_next(handles[i], &id) < 0)
                        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        }
        return NULL;
}

static double open_all(void) {
        pthread_t threads[OPENERS];
        int64_t begun = now_ns();

        for (unsigned i = 0; i < OPENERS; i++) {
                int error = pthread_create(&threads[i], NULL, open_some, NULL);

                if (error != 0)
                        fail("cannot start a thread", -error);
        }
        for (unsigned i = 0; i < OPENERS; i++)
                pthread_join(threads[i], NULL);
        return (double)(now_ns() - begun) / 1e6;
}

/* Everybody once more, while all are attached. */
static double all_once(void) {
        int64_t begun = now_ns();
        uint64_t id;

        for (unsigned i = 0; i < CLIENTS; i++)
                if (handles[i] == NULL || sfshm_next(handles[i], &id) < 0)
                        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
        return (double)(now_ns() - begun) / 1e6;
}

static void thousand(void) {
        struct process_memory before, after;
        double shared_before, shared_after, opened_ms, again_ms;

        raise_descriptor_limit();
        before = process_memory(daemon_pid());
        shared_before = shared_memory_kib();
        opened_ms = open_all();
        again_ms = all_once();
        after = process_memory(daemon_pid());
        shared_after = shared_memory_kib();
        report("1,000 clients: all opened and with an ID after", opened_ms, "ms", TARGET_NONE);
        report("1,000 clients: one more ID for each, one after another", again_ms, "ms",
               TARGET_NONE);
        report("1,000 clients: calls that failed", failures, "calls", TARGET_AT_MOST(0));
        report("daemon's Rss for each client", (after.rss_kib - before.rss_kib) / CLIENTS, "KiB",
               TARGET_BELOW(64));
        report("daemon's Pss for each client", (after.pss_kib - before.pss_kib) / CLIENTS, "KiB",
               TARGET_NONE);
        report("the machine's shared memory for each client",
               (shared_after - shared_before) / CLIENTS, "KiB", TARGET_BELOW(64));
        for (unsigned i = 0; i < CLIENTS; i++)
                sfshm_close(handles[i]);
}

int main(void) {
        report_title("attach", "from opening a handle to its first ID, one worker ID");
        idle();
        ramp();
        busy();
        thousand();
        return 0;
}
