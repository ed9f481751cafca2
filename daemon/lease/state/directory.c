/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/fleet_memory.h"
#include "daemon/util/log.h"

#define LOCK_NAME "lock"

/* Without this a loss of power could undo the new directory, and the next start would be
 * a first start. */
static int sync_parent(const char *path) {
        char *copy = strdup(path), *slash;
        int fd, r = 0;

        if (!copy)
                return -ENOMEM;
        for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
                copy[n - 1] = '\0';
        slash = strrchr(copy, '/');
        if (slash)
                slash[slash == copy ? 1 : 0] = '\0';
        fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        free(copy);
        if (fd < 0)
                return -errno;
        if (fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

/* Creates the last component only: a missing directory above it means a typo or a disk
 * that is not mounted, and this is then no first start. */
static int make_directory(struct directory *dir) {
        if (mkdir(dir->path, 0700) == 0) {
                dir->created = true;
                return sync_parent(dir->path);
        }
        return errno == EEXIST ? 0 : -errno;
}

static int fail_without_parent(const struct directory *dir) {
        return log_failure(ENOENT, WITH(EVENT_STATE_DIR, FIELD(DIRECTORY, dir->path)),
                           "cannot create state directory %s: the directory above it does "
                           "not exist. Mount its disk, or correct daemon.state_dir, or "
                           "create it for uid %u with mode 0700 if this is the first start",
                           dir->path, geteuid());
}

/* What root can do, who must not write there as root: those files would be in that user's way. */
static const char *run_as(uid_t uid, char text[96]) {
        const struct passwd *user = getpwuid(uid);

        if (geteuid() != 0)
                snprintf(text, 96, "run it as that user");
        else if (user != NULL)
                snprintf(text, 96, "run it as that user: 'runuser -u %.40s -- ...'", user->pw_name);
        else
                snprintf(text, 96, "run it as that user: 'setpriv --reuid=%u --clear-groups ...'",
                         (unsigned)uid);
        return text;
}

static int open_there(struct directory *dir) {
        char as[96];
        struct stat st;
        int r;

        dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir->fd < 0 || fstat(dir->fd, &st) < 0) {
                r = -errno;
                return log_failure(-r, WITH(EVENT_STATE_DIR, FIELD(DIRECTORY, dir->path)),
                                   "cannot open state directory %s: %s; it must be "
                                   "a directory of uid %u",
                                   dir->path, strerror(-r), geteuid());
        }
        if (st.st_uid != geteuid())
                return log_failure(EPERM, WITH(EVENT_STATE_DIR, FIELD(DIRECTORY, dir->path)),
                                   "state directory %s belongs to uid %u, not to uid %u which sfshmd "
                                   "runs as now: %s; or set daemon.state_dir to another one",
                                   dir->path, st.st_uid, geteuid(), run_as(st.st_uid, as));
        if ((st.st_mode & 022) != 0)
                return log_failure(EPERM, WITH(EVENT_STATE_DIR, FIELD(DIRECTORY, dir->path)),
                                   "others may write to state directory %s (mode %04o): run "
                                   "chmod 0700 on it after checking what is in it",
                                   dir->path, st.st_mode & 07777u);
        return 0;
}

static int open_private(struct directory *dir) {
        int r = make_directory(dir);

        if (r == -ENOENT)
                return fail_without_parent(dir);
        if (r < 0)
                return log_failure(-r, WITH(EVENT_STATE_DIR, FIELD(DIRECTORY, dir->path)),
                                   "cannot create state directory %s: %s; create it for uid %u "
                                   "with mode 0700, or set daemon.state_dir to another one",
                                   dir->path, strerror(-r), geteuid());
        return open_there(dir);
}

pid_t directory_signed_by(const struct directory *dir) {
        char text[32] = "";
        int pid = 0;

        if (pread(dir->lock_fd, text, sizeof(text) - 1, 0) <= 0 || sscanf(text, "%d", &pid) != 1)
                return 0;
        return (pid_t)pid;
}

static int locked_by_other(const struct directory *dir) {
        char who[48] = "which is just starting";
        pid_t pid = directory_signed_by(dir);

        if (pid > 0)
                snprintf(who, sizeof(who), "(pid %d)", (int)pid);
        return log_failure(EBUSY, WITH(EVENT_STATE_LOCK, FIELD(DIRECTORY, dir->path)),
                           "state directory %s is held by another sfshmd %s; stop it first, or "
                           "give this one its own --set daemon.state_dir", dir->path, who);
}

static int lock_failure(const struct directory *dir, int error) {
        return log_failure(error, WITH(EVENT_STATE_LOCK, FIELD(DIRECTORY, dir->path)),
                           "cannot lock %s/" LOCK_NAME ": %s; uid %u must be able to write there: "
                           "make room, mount the disk for writing, or let it write there",
                           dir->path, strerror(error), geteuid());
}

static int open_lock(const struct directory *dir, int flags) {
        return openat(dir->fd, LOCK_NAME, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                      0600);
}

static int take_lock(struct directory *dir) {
        dir->lock_fd = open_lock(dir, O_CREAT);
        if (dir->lock_fd >= 0 && flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        return errno == EWOULDBLOCK ? locked_by_other(dir) : lock_failure(dir, errno);
}

int directory_sign(const struct directory *dir) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%d\n", getpid());

        errno = 0; /* a short write sets none */
        /* in this order it is never empty again */
        if (pwrite(dir->lock_fd, text, (size_t)size, 0) == size &&
            ftruncate(dir->lock_fd, size) == 0)
                return 0;
        return log_failure(errno ? errno : EIO, WITH(EVENT_STATE_LOCK,
                                                     FIELD(DIRECTORY, dir->path)),
                           "cannot write to %s/" LOCK_NAME ": %s; make room or repair the disk",
                           dir->path, strerror(errno ? errno : EIO));
}

static bool is_evidence(const struct directory *dir, const char *name) {
        struct stat st;

        if (strcmp(name, LOCK_NAME) == 0)
                return fstat(dir->lock_fd, &st) < 0 || st.st_size > 0;
        return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
               strcmp(name, FENCE_FILE_NEW_NAME) != 0 &&
               strcmp(name, FLEET_MEMORY_NEW_NAME) != 0 && strcmp(name, "lost+found") != 0;
}

int directory_evidence(const struct directory *dir, char name[256]) {
        int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int found = 0;

        if (!list) {
                int r = -errno;

                if (fd >= 0)
                        close(fd);
                return r;
        }
        /* the first by name, whatever order the file system lists them in */
        while ((entry = readdir(list)) != NULL)
                if (is_evidence(dir, entry->d_name) &&
                    (!found || strcmp(entry->d_name, name) < 0)) {
                        snprintf(name, 256, "%s", entry->d_name);
                        found = 1;
                }
        closedir(list);
        return found;
}

int directory_open(struct directory *ret, const char *path) {
        struct directory dir = { .path = path, .fd = -1, .lock_fd = -1 };
        int r;

        if (asprintf(&dir.place, "%s/" FENCE_FILE_NAME, path) < 0)
                return log_failure(ENOMEM, EVENT_STATE, "no memory for the state directory");
        r = open_private(&dir);
        if (r == 0)
                r = take_lock(&dir);
        if (r < 0)
                directory_close(&dir);
        else
                *ret = dir;
        return r;
}

/* Could make_directory() make it? Only a directory above it that is missing rules it out:
 * a service manager may make it. */
static int check_parent(const struct directory *dir) {
        char *copy = strdup(dir->path), *slash = copy != NULL ? strrchr(copy, '/') : NULL;
        int r = 0;

        if (slash != NULL && slash != copy) {
                *slash = '\0';
                if (access(copy, F_OK) < 0 && errno == ENOENT)
                        r = fail_without_parent(dir);
        }
        free(copy);
        return r;
}

int directory_look(struct directory *ret, const char *path) {
        struct directory dir = { .path = path, .fd = -1, .lock_fd = -1 };
        int r;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return check_parent(&dir);
        if (asprintf(&dir.place, "%s/" FENCE_FILE_NAME, path) < 0)
                return log_failure(ENOMEM, EVENT_STATE, "no memory for the state directory");
        r = open_there(&dir);
        if (r < 0) {
                directory_close(&dir);
                return r;
        }
        dir.lock_fd = openat(dir.fd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        *ret = dir;
        return 1;
}

int directory_check_lock(const struct directory *dir) {
        int fd = open_lock(dir, 0);

        if (fd >= 0)
                close(fd);
        else if (errno != ENOENT || faccessat(dir->fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return lock_failure(dir, errno);
        return 0;
}

void directory_close(struct directory *dir) {
        if (dir->lock_fd >= 0)
                close(dir->lock_fd); /* unlocks */
        if (dir->fd >= 0)
                close(dir->fd);
        free(dir->place);
        *dir = DIRECTORY_NONE;
}
