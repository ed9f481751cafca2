/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which lane a thread uses: its CPU's, by the rseq area which glibc registers
 * for every thread: one load at a fixed distance from the thread pointer. Where
 * glibc does not (an old kernel, GLIBC_TUNABLES), a handle has one lane.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"

/* Where a thread finds its CPU's number, from the thread pointer. The same in
 * all threads and for good; a copy of our own spares the hot path two loads. */
extern __attribute__((visibility("hidden"))) uintptr_t cpu_lane_offset;

/* Before the first handle is there. Do threads know their CPU? */
bool cpu_lane_find(void);

/* Of a handle with several lanes. */
static inline uint32_t cpu_lane_parallel(const struct attachment *a) {
        uint32_t cpu;

#if defined(__x86_64__)
        /* the thread pointer is the base of fs */
        __asm__ __volatile__("movl %%fs:(%1), %0" : "=r"(cpu) : "r"(cpu_lane_offset));
#else
        /* volatile: the kernel changes it */
        cpu = *(const volatile uint32_t *)((uintptr_t)__builtin_thread_pointer() +
                                           cpu_lane_offset);
#endif
        return cpu & a->lane_mask;
}

static inline uint32_t cpu_lane(const struct attachment *a) {
        return a->lane_mask == 0 ? 0 : cpu_lane_parallel(a);
}
