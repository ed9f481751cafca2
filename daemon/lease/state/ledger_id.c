/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/ledger_id.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/util/log.h"

static int path_of(char *path, size_t size, const char *state_dir, const char *file) {
        int n = snprintf(path, size, "%s/%s", state_dir, file);

        if (n < 0 || (size_t)n >= size)
                return log_failure(ENAMETOOLONG, EVENT_STATE, "the path of daemon.state_dir is too "
                                   "long: %s", state_dir);
        return 0;
}

int ledger_id_read(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]) {
        char path[PATH_MAX];
        uint8_t bytes[LEDGER_ID_SIZE + 1];
        ssize_t n;
        int fd, r = path_of(path, sizeof(path), state_dir, "ledger-lineage");

        if (r < 0)
                return r;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? -ENOENT
                                       : log_failure(errno, EVENT_STATE, "cannot read %s: %s", path,
                                                     strerror(errno));
        n = read(fd, bytes, sizeof(bytes));
        close(fd);
        /* cut off by a crash of the machine: no segment of this boot can have it */
        if (n != LEDGER_ID_SIZE)
                return -ENOENT;
        memcpy(ret, bytes, LEDGER_ID_SIZE);
        return 0;
}

/* Not synced: after a crash of the machine no segment is left to match it. */
int ledger_id_renew(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]) {
        char path[PATH_MAX], temporary[PATH_MAX];
        uint8_t bytes[LEDGER_ID_SIZE];
        int fd, error = 0, r = path_of(path, sizeof(path), state_dir, "ledger-lineage");

        if (r < 0 || (r = path_of(temporary, sizeof(temporary), state_dir, ".ledger-lineage")) < 0)
                return r;
        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return log_failure(EIO, EVENT_STATE, "the kernel gives no random numbers");
        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return log_failure(errno, EVENT_STATE,
                                   "cannot write %s: %s; make room or repair the "
                                   "disk", temporary, strerror(errno));
        errno = ENOSPC; /* what a short write means */
        if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
                error = errno;
        if (close(fd) < 0 && error == 0)
                error = errno;
        if (error == 0 && rename(temporary, path) < 0)
                error = errno;
        if (error != 0)
                return log_failure(error, EVENT_STATE,
                                   "cannot write %s: %s; make room or repair the "
                                   "disk", path, strerror(error));
        memcpy(ret, bytes, LEDGER_ID_SIZE);
        return 0;
}

/* Not synced either: see ledger_id_renew(). */
int ledger_id_forget(const char *state_dir) {
        char path[PATH_MAX];
        int r = path_of(path, sizeof(path), state_dir, "ledger-lineage");

        if (r == 0 && unlink(path) < 0 && errno != ENOENT)
                r = log_failure(errno, EVENT_STATE,
                                "cannot remove %s: %s; repair the disk, or mount "
                                "it for writing", path, strerror(errno));
        return r;
}
