/* SPDX-License-Identifier: MIT */
#include "daemon/util/fd_reserve.h"

#include <sys/resource.h>

bool descriptor_spare(int fd) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY)
                return true;
        return (rlim_t)fd + DESCRIPTORS_KEPT < files.rlim_cur;
}
