/* SPDX-License-Identifier: MIT */
#include "daemon/host/exit_status.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/host/notify.h"

/* Wrong owners, modes, names and kinds; state that is damaged, foreign, of another
 * version, or missing where it was before; a fence at the end of the ID space. Not
 * EBUSY and EADDRINUSE: the process that holds it may be about to end. */
static const int needs_operator[] = {
        EPERM,        EACCES, ENOENT, ENOTDIR, EISDIR,  EEXIST, ELOOP,
        ENAMETOOLONG, EINVAL, EXDEV,  EBADMSG, EPROTO, ERANGE,
};

enum exit_status exit_status_of(int error) {
        for (size_t i = 0; i < sizeof(needs_operator) / sizeof(needs_operator[0]); i++)
                if (error == -needs_operator[i])
                        return STATUS_REFUSED;
        return STATUS_RUNTIME;
}

void exit_status_tell(enum exit_status status) {
        static const struct timespec pause = { .tv_sec = 1 };
        sigset_t signals;

        if (getenv("NOTIFY_SOCKET") == NULL)
                return;
        if (status != STATUS_RUNTIME) {
                (void)notify_send("STATUS=Refuses to start; its log says why and what to do.", NULL, 0);
                return;
        }
        (void)notify_send("STATUS=Could not start, its log says why; retrying.", NULL, 0);
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        (void)sigtimedwait(&signals, NULL, &pause);
}
