/* SPDX-License-Identifier: MIT */
/* Loaded before libfaketime, which moves every absolute timer by what the wall
 * clock is off, those on CLOCK_BOOTTIME as well. The kernel does not. */
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *ret_old) {
        return (int)syscall(SYS_timerfd_settime, fd, flags, at, ret_old);
}
