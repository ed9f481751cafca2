/* SPDX-License-Identifier: MIT */
#include "tests/support/own_space.h"

#include <stdio.h>
#include <unistd.h>

char *own_space(void) {
        static char name[32];

        snprintf(name, sizeof(name), "test %d", (int)getpid());
        return name;
}
