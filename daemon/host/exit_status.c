/* SPDX-License-Identifier: MIT */
#include "daemon/host/exit_status.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

/* Wrong owners, modes, names and kinds; state that is damaged, foreign, of another
 * version or missing where it was; a fence at the end of the ID space. Not EBUSY,
 * EADDRINUSE: who holds it may be about to end. */
static const int for_a_person[] = {
        EPERM,        EACCES, ENOENT, ENOTDIR, EISDIR,  EEXIST, ELOOP,
        ENAMETOOLONG, EINVAL, EXDEV,  EBADMSG, EPROTO, ERANGE,
};

enum refusal_status refusal_status(int error) {
        for (size_t i = 0; i < sizeof(for_a_person) / sizeof(for_a_person[0]); i++)
                if (error == -for_a_person[i])
                        return STATUS_REFUSED;
        return STATUS_RUNTIME;
}

void refusal_tell(enum refusal_status status) {
        static const struct timespec pause = { .tv_sec = 1 };
        sigset_t signals;

        if (getenv("NOTIFY_SOCKET") == NULL)
                return;
        if (status != STATUS_RUNTIME) {
                (void)sd_notify(0, "STATUS=Refuses to start; its log says why and what to do.");
                return;
        }
        (void)sd_notify(0, "STATUS=Could not start, its log says why; trying again.");
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        (void)sigtimedwait(&signals, NULL, &pause);
}
