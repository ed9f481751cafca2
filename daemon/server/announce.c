/* SPDX-License-Identifier: MIT */
#include "daemon/server/announce.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "shm/locator.h"

/* Of the file, and of the one that becomes it. */
#define PATH_SIZE (sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(LOCATOR_SUFFIX))
#define TEMPORARY ".new"

static void announce_clock(const struct announcer *announcer, uint64_t *ret_device,
                           uint64_t *ret_inode, uint32_t *ret_generation) {
        const struct segments *segments = announcer->segments;
        struct stat status = { .st_ino = 0 };

        (void)fstat(segments->clock.fd, &status);
        *ret_device = status.st_dev;
        *ret_inode = status.st_ino;
        /* relaxed: this process increments it at its start, and nobody else does */
        *ret_generation = atomic_load_explicit(&segments_clock(segments)->generation,
                                               memory_order_relaxed);
}

void announce_status(const struct announcer *announcer, int64_t now_ns, struct wire_status *ret) {
        const struct timekeeper *keeper = announcer->timekeeper;
        const struct clock_segment *clock = segments_clock(announcer->segments);
        struct wire_status status = {
                .header = wire_header_of(WIRE_STATUS, WIRE_VERSION),
                .state = keeper->state,
                .reason = keeper->reason,
                /* relaxed: this thread stores them, all but `now` */
                .resume_boot_ns = atomic_load_explicit(&clock->resume_boot_ns,
                                                       memory_order_relaxed),
                .boot_ns = now_ns,
                .guarded_ns = clock_line_at(&keeper->guard->line, now_ns),
                .offset_ns = keeper->guard->offset_ns,
                .pid = getpid(),
                .clients = announcer->clients->n,
                .ticking = atomic_load_explicit(&clock->now, memory_order_relaxed) !=
                           CLOCK_NOW_INVALID,
                .worker_first = clock->worker_first,
                .worker_count = atomic_load_explicit(&clock->worker_count, memory_order_relaxed),
                .layout = clock->layout,
                .daemon_version = SFSHM_VERSION,
        };

        announce_clock(announcer, &status.clock_device, &status.clock_inode, &status.generation);
        snprintf(status.shm, sizeof(status.shm), "%s", announcer->config->shm);
        *ret = status;
}

void announce_wait(const struct announcer *announcer, uint32_t reason, int64_t now_ns,
                   struct wire_status *ret) {
        *ret = (struct wire_status){
                .header = wire_header_of(WIRE_STATUS, WIRE_VERSION),
                .state = CLOCK_STATE_WAITING,
                .reason = reason,
                .resume_boot_ns = INT64_MAX,
                .boot_ns = now_ns,
                .guarded_ns = INT64_MIN,
                .pid = getpid(),
                .layout = announcer->config->layout,
                .daemon_version = SFSHM_VERSION,
        };
        snprintf(ret->shm, sizeof(ret->shm), "%s", announcer->config->shm);
}

void announce_withdraw(const struct listener *listener) {
        char path[PATH_SIZE];

        snprintf(path, sizeof(path), "%s" LOCATOR_SUFFIX, listener->path);
        if (listener->path[0] == '/')
                (void)unlink(path);
}

/* Creates the file under a name of its own, and renames it: a reader sees the old one or
 * the new one. What has that name now is an earlier daemon's that was killed in between.
 * 0 or -errno. */
static int announce_replace(const char path[PATH_SIZE], const char *text, size_t length) {
        char temporary[PATH_SIZE + sizeof(TEMPORARY)];
        ssize_t n;
        int fd, r = 0;

        snprintf(temporary, sizeof(temporary), "%s" TEMPORARY, path);
        (void)unlink(temporary);
        fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        n = write(fd, text, length);
        /* the umask may have taken the others' right to read it */
        if (n >= 0 && (size_t)n < length)
                r = -ENOSPC;
        else if (n < 0 || fchmod(fd, 0644) < 0 || rename(temporary, path) < 0)
                r = -errno;
        close(fd);
        if (r < 0)
                (void)unlink(temporary);
        return r;
}

void announce_beside(const struct announcer *announcer, const struct listener *listener) {
        struct locator locator = { .generation = 0 };
        char path[PATH_SIZE], text[LOCATOR_SIZE];
        int r;

        /* a socket of systemd may have no name in the file system */
        if (listener->path[0] != '/')
                return;
        snprintf(locator.shm, sizeof(locator.shm), "%s", announcer->config->shm);
        announce_clock(announcer, &locator.clock_device, &locator.clock_inode,
                       &locator.generation);
        memcpy(locator.boot_id, segments_clock(announcer->segments)->boot_id,
               sizeof(locator.boot_id));
        snprintf(path, sizeof(path), "%s" LOCATOR_SUFFIX, listener->path);
        r = announce_replace(path, text, locator_format(&locator, text));
        if (r < 0)
                log_event(WITH(EVENT_SOCKET_SHM, FIELD(FILE, path)),
                          "cannot write %s: %s; sfshm-stat and "
                          "sfshm find this daemon only while it answers: let uid %u write to the "
                          "directory of the socket, or give them --shm %s", path, strerror(-r),
                          (unsigned)geteuid(), locator.shm);
}
