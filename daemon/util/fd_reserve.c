/* SPDX-License-Identifier: MIT */
#include "daemon/util/fd_reserve.h"

#include <sys/resource.h>

bool fd_reserve_spares(int fd) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
                return true;
        return (rlim_t)fd + FD_RESERVE_COUNT < files.rlim_cur;
}
