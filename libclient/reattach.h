/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Finding the daemon again after it was away. There is no thread of the
 * library's own: calls that are in the slow path anyway move it on, a step
 * that never blocks at a time, one thread at a time.
 */
#include <stdatomic.h>
#include <stdint.h>

struct sfshm;
struct attachment;

/*
 * In a page of its own under MADV_WIPEONFORK: a child finds it all zero, so it
 * never waits for a thread that only its parent has, and never takes the
 * parent's half-made connection for its own.
 */
struct reattach {
        _Atomic uint32_t busy; /* one thread is in a step; it never blocks there */
        uint32_t failures;     /* in a row */
        int32_t error;         /* of the last failure, negative errno */
        uint32_t reserved;
        int64_t begun_boot_ns; /* of the HELLO on the handle's pending socket; 0: none */
        _Atomic int64_t next_ns; /* CLOCK_MONOTONIC: not before */
};

int reattach_new(struct reattach **ret);
struct reattach *reattach_free(struct reattach *reattach);

/* For calls that hold a valid reservation: when the clock segment shows that the daemon
 * died or came back, looks whether it closed the connection of `a`, and takes a step if so. */
void reattach_upkeep(struct sfshm *s, struct attachment *a, int64_t boot_ns);

/*
 * One step towards a new attachment in place of `a`, whose connection is dead
 * or whose lanes are closed. 0: there is one (perhaps another thread's);
 * -EAGAIN: under way, wait a little (reattach_wait()); else why not, at once.
 */
int reattach_step(struct sfshm *s, struct attachment *a);

/* Waits until a step may get further, or until deadline_ns (CLOCK_MONOTONIC). */
void reattach_wait(int64_t deadline_ns);
