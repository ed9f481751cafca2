/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Attaches again after the daemon was away. The library has no thread of its own: calls
 * that take the slow path anyway advance the attempt, one non-blocking step and one
 * thread at a time.
 */
#include <stdatomic.h>
#include <stdint.h>

struct sfshm;
struct attachment;

/*
 * It lies in a page of its own under MADV_WIPEONFORK. A child finds it all zero, so it
 * never waits for a thread that only its parent has, and never takes the parent's
 * unfinished connection for its own.
 */
struct reattach {
        _Atomic uint32_t busy; /* a thread is in a step, where it never blocks */
        uint32_t failures;     /* in a row */
        int32_t error;         /* of the last failure, negative errno */
        uint32_t reserved;
        int64_t begun_boot_ns; /* of the HELLO on the handle's pending socket; 0: none */
        _Atomic int64_t next_ns; /* CLOCK_MONOTONIC of the next attempt */
};

int reattach_new(struct reattach **ret);
struct reattach *reattach_free(struct reattach *reattach);

/* For calls that hold a valid reservation: when the clock segment shows that the daemon
 * died or came back, looks whether it closed the connection of `a`, and takes a step if so. */
void reattach_upkeep(struct sfshm *s, struct attachment *a, int64_t boot_ns);

/*
 * One step towards a new attachment in place of `a`, whose connection is dead or whose
 * lanes are closed. 0: there is one, perhaps made by another thread; -EAGAIN: in
 * progress, wait a little with reattach_wait(); else the reason of the failure.
 */
int reattach_step(struct sfshm *s, struct attachment *a);

/* Waits until another step may succeed, or until deadline_ns (CLOCK_MONOTONIC). */
void reattach_wait(int64_t deadline_ns);
