/* SPDX-License-Identifier: MIT */
/*
 * What the daemon costs with a hundred clients attached: each taking 20,000
 * IDs a second, each taking all it can get, and none taking any. Needs a
 * daemon with workers.count=1. The clients are threads with a handle each.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "bench/support/measure.h"
#include "bench/support/process.h"

#define CLIENTS 100u
#define PACE_NS (5 * NS_PER_MS)
#define PACE_IDS 100u
#define SETTLE_NS (2 * NS_PER_S)
#define BUSY_NS (5 * NS_PER_S)
#define CALM_NS (4 * NS_PER_S) /* nobody counts as busy any more, all are standing */
#define IDLE_NS (10 * NS_PER_S)

static sfshm *handles[CLIENTS];
static _Atomic bool stop;
static _Atomic uint64_t ids;
static bool paced;

static void *client(void *argument) {
        sfshm *s = argument;
        int64_t at_ns = now_ns();

        while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
                uint64_t id;
                int r = 0;

                for (unsigned i = 0; i < PACE_IDS && r == 0; i++)
                        r = sfshm_next(s, &id);
                if (r < 0)
                        fail("sfshm_next", r);
                atomic_fetch_add_explicit(&ids, PACE_IDS, memory_order_relaxed);
                at_ns += PACE_NS;
                if (paced)
                        sleep_until_ns(at_ns);
        }
        return NULL;
}

struct cost {
        double cpu;      /* of a core */
        double switches; /* a second */
        double ids;      /* a second */
};

static struct cost observe(int64_t ns) {
        int64_t cpu_ns = process_cpu_ns(daemon_pid()), begun_ns = now_ns();
        uint64_t switches = process_switches(daemon_pid());
        uint64_t had = atomic_load_explicit(&ids, memory_order_relaxed);
        double seconds;

        sleep_ns(ns);
        seconds = (double)(now_ns() - begun_ns) / 1e9;
        return (struct cost){
                .cpu = (double)(process_cpu_ns(daemon_pid()) - cpu_ns) / 1e9 / seconds,
                .switches = (double)(process_switches(daemon_pid()) - switches) / seconds,
                .ids = (double)(atomic_load_explicit(&ids, memory_order_relaxed) - had) / seconds,
        };
}

static struct cost while_busy(void) {
        pthread_t threads[CLIENTS];
        struct cost cost;

        atomic_store_explicit(&stop, false, memory_order_relaxed);
        for (unsigned i = 0; i < CLIENTS; i++) {
                int error = pthread_create(&threads[i], NULL, client, handles[i]);

                if (error != 0)
                        fail("cannot start a thread", -error);
        }
        sleep_ns(SETTLE_NS);
        cost = observe(BUSY_NS);
        atomic_store_explicit(&stop, true, memory_order_relaxed);
        for (unsigned i = 0; i < CLIENTS; i++)
                pthread_join(threads[i], NULL);
        return cost;
}

static void report_cost(const char *who, struct cost cost, struct target cpu,
                        struct target switches) {
        char name[128];

        snprintf(name, sizeof(name), "%s: IDs taken", who);
        report(name, cost.ids / 1e6, "M/s", TARGET_NONE);
        snprintf(name, sizeof(name), "%s: daemon's CPU", who);
        report(name, cost.cpu * 100, "% core", cpu);
        snprintf(name, sizeof(name), "%s: daemon's wake-ups", who);
        report(name, cost.switches, "/s", switches);
}

int main(void) {
        report_title("daemon_cost", "what the daemon costs with 100 clients, one worker ID");
        for (unsigned i = 0; i < CLIENTS; i++)
                handles[i] = open_or_die(0);
        sleep_ns(CALM_NS);
        report_cost("100 idle clients", observe(IDLE_NS), TARGET_NONE, TARGET_BELOW(1));
        paced = true;
        report_cost("100 clients, 20,000 IDs/s each", while_busy(), TARGET_BELOW(5), TARGET_NONE);
        paced = false;
        report_cost("100 saturating clients", while_busy(), TARGET_BELOW(5), TARGET_NONE);
        for (unsigned i = 0; i < CLIENTS; i++)
                sfshm_close(handles[i]);
        return 0;
}
