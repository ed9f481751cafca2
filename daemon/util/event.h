/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The event loop of one thread. A source is a descriptor and the function to call when
 * it is ready. A round is a function that is called after each batch of events; it
 * returns when it is due again. All times are CLOCK_BOOTTIME.
 *
 *      for (;;) {
 *              event_dispatch(&loop);          waits, then calls the sources
 *              event_run_rounds(&loop, …);     calls the rounds, in their order
 *      }
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/metrics.h"

struct event_source {
        int fd;
        void (*ready)(void *context, uint32_t events, int64_t now_ns); /* EPOLL… */
        void *context;
};

/* Returns when it is due again: `now_ns` is at once, but after the sources had their
 * turn; INT64_MAX is not before an event. A round that gives work to an earlier one
 * returns `now_ns`. */
typedef int64_t (*event_round)(void *context, int64_t now_ns);

struct event_loop {
        int epoll_fd, timer_fd;
        int64_t armed_ns; /* what the timer is set to; INT64_MAX: nothing */
        int64_t now_ns;   /* the same for all rounds after a batch of events */
        bool stopped;     /* the last wait was, see event_dispatch() */
        int64_t woke_ns;  /* the last wait ended; 0: none did yet */
        struct histogram delay; /* from there to the end of the rounds; any thread reads it */
        struct event_source timer;
};
#define EVENT_LOOP_NONE ((struct event_loop){ .epoll_fd = -1, .timer_fd = -1 })

/* The loop must stay where it is. 0 or -errno; then event_loop_close() is still due. */
int event_loop_open(struct event_loop *loop);
void event_loop_close(struct event_loop *loop);

/* Calls the source when it is readable, or its peer hung up. It must stay where it is
 * until it is removed and the batch of events is over. */
int event_add(struct event_loop *loop, struct event_source *source);
/* False: only a hang-up or an error is reported. */
int event_listen(struct event_loop *loop, struct event_source *source, bool listen);
void event_remove(struct event_loop *loop, struct event_source *source);

/* Waits for events and calls their sources. 0 or -errno. Sets `stopped` if the wait ended
 * because the process was stopped or frozen and continues: in a thread that handles no
 * signals nothing else interrupts it. */
int event_dispatch(struct event_loop *loop);
/* Calls each round, then sets the timer to the earliest time returned. */
void event_run_rounds(struct event_loop *loop, const event_round *rounds, size_t n, void *context);
/* For a round that has taken long: reads the time anew for those after it. */
void event_update_time(struct event_loop *loop);
