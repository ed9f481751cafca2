/* SPDX-License-Identifier: MIT */
#include "libclient/lane_of_thread.h"

#include <stddef.h>
#include <sys/rseq.h>

uintptr_t thread_cpu_offset;

bool thread_cpu_find(void) {
        thread_cpu_offset = (uintptr_t)__rseq_offset + offsetof(struct rseq, cpu_id);
        return __rseq_size != 0;
}
