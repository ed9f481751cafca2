/* SPDX-License-Identifier: MIT */
#include "tests/support/capture.h"

#include <sys/mman.h>
#include <unistd.h>

void capture_begin(void) {
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        cr_assert(fd >= 0);
        cr_assert(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
        close(fd);
}

const char *capture_take(void) {
        static char text[65536];
        ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

        cr_assert(n >= 0);
        text[n] = '\0';
        cr_assert(ftruncate(STDERR_FILENO, 0) == 0);
        cr_assert(lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
        return text;
}
