/* SPDX-License-Identifier: MIT */
#pragma once
/* What the code under test writes to stderr. Criterion runs each test in a
 * process of its own, so that nothing has to be put back. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline void capture_begin(void) {
        int fd = memfd_create("stderr", MFD_CLOEXEC);

        cr_assert(fd >= 0);
        cr_assert(dup2(fd, STDERR_FILENO) == STDERR_FILENO);
        close(fd);
}

/* What was written since the last call; good until the next one. */
static inline const char *capture_take(void) {
        static char text[65536];
        ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);

        cr_assert(n >= 0);
        text[n] = '\0';
        cr_assert(ftruncate(STDERR_FILENO, 0) == 0);
        cr_assert(lseek(STDERR_FILENO, 0, SEEK_SET) == 0);
        return text;
}

#define cr_assert_contains(text, part)                                                             \
        cr_assert(strstr((text), (part)) != NULL, "\"%s\" is not in \"%s\"", (part), (text))
