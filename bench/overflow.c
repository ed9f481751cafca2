/* SPDX-License-Identifier: MIT */
/*
 * How long calls take when a tick's positions do not suffice. Needs a daemon
 * with workers.count=1. One caller; each call is timed, which costs it about
 * one reading of the clock.
 */
#include "bench/support/measure.h"

#define MEASURE_NS (3 * NS_PER_S)
#define BATCH 256u
#define BURST 1000u
#define BURSTS 200u
#define QUIET_NS (10 * NS_PER_MS)

static void single(sfshm *s) {
        static struct latencies calls;
        int64_t before = now_ns(), until = before + MEASURE_NS;
        uint64_t id;

        while (before < until) {
                int r = sfshm_next(s, &id);
                int64_t after = now_ns();

                if (r < 0)
                        fail("sfshm_next", r);
                latencies_add(&calls, after - before);
                before = after;
        }
        latencies_report("single calls at saturation", &calls, TARGET_NONE);
}

static void batches(sfshm *s) {
        static struct latencies calls;
        static uint64_t ids[BATCH];
        int64_t before = now_ns(), until = before + MEASURE_NS;

        while (before < until) {
                int r = sfshm_next_batch(s, ids, BATCH);
                int64_t after = now_ns();

                if (r < 0)
                        fail("sfshm_next_batch", r);
                latencies_add(&calls, after - before);
                before = after;
        }
        latencies_report("batches of 256 at saturation", &calls, TARGET_NONE);
}

/* What a program feels that wants many IDs now and then. */
static void bursts(sfshm *s) {
        static struct latencies whole;
        uint64_t id;

        for (unsigned i = 0; i < BURSTS; i++) {
                int64_t begun;

                sleep_ns(QUIET_NS);
                begun = now_ns();
                for (unsigned call = 0; call < BURST; call++) {
                        int r = sfshm_next(s, &id);

                        if (r < 0)
                                fail("sfshm_next", r);
                }
                latencies_add(&whole, now_ns() - begun);
        }
        latencies_report("1,000 calls after 10 ms of quiet", &whole, TARGET_NONE);
}

int main(void) {
        sfshm *s = open_or_die(0);

        report_title("overflow", "latency with one worker ID, one caller");
        warm_up(s, 2 * NS_PER_S);
        single(s);
        batches(s);
        bursts(s);
        sfshm_close(s);
        return 0;
}
