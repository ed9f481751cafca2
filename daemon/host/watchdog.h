/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The service manager's watchdog (WatchdogSec=), fed by the progress of every
 * thread. A beat is a look at the threads by the ledger thread, a third to half
 * of $WATCHDOG_USEC after the last one: if each has answered the question of
 * that one, WATCHDOG=1 is sent and they are asked again, which wakes each of
 * them once. A thread that is stopped or hangs is thus noticed, also an idle
 * one, and the manager's patience ends at most one and a half periods later.
 * Without $WATCHDOG_USEC nothing is asked and nobody wakes up.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCHDOG_THREADS_MAX 4u

struct watchdog_thread {
        const char *name; /* as in /proc/PID/task/TID/comm */
        void *context;
        /* Wakes the thread, which keeps the number as its answer when it comes
         * by its loop. Does not wait for it. */
        void (*ask)(void *context, uint32_t question);
        /* True also while there is a better place to tell of a stall. */
        bool (*answered)(void *context, uint32_t question);
};

struct watchdog {
        int64_t period_ns; /* 0: nobody watches */
        int64_t early_ns;  /* when a beat is possible, if the ledger thread is awake anyway */
        int64_t due_ns;    /* when it is due */
        int64_t asked_ns;
        uint32_t question; /* the last one */
        unsigned misses;   /* beats in a row without all answers */
        size_t n_threads;
        struct watchdog_thread threads[WATCHDOG_THREADS_MAX];
        bool reported[WATCHDOG_THREADS_MAX]; /* that it does not answer */
};

/* Reads $WATCHDOG_USEC and $WATCHDOG_PID. */
void watchdog_init(struct watchdog *watchdog);
/* At most WATCHDOG_THREADS_MAX; all before the first beat. */
void watchdog_add(struct watchdog *watchdog, struct watchdog_thread thread);
/* The ledger thread, whenever it comes by its loop: beats if it is time to.
 * Returns when it must come by again (CLOCK_BOOTTIME), INT64_MAX: never. */
int64_t watchdog_run(struct watchdog *watchdog, int64_t now_ns);
