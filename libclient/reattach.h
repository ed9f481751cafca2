/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Attaches again after the daemon was away. The library has no thread of its own: calls
 * that take the slow path anyway advance the attempt, one non-blocking step and one
 * thread at a time. Each process does so for itself: what it cannot do, or has done already,
 * changes nothing for its relatives, who use the old lanes as long as they are promised.
 */
#include <stdbool.h>
#include <stdint.h>

struct sfshm;
struct attachment;

/* For calls that hold a valid reservation: gives back what older attachments hold. And when
 * the clock segment shows that the daemon died or came back, looks whether it closed the
 * connection of `a`, and takes a step if so. */
void reattach_upkeep(struct sfshm *s, struct attachment *a, int64_t boot_ns);

/*
 * One step towards a new attachment in place of `a`, whose connection is dead or whose
 * pages have ended. 0: there is one, perhaps made by another thread; -EAGAIN: in progress;
 * -EBUSY: another thread is in a step; else the reason of the failure.
 */
int reattach_step(struct sfshm *s, struct attachment *a);

/* After a step returned -EAGAIN or another error that may pass: waits until another step may
 * succeed, or until deadline_ns (CLOCK_MONOTONIC). *pause_ns is as for clock_next_pause(). */
void reattach_wait(struct sfshm *s, int step, int64_t deadline_ns, int64_t *pause_ns);

/*
 * A call that waits on the pages of `a` holds it meanwhile. False, and nothing is held, if the
 * handle already uses a newer one.
 */
bool reattach_hold(struct sfshm *s, struct attachment *a, uint32_t *ret_number);
void reattach_release(struct sfshm *s, uint32_t number);
