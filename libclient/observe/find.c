/* SPDX-License-Identifier: MIT */
#include "libclient/observe/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/observe/daemon_socket.h"
#include "shm/locator.h"

/* ---- the clock segment */

/* Which clock segment, and whose: what names it may name that of another daemon. */
struct wanted {
        const char *shm;
        uint64_t device, inode;
        uint32_t generation;
        uid_t uid; /* (uid_t)-1: anybody's */
};

static struct wanted wanted_of_status(const struct wire_status *status, uid_t uid) {
        /* systemd listens as root; the daemon behind it is of another user */
        return (struct wanted){ status->shm, status->clock_device, status->clock_inode,
                                status->generation, uid == 0 ? (uid_t)-1 : uid };
}

static struct wanted wanted_of_locator(const struct locator *locator, uid_t uid) {
        return (struct wanted){ locator->shm, locator->clock_device, locator->clock_inode,
                                locator->generation, uid };
}

static bool find_fail_clock(struct find *find, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static bool find_fail_clock(struct find *find, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(find->no_clock, sizeof(find->no_clock), format, arguments);
        va_end(arguments);
        return false;
}

static bool find_check_clock(struct find *find, int fd, const struct wanted *wanted) {
        char path[SEGMENTS_PATH_SIZE];
        struct stat status;
        uint32_t generation;

        segments_path(find->shm, "clock", path);
        if (fstat(fd, &status) < 0)
                return find_fail_clock(find, "cannot examine %.300s: %s", path, strerror(errno));
        if (wanted->uid != (uid_t)-1 && status.st_uid != wanted->uid)
                return find_fail_clock(find, "%.300s belongs to uid %u, not to the daemon's uid %u",
                                       path, (unsigned)status.st_uid, (unsigned)wanted->uid);
        /* relaxed: a copy */
        generation = atomic_load_explicit(&find->clock.generation, memory_order_relaxed);
        if (status.st_dev != wanted->device || status.st_ino != wanted->inode ||
            generation != wanted->generation)
                return find_fail_clock(find, "%.300s is another daemon's by now", path);
        return true;
}

/* `wanted` is NULL for --shm: whatever has that name. */
static bool find_read_clock(struct find *find, const char *shm, const struct wanted *wanted) {
        uint32_t version = 0;
        int r, fd;

        snprintf(find->shm, sizeof(find->shm), "%s", shm);
        fd = segments_open(shm, "clock");
        r = fd < 0 ? fd : segments_read_clock(fd, &find->clock, &version);
        find->clock_error = r;
        if (r < 0)
                segments_explain(shm, "clock", r, version, CLOCK_VERSION, find->no_clock);
        find->has_clock = r == 0 && (wanted == NULL || find_check_clock(find, fd, wanted));
        if (fd >= 0)
                close(fd);
        return find->has_clock;
}

static bool find_clock_lives(const struct find *find) {
        uint8_t boot_id[SEGMENTS_BOOT_ID_SIZE];

        segments_boot_id(boot_id);
        return find->has_clock && memcmp(boot_id, find->clock.boot_id, SEGMENTS_BOOT_ID_SIZE) == 0 &&
               clock_owner_live(atomic_load_explicit(&find->clock.owner, memory_order_relaxed));
}

/* ---- the file beside the socket */

/* In a directory where everybody may create files, anybody can make this one for a socket
 * that is not there. */
static bool find_trusts(const struct stat *file, const char *socket) {
        char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
        struct stat status;
        char *slash;

        if (!S_ISREG(file->st_mode) || (file->st_mode & (S_IWGRP | S_IWOTH)) != 0)
                return false;
        if (file->st_uid == 0 || file->st_uid == geteuid() ||
            (lstat(socket, &status) == 0 && file->st_uid == status.st_uid))
                return true;
        snprintf(directory, sizeof(directory), "%s", socket);
        slash = strrchr(directory, '/');
        if (slash != NULL)
                slash[slash == directory] = '\0';
        return stat(slash != NULL ? directory : ".", &status) == 0 &&
               file->st_uid == status.st_uid;
}

/* Is there such a file, and does it lead to this daemon's clock? */
static bool find_beside(struct find *find) {
        char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + sizeof(LOCATOR_SUFFIX)];
        char text[LOCATOR_SIZE];
        struct locator locator;
        struct wanted wanted;
        struct stat status;
        ssize_t n = -1;
        int fd;

        if (snprintf(path, sizeof(path), "%s" LOCATOR_SUFFIX, find->socket) >= (int)sizeof(path))
                return false;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return false;
        if (fstat(fd, &status) == 0 && find_trusts(&status, find->socket))
                n = read(fd, text, sizeof(text));
        close(fd);
        if (n < 0 || locator_parse(text, (size_t)n, &locator) < 0 ||
            !segments_name_valid(locator.shm))
                return false;
        wanted = wanted_of_locator(&locator, status.st_uid);
        return find_read_clock(find, locator.shm, &wanted);
}

/* ---- the daemon */

static void find_conclude(struct find *find, enum found found, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void find_conclude(struct find *find, enum found found, const char *format, ...) {
        va_list arguments;

        find->found = found;
        va_start(arguments, format);
        vsnprintf(find->why, sizeof(find->why), format, arguments);
        va_end(arguments);
}

static bool find_is_stranger(struct find *find, const struct ucred *peer) {
        char path[SEGMENTS_PATH_SIZE];
        struct stat status;

        segments_path(find->shm, "clock", path);
        if (peer->pid == 0 || peer->uid == 0 || !find->has_clock || stat(path, &status) < 0 ||
            status.st_uid == peer->uid)
                return false;
        find_conclude(find, FOUND_STRANGER, "pid %d of uid %u listens there, but this sfshmd is of "
                      "uid %u", (int)peer->pid, (unsigned)peer->uid, (unsigned)status.st_uid);
        return true;
}

static void find_no_listener(struct find *find, int error) {
        const char *what = error == -ECONNREFUSED ? "nobody listens there" : "there is no such file";

        if (find_clock_lives(find))
                find_conclude(find, FOUND_SILENT, "%s, though its shared memory shows that it "
                              "runs: its socket was removed", what);
        else
                find_conclude(find, FOUND_DEAD, "%s", what);
}

/* An older daemon tells nothing, and leaves nothing beside its socket. Only the defaults go
 * together without that. */
static void find_older(struct find *find, const struct ucred *peer) {
        struct stat status;
        char path[SEGMENTS_PATH_SIZE];

        segments_path(SEGMENTS_DEFAULT_SHM, "clock", path);
        if (!find->has_clock && strcmp(find->socket, DAEMON_SOCKET_DEFAULT) == 0 &&
            stat(path, &status) == 0 && (peer->uid == 0 || peer->uid == status.st_uid))
                (void)find_read_clock(find, SEGMENTS_DEFAULT_SHM, NULL);
        if (find->has_clock && !find_clock_lives(find))
                find_conclude(find, FOUND_DEAD, "it has just ended");
        else
                find_conclude(find, FOUND_OLDER, "it closed the connection without an answer, as an "
                              "older release does, and one without a free file descriptor");
}

static void find_judge_failure(struct find *find, int error, const struct ucred *peer) {
        switch (error) {
        case -ENOENT:
        case -ENOTDIR:
        case -ECONNREFUSED:
                find_no_listener(find, error);
                break;
        case -ECONNRESET:
                find_older(find, peer);
                break;
        case -ETIMEDOUT:
                find_conclude(find, FOUND_SILENT, "no answer within %d s",
                              DAEMON_SOCKET_QUERY_MS / 1000);
                break;
        case -EPROTO:
                find_conclude(find, FOUND_STRANGER, "pid %d of uid %u listens there and did not "
                              "answer as sfshmd does", (int)peer->pid, (unsigned)peer->uid);
                break;
        case -EPROTOTYPE:
                find_conclude(find, FOUND_STRANGER, "it is a socket of another kind");
                break;
        case -EACCES:
                find_conclude(find, FOUND_ERROR, "no permission to connect: its mode and the "
                              "directory's say who may");
                break;
        default:
                find_conclude(find, FOUND_ERROR, "%s", strerror(-error));
        }
}

static void find_ask(struct find *find) {
        struct wanted wanted;
        struct ucred peer;
        int r = daemon_socket_query(find->socket, &find->status, &peer);

        find->asked = true;
        find->pid = r == 0 ? find->status.pid : peer.pid;
        if (find_is_stranger(find, &peer))
                return;
        if (r < 0) {
                find_judge_failure(find, r, &peer);
                return;
        }
        find_conclude(find, FOUND_ANSWERS, "%s", "");
        find->no_clock[0] = '\0';
        if (find->status.clock_inode == 0)
                return; /* it waits for worker IDs */
        wanted = wanted_of_status(&find->status, peer.uid);
        (void)find_read_clock(find, find->status.shm, &wanted);
}

void find_by_socket(const char *socket, struct find *ret) {
        memset(ret, 0, sizeof(*ret));
        ret->socket = socket;
        if (find_beside(ret) && !find_clock_lives(ret))
                find_conclude(ret, FOUND_DEAD, "%s", "");
        else
                find_ask(ret);
}

void find_by_shm(const char *shm, struct find *ret) {
        memset(ret, 0, sizeof(*ret));
        ret->found = FOUND_NOT_ASKED;
        (void)find_read_clock(ret, shm, NULL);
}

bool find_layout(const char *socket, struct id_layout *ret, char why[FIND_WHY]) {
        struct find find;

        memset(&find, 0, sizeof(find));
        find.socket = socket;
        if (!find_beside(&find))
                find_ask(&find);
        if (find.found == FOUND_ANSWERS)
                *ret = find.status.layout;
        else if (find.has_clock)
                *ret = find.clock.layout;
        else
                snprintf(why, FIND_WHY, "%s", find.why);
        return find.found == FOUND_ANSWERS || find.has_clock;
}
