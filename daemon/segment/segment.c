/* SPDX-License-Identifier: MIT */
#include "daemon/segment/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/util/fd_reserve.h"
#include "daemon/util/log.h"
#include "daemon/segment/place.h"

static int segment_map(struct segment *segment) {
        /* populated, so that the ticker and the ledger thread do not fault later */
        void *map = mmap(NULL, segment->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                         segment->fd, 0);

        if (map == MAP_FAILED)
                return -errno;
        segment->map = map;
        return 0;
}

/* Allocates all pages now, or fails now; otherwise lack of memory would raise SIGBUS
 * later. */
static int segment_prefault(const struct segment *segment) {
        int error;

        do
                error = posix_fallocate(segment->fd, 0, (off_t)segment->size);
        while (error == EINTR);
        return -error;
}

void segment_unmap(struct segment *segment) {
        if (segment->map)
                (void)munmap(segment->map, segment->size);
        segment->map = NULL;
}

void segment_close(struct segment *segment) {
        segment_unmap(segment);
        if (segment->fd >= 0)
                (void)close(segment->fd);
        *segment = SEGMENT_NONE;
}

/* Only we and root can change the group: a wrong one comes from an old configuration, not
 * from an attack, and is corrected. */
static int segment_set_group(int fd, gid_t gid, const struct place *place) {
        struct stat st;

        if (gid == (gid_t)-1)
                return 0;
        if (fstat(fd, &st) == 0 && (st.st_gid == gid || fchown(fd, (uid_t)-1, gid) == 0))
                return 0;
        return log_failure(errno, WITH(EVENT_SEGMENT_GROUP, FIELD(FILE, place->file)),
                           "cannot give %s/%s to group %u: %m; make the daemon's user a member "
                           "of that group",
                           place->directory, place->file, (unsigned)gid);
}

static int segment_no_memory(int error, const struct place *place, size_t size) {
        if (error == ENOSPC)
                return log_failure(error, WITH(EVENT_SEGMENT_FULL, FIELD(FILE, place->file)),
                                   "%s is full: %s needs %zu bytes, %ju are free; remove files "
                                   "there or mount it with a larger size",
                                   place->directory, place->file, size, place_free_bytes(place));
        errno = error;
        return log_failure(error, WITH(EVENT_SEGMENT_MEMORY, FIELD(FILE, place->file)),
                           "cannot get %zu bytes of memory for %s/%s: %m",
                           size, place->directory, place->file);
}

/* The file has no name, not even a temporary one: a daemon that is killed now leaves
 * nothing behind. */
static int segment_create(struct segment *segment, const struct place *place, size_t size,
                          mode_t mode, gid_t gid) {
        int r;

        segment->fd = openat(place->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (segment->fd < 0)
                return log_failure(errno, EVENT_SEGMENT_CREATE,
                                   "cannot create a file in %s: %m; the daemon must be able to "
                                   "write there",
                                   place->directory);
        segment->size = size;
        segment->fresh = true;
        r = segment_prefault(segment);
        if (r == 0)
                r = segment_map(segment);
        if (r < 0)
                return segment_no_memory(-r, place, size);
        r = segment_set_group(segment->fd, gid, place);
        if (r < 0)
                return r;
        /* last, because a change of the group may clear mode bits; the umask does not apply */
        if (fchmod(segment->fd, mode) < 0)
                return log_failure(errno, WITH(EVENT_SEGMENT_MODE, FIELD(FILE, place->file)),
                                   "cannot set mode %04o of %s/%s: %m",
                                   (unsigned)mode, place->directory, place->file);
        return 0;
}

/* 1: adopted; 0: there is none, or it is ours and does not fit. */
static int segment_adopt(struct segment *segment, const struct place *place, size_t size,
                         mode_t mode, gid_t gid, segment_accept_fn accept, const void *context) {
        off_t found;
        int r = place_open_file(place, mode, &segment->fd, &found);

        if (r <= 0)
                return r;
        segment->size = size;
        if (found == (off_t)size) {
                /* fills holes; what is there stays */
                r = segment_prefault(segment);
                if (r == 0)
                        r = segment_map(segment);
                if (r < 0)
                        return segment_no_memory(-r, place, size);
                if (!accept || accept(segment->map, size, context)) {
                        r = segment_set_group(segment->fd, gid, place);
                        return r < 0 ? r : 1;
                }
        }
        log_event(WITH(EVENT_SEGMENT_REPLACED, FIELD(FILE, place->file)),
                  "%s/%s (%jd bytes) is not of this boot, version or configuration; a new one "
                  "takes its place",
                  place->directory, place->file, (intmax_t)found);
        segment_close(segment);
        return 0;
}

int segment_open(struct segment *ret, const char *shm, const char *name, size_t size, mode_t mode,
                 gid_t gid, segment_accept_fn accept, const void *context) {
        struct segment segment = SEGMENT_NONE;
        struct place place;
        int r = place_open(&place, shm, name);

        if (r < 0)
                return r;
        r = segment_adopt(&segment, &place, size, mode, gid, accept, context);
        if (r == 0)
                r = segment_create(&segment, &place, size, mode, gid);
        place_close(&place);
        if (r < 0) {
                segment_close(&segment);
                return r;
        }
        *ret = segment;
        return 0;
}

/* Links it under a name that nobody can guess, then moves it over the old one. */
static int segment_link(const struct segment *segment, const struct place *place) {
        char self[32], temporary[PLACE_FILE_MAX + 32];
        uint64_t random;
        int error;

        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
                return -EIO;
        snprintf(self, sizeof(self), "/proc/self/fd/%d", segment->fd);
        snprintf(temporary, sizeof(temporary), ".%s.%016jx", place->file, (uintmax_t)random);
        if (linkat(AT_FDCWD, self, place->fd, temporary, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        if (renameat(place->fd, temporary, place->fd, place->file) == 0)
                return 0;
        error = errno;
        (void)unlinkat(place->fd, temporary, 0);
        return -error;
}

int segment_publish(struct segment *segment, const char *shm, const char *name) {
        struct place place;
        int r;

        if (!segment->fresh)
                return 0;
        r = place_open(&place, shm, name);
        if (r < 0)
                return r;
        r = segment_link(segment, &place);
        if (r == 0) {
                segment->fresh = false;
        } else {
                errno = -r;
                (void)log_failure(-r, EVENT_SEGMENT_PUBLISH,
                                  "cannot give the new segment its name %s/%s: %m; if that name "
                                  "is another user's file, have it removed or set another "
                                  "daemon.shm",
                                  place.directory, place.file);
        }
        place_close(&place);
        return r;
}

int segment_lock(const struct segment *segment) {
        if (flock(segment->fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* since Linux 6.3; nobody needs to execute these pages */
#endif

#define MEMFD_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int memfd_new(const char *name) {
        int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

        if (fd < 0 && errno == EINVAL)
                fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return fd < 0 ? -errno : fd;
}

int segment_memfd(struct segment *ret, const char *name, size_t size) {
        struct segment segment = { .fd = memfd_new(name), .size = size, .fresh = true };
        int r = segment.fd < 0 ? segment.fd : 0;

        if (r == 0 && !fd_reserve_spares(segment.fd))
                r = -EMFILE;
        /* mode and owner stop a reopen through /proc/self/fd */
        if (r == 0 && fchmod(segment.fd, 0600) < 0)
                r = -errno;
        if (r == 0)
                r = segment_prefault(&segment);
        if (r == 0 && fcntl(segment.fd, F_ADD_SEALS, MEMFD_SEALS) < 0)
                r = -errno;
        if (r == 0)
                r = segment_map(&segment);
        if (r < 0) {
                segment_close(&segment);
                return r;
        }
        *ret = segment;
        return 0;
}

int segment_memfd_adopt(struct segment *ret, int fd, size_t size) {
        struct segment segment = { .fd = -1, .size = size };
        struct stat st;
        int seals, r;

        if (fstat(fd, &st) < 0)
                return -errno;
        seals = fcntl(fd, F_GET_SEALS);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 07777) != 0600 ||
            seals < 0 || (seals & MEMFD_SEALS) != MEMFD_SEALS || st.st_size != (off_t)size)
                return -EBADMSG;
        segment.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        r = segment.fd < 0 ? -errno : segment_map(&segment);
        if (r < 0) {
                segment_close(&segment);
                return r;
        }
        *ret = segment;
        return 0;
}

int segment_reopen_readonly(const struct segment *segment) {
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}
