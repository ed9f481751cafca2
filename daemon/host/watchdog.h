/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The service manager's watchdog (WatchdogSec=), fed by the progress of every thread. At
 * each beat the ledger thread looks at the threads, a third to half of $WATCHDOG_USEC after
 * the last beat. If each has answered the last question, WATCHDOG=1 is sent and they are
 * asked again, which wakes each of them once. So a thread that is stopped or hangs is
 * noticed even while idle, and the manager acts at most one and a half periods later.
 * Without $WATCHDOG_USEC nothing is asked and no thread wakes up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCHDOG_THREADS_MAX 4u

struct watchdog_thread {
        const char *name; /* as in /proc/PID/task/TID/comm */
        void *context;
        /* Wakes the thread, which stores the number as its answer in its loop. Does not
         * wait for it. */
        void (*ask)(void *context, uint32_t question);
        /* True also while another module reports why the thread waits. */
        bool (*answered)(void *context, uint32_t question);
};

struct watchdog {
        int64_t period_ns; /* 0: there is no watchdog */
        int64_t early_ns;  /* a beat is possible from here on, if the thread is awake anyway */
        int64_t due_ns;    /* when it is due */
        int64_t asked_ns;
        uint32_t question; /* the last one */
        unsigned misses;   /* beats in a row without all answers */
        size_t n_threads;
        struct watchdog_thread threads[WATCHDOG_THREADS_MAX];
        bool reported[WATCHDOG_THREADS_MAX]; /* it was logged that it does not answer */
};

/* Reads $WATCHDOG_USEC and $WATCHDOG_PID. */
void watchdog_init(struct watchdog *watchdog);
/* At most WATCHDOG_THREADS_MAX. */
void watchdog_add(struct watchdog *watchdog, struct watchdog_thread thread);
/* The ledger thread calls this in each round of its loop; beats if it is time. Returns the
 * CLOCK_BOOTTIME by which it must be called again; INT64_MAX: never. */
int64_t watchdog_run(struct watchdog *watchdog, int64_t now_ns);
