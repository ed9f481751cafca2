/* SPDX-License-Identifier: MIT */
#include "daemon/segment/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "daemon/util/log.h"

#define POSIX_DIRECTORY "/dev/shm" /* as in libc's shm_open() */

static int place_resolve(struct place *place, const char *shm, const char *name) {
        bool is_posix = shm[0] == '/' && shm[1] != '\0' && !strchr(shm + 1, '/');
        int n, m;

        if (shm[0] != '/' || shm[1] == '\0')
                return -EINVAL;
        n = snprintf(place->directory, sizeof(place->directory), "%s",
                     is_posix ? POSIX_DIRECTORY : shm);
        m = snprintf(place->file, sizeof(place->file), "%s%s%s", is_posix ? shm + 1 : "",
                     is_posix ? "." : "", name);
        return n < 0 || (size_t)n >= sizeof(place->directory) || m < 0 ||
                               (size_t)m >= sizeof(place->file) ?
                       -ENAMETOOLONG :
                       0;
}

static int place_check_directory(const struct place *place) {
        struct statfs fs;
        struct stat st;

        if (fstat(place->fd, &st) < 0 || fstatfs(place->fd, &fs) < 0)
                return log_failure(errno, EVENT_SEGMENT_DIRECTORY, "cannot examine %s: %m",
                                   place->directory);
        if (st.st_uid != geteuid() && st.st_uid != 0)
                return log_failure(EPERM, EVENT_SEGMENT_DIRECTORY,
                                   "the directory %s belongs to uid %u; segments need one of uid "
                                   "%u or root: give it away with chown or set another daemon.shm",
                                   place->directory, (unsigned)st.st_uid, (unsigned)geteuid());
        if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (st.st_mode & S_ISVTX) == 0)
                return log_failure(EPERM, EVENT_SEGMENT_DIRECTORY,
                                   "others may replace files in the directory %s (mode %04o); "
                                   "take their write permission away or set its sticky bit",
                                   place->directory, (unsigned)st.st_mode & 07777);
        if (fs.f_type != TMPFS_MAGIC)
                return log_failure(EINVAL, EVENT_SEGMENT_DIRECTORY,
                                   "the directory %s is not on a tmpfs; segments must be memory: "
                                   "set daemon.shm to a POSIX name such as /sfshm or to a "
                                   "directory on a tmpfs",
                                   place->directory);
        return 0;
}

int place_open(struct place *ret, const char *shm, const char *name) {
        /* /dev/shm itself belongs to root and may be a link; another directory may not */
        struct place place = { .fd = -1 };
        int follow, r = place_resolve(&place, shm, name);

        if (r < 0)
                return log_failure(-r, EVENT_SEGMENT_NAME,
                                   "%s cannot hold shared memory: daemon.shm is a POSIX name such "
                                   "as /sfshm or an absolute directory, not too long",
                                   shm);
        follow = strcmp(place.directory, POSIX_DIRECTORY) == 0 ? 0 : O_NOFOLLOW;
        place.fd = open(place.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
        if (place.fd < 0)
                return log_failure(errno, EVENT_SEGMENT_DIRECTORY,
                                   "cannot open the directory %s of the shared memory: %m; it must "
                                   "be an existing directory, not a link",
                                   place.directory);
        r = place_check_directory(&place);
        if (r < 0) {
                place_close(&place);
                return r;
        }
        *ret = place;
        return 0;
}

void place_close(struct place *place) {
        if (place->fd >= 0)
                (void)close(place->fd);
        place->fd = -1;
}

uintmax_t place_free_bytes(const struct place *place) {
        struct statfs fs;

        if (fstatfs(place->fd, &fs) < 0)
                return 0;
        return (uintmax_t)fs.f_bavail * (uintmax_t)fs.f_bsize;
}

static const char *kind_name(mode_t mode) {
        if (S_ISREG(mode))
                return "file";
        if (S_ISLNK(mode))
                return "symbolic link";
        if (S_ISDIR(mode))
                return "directory";
        return "special file";
}

static int place_judge(const struct place *place, mode_t mode, const struct stat *st) {
        if (st->st_uid != geteuid() || !S_ISREG(st->st_mode))
                return log_failure(EEXIST, WITH(EVENT_SEGMENT_SQUATTED, FIELD(FILE, place->file)),
                                   "the name %s/%s is taken by a %s of uid %u; the daemon (uid %u) "
                                   "needs it for itself: have it removed and find out who made it, "
                                   "or set another daemon.shm",
                                   place->directory, place->file, kind_name(st->st_mode),
                                   (unsigned)st->st_uid, (unsigned)geteuid());
        if ((st->st_mode & 07777) != mode || st->st_nlink != 1)
                return log_failure(EEXIST, WITH(EVENT_SEGMENT_SQUATTED, FIELD(FILE, place->file)),
                                   "%s/%s has mode %04o and %ju links instead of mode %04o and 1 "
                                   "link, so another user may have changed it: stop the processes "
                                   "that use it and remove it",
                                   place->directory, place->file, (unsigned)st->st_mode & 07777,
                                   (uintmax_t)st->st_nlink, (unsigned)mode);
        return 0;
}

int place_open_file(const struct place *place, mode_t mode, int *ret_fd, off_t *ret_size) {
        char self[32];
        struct stat st;
        int fd, r, path_fd = openat(place->fd, place->file, O_PATH | O_NOFOLLOW | O_CLOEXEC);

        if (path_fd < 0)
                return errno == ENOENT ? 0 :
                                         log_failure(errno,
                                                     WITH(EVENT_SEGMENT_OPEN,
                                                          FIELD(FILE, place->file)),
                                                     "cannot open %s/%s: %m",
                                                     place->directory, place->file);
        r = fstat(path_fd, &st) < 0 ? -errno : place_judge(place, mode, &st);
        if (r < 0) {
                (void)close(path_fd);
                return r;
        }
        /* opens the very file that was checked, whatever has the name by now */
        snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
        fd = open(self, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                r = log_failure(errno, WITH(EVENT_SEGMENT_OPEN, FIELD(FILE, place->file)),
                                "cannot open %s/%s for writing: %m",
                                place->directory, place->file);
        (void)close(path_fd);
        if (r < 0)
                return r;
        *ret_fd = fd;
        *ret_size = st.st_size;
        return 1;
}
