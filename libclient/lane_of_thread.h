/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Which lane a thread uses: its CPU's, by the rseq area which glibc registers
 * for every thread (0.3 ns); where it does not (GLIBC_TUNABLES, old kernels),
 * one picked by the thread's own address. No call in either case.
 */
#include <stdint.h>
#include <sys/rseq.h>

#include "libclient/attachment.h"

static inline uint32_t lane_of_thread(const struct attachment *a) {
        uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
        const struct rseq *area;

        if (a->lane_mask == 0)
                return 0;
        if (__rseq_size == 0)
                return (uint32_t)((uint64_t)thread * UINT64_C(0x9e3779b97f4a7c15) >> 40) &
                       a->lane_mask;
        area = (const struct rseq *)(thread + (uintptr_t)__rseq_offset);
        /* volatile: the kernel changes it */
        return *(const volatile uint32_t *)&area->cpu_id & a->lane_mask;
}
