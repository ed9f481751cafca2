/* SPDX-License-Identifier: MIT */
#include "libclient/cpu_lane.h"

#include <stddef.h>
#include <sys/rseq.h>

uintptr_t cpu_lane_offset;

bool cpu_lane_find(void) {
        cpu_lane_offset = (uintptr_t)__rseq_offset + offsetof(struct rseq, cpu_id);
        return __rseq_size != 0;
}
