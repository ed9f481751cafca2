/* SPDX-License-Identifier: MIT */
#include "tests/support/thread_switches.h"

#include <criterion/criterion.h>
#include <stdio.h>

long thread_switches(pid_t process, pid_t thread) {
        char path[64], line[128];
        long switches = -1;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)process, (int)thread);
        file = fopen(path, "re");
        cr_assert_not_null(file);
        while (fgets(line, sizeof(line), file))
                if (sscanf(line, "voluntary_ctxt_switches: %ld", &switches) == 1)
                        break;
        fclose(file);
        cr_assert(switches >= 0);
        return switches;
}
