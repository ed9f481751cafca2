/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/exit_status.h"
#include "tests/support/notify_socket.h"

Test(refusal, what_a_person_must_settle_is_told_apart) {
        static const int persons[] = { EPERM, EACCES, ENOENT, EEXIST, EINVAL, EXDEV, EBADMSG,
                                       EPROTO };
        static const int passing[] = { EBUSY, EADDRINUSE, ENOMEM, ENOSPC, EIO, EMFILE, EROFS,
                                       EAGAIN, 4000 };

        for (size_t i = 0; i < sizeof(persons) / sizeof(persons[0]); i++)
                cr_expect_eq(refusal_status(-persons[i]), STATUS_REFUSED, "%d", persons[i]);
        for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
                cr_expect_eq(refusal_status(-passing[i]), STATUS_RUNTIME, "%d", passing[i]);
}

/* A signal that asks to stop ends the pause, and the manager is told. Red when
 * refusal_tell() sleeps deaf: the signal is pending still. */
Test(refusal, the_pause_ends_with_a_signal) {
        char message[256];
        sigset_t signals;
        int manager = notify_socket_new();

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        raise(SIGTERM);
        refusal_tell(STATUS_RUNTIME);
        sigpending(&signals);
        cr_expect_not(sigismember(&signals, SIGTERM));
        cr_assert(notify_socket_next(manager, message, sizeof(message)));
        cr_expect_not_null(strstr(message, "STATUS=Could not start"));
        refusal_tell(STATUS_REFUSED);
        cr_assert(notify_socket_next(manager, message, sizeof(message)));
        cr_expect_not_null(strstr(message, "STATUS=Refuses to start"));
}
