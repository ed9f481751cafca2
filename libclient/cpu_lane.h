/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lane of a thread is that of its CPU. The CPU's number is one load at a fixed
 * distance from the thread pointer, in the rseq area that glibc registers for every
 * thread. Where there is none (old kernel, GLIBC_TUNABLES, musl), a handle has one lane.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"

/* The distance of the CPU's number from the thread pointer. It is the same in all threads and
 * never changes. This copy saves the hot path two loads. */
extern __attribute__((visibility("hidden"))) uintptr_t cpu_lane_offset;

/* Do threads know their CPU? Called before the first handle exists. */
bool cpu_lane_find(void);

/* The lane of the calling thread in a handle with several lanes. */
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
