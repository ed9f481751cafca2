/* SPDX-License-Identifier: MIT */
#include "shm/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* open() gives the lowest free number, so that from 0 on each gets its own. */
static void process_fill(int fd) {
        static const int access[] = {
                [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_RDWR,
        };

        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
                return;
        /* without a /dev anything that takes the number does */
        if (open("/dev/null", access[fd]) < 0)
                (void)!open("/", O_PATH);
}

/* Unlike SIG_IGN it ends at an exec: another program gets the signal as it was. */
static void ignore_signal(int signal) {
        (void)signal;
}

void process_begin(void) {
        struct sigaction ignore = { .sa_handler = ignore_signal, .sa_flags = SA_RESTART };

        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                process_fill(fd);
        sigaction(SIGXFSZ, &ignore, NULL);
}

int process_finish(FILE *out) {
        if (fflush(out) == 0 && !ferror(out))
                return 0;
        return errno != 0 ? -errno : -EIO;
}
