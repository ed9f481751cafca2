/* SPDX-License-Identifier: MIT */
#pragma once
/* What the daemon's threads share: how they start, and waiting with a limit. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "daemon/util/time.h"

/* Starts a named thread with all signals blocked: the ledger thread takes the signals. */
static inline int thread_start(pthread_t *ret, const char *name, void *(*run)(void *),
                               void *context) {
        sigset_t all, before;
        pthread_t thread;
        int error;

        sigfillset(&all);
        error = pthread_sigmask(SIG_SETMASK, &all, &before);
        if (error != 0)
                return -error;
        error = pthread_create(&thread, NULL, run, context);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (error != 0)
                return -error;
        /* the name only helps to inspect the process: a failure changes nothing */
        pthread_setname_np(thread, name);
        *ret = thread;
        return 0;
}

/* A condition whose timeouts do not depend on the wall clock. */
static inline int thread_condition_init(pthread_cond_t *condition) {
        pthread_condattr_t attributes;
        int error = pthread_condattr_init(&attributes);

        if (error != 0)
                return -error;
        error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (error == 0)
                error = pthread_cond_init(condition, &attributes);
        pthread_condattr_destroy(&attributes);
        return -error;
}

/* For pthread_cond_timedwait() on such a condition. */
static inline struct timespec thread_deadline(int64_t from_now_ns) {
        struct timespec at;

        clock_gettime(CLOCK_MONOTONIC, &at);
        at.tv_sec += from_now_ns / NS_PER_S;
        at.tv_nsec += from_now_ns % NS_PER_S;
        if (at.tv_nsec >= NS_PER_S) {
                at.tv_sec++;
                at.tv_nsec -= NS_PER_S;
        }
        return at;
}
