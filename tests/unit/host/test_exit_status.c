/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/exit_status.h"
#include "tests/support/notify_socket.h"

Test(exit_status, what_the_operator_must_settle_is_told_apart) {
        static const int needs_operator[] = { EPERM, EACCES, ENOENT, EEXIST, EINVAL, EXDEV, EBADMSG,
                                       EPROTO };
        static const int passing[] = { EBUSY, EADDRINUSE, ENOMEM, ENOSPC, EIO, EMFILE, EROFS,
                                       EAGAIN, 4000 };

        for (size_t i = 0; i < sizeof(needs_operator) / sizeof(needs_operator[0]); i++)
                cr_expect_eq(exit_status_of(-needs_operator[i]), STATUS_REFUSED, "%d", needs_operator[i]);
        for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
                cr_expect_eq(exit_status_of(-passing[i]), STATUS_RUNTIME, "%d", passing[i]);
}

/* A signal that asks to stop ends the pause, and the manager is told. Red when
 * exit_status_tell() sleeps deaf: the signal is pending still. */
Test(exit_status, the_pause_ends_with_a_signal) {
        char message[256];
        sigset_t signals;
        int manager = notify_socket_new();

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        raise(SIGTERM);
        exit_status_tell(STATUS_RUNTIME);
        sigpending(&signals);
        cr_expect_not(sigismember(&signals, SIGTERM));
        cr_assert(notify_socket_next(manager, message, sizeof(message)));
        cr_expect_not_null(strstr(message, "STATUS=Could not start"));
        exit_status_tell(STATUS_REFUSED);
        cr_assert(notify_socket_next(manager, message, sizeof(message)));
        cr_expect_not_null(strstr(message, "STATUS=Refuses to start"));
}
