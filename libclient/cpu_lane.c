/* SPDX-License-Identifier: MIT */
#include "libclient/cpu_lane.h"

#include <stddef.h>

uintptr_t cpu_lane_offset;

#if defined(__GLIBC__) && __has_include(<sys/rseq.h>)
#include <sys/rseq.h>

bool cpu_lane_find(void) {
        cpu_lane_offset = (uintptr_t)__rseq_offset + offsetof(struct rseq, cpu_id);
        return __rseq_size != 0;
}
#else /* a C library without it: musl, glibc before 2.35 */
bool cpu_lane_find(void) {
        return false;
}
#endif
