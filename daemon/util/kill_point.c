/* SPDX-License-Identifier: MIT */
#include "daemon/util/kill_point.h"

#ifdef SFSHM_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Counts only while the variable is set, so that a test can prepare before it arms its
 * child. */
void kill_point(void) {
        static _Atomic unsigned long visited;
        const char *at = getenv("SFSHM_FAULT_AT");

        if (!at)
                return;
        /* relaxed: an independent counter; it orders nothing */
        if (atomic_fetch_add_explicit(&visited, 1, memory_order_relaxed) + 1 ==
            strtoul(at, NULL, 10))
                (void)kill(getpid(), SIGKILL);
}
#endif
