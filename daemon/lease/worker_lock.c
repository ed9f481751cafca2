/* SPDX-License-Identifier: MIT */
#include "daemon/lease/worker_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/lease/backoff.h"
#include "daemon/lease/worker_files.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* For two that start at once; whoever holds worker IDs is found at once. */
#define CLAIM_LIMIT_NS NS_PER_S
#define CLAIM_PAUSE_NS (20 * NS_PER_MS)

struct worker_lock {
        struct worker_file file;
        uint32_t first, count;
        const char *space; /* workers.space */
};

static void discard_file(struct worker_file *file) {
        if (file->name[0] != '\0')
                (void)unlinkat(file->directory, file->name, 0);
        if (file->fd >= 0)
                close(file->fd); /* unlocks */
        file->fd = -1;
        file->name[0] = '\0';
}

static int name_file(struct worker_file *file) {
        char self[32], name[WORKER_FILE_SIZE];
        struct stat st;

        if (fstat(file->fd, &st) < 0)
                return -errno;
        snprintf(name, sizeof(name), WORKER_FILE_PREFIX "%016" PRIx64 ".%d.%" PRIx64, file->space,
                 (int)getpid(), (uint64_t)st.st_ino);
        snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
        if (linkat(AT_FDCWD, self, file->directory, name, AT_SYMLINK_FOLLOW) < 0)
                return -errno;
        memcpy(file->name, name, sizeof(name));
        return 0;
}

/* Makes a file of which these worker IDs are locked. */
static int make_file(struct worker_file *file, uint32_t first, uint32_t count) {
        int r;

        file->fd = openat(file->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (file->fd < 0)
                return -errno;
        /* no umask applies */
        r = fchmod(file->fd, WORKER_FILE_MODE) < 0 ? -errno : 0;
        if (r == 0)
                r = worker_file_lock(file, F_WRLCK, first, count);
        if (r == 0)
                r = worker_file_lock(file, F_WRLCK, WORKER_FILE_CLAIMING, 1);
        if (r == 0)
                r = name_file(file);
        if (r < 0)
                discard_file(file);
        return r;
}

static int refuse(const struct worker_lock *lock, const struct worker_holder *holder) {
        char process[48] = "an unknown process";

        if (holder->pid > 0)
                snprintf(process, sizeof(process), "process %d", (int)holder->pid);
        return log_failure(EEXIST, WITH(EVENT_WORKER_HELD, FIELD(WORKER, holder->worker),
                                        FIELD(UID, holder->uid)),
                           "worker ID %" PRIu32 " is another daemon's on this host: %s of uid %u "
                           "hands out its IDs (" WORKER_FILES "/%s). Stop that daemon, or give "
                           "this one worker IDs of its own; if IDs of the two never meet, set "
                           "workers.space (now \"%s\") to a name of its own", holder->worker,
                           process, (unsigned)holder->uid, holder->name, lock->space);
}

/*
 * One attempt: 0; 1: *ret has one of them; or -errno. Of two daemons that do this at
 * once, let A be the one whose file got its name first. B looks through the directory
 * after that, so it finds A's file locked, unless A has given up. So they cannot both
 * succeed. They may both find each other, give up, and try again after pauses of
 * different length.
 */
static int claim_once(struct worker_file *file, uint32_t first, uint32_t count,
                      struct worker_holder *ret) {
        int r = make_file(file, first, count);

        if (r < 0)
                return worker_files_failed(-r, "make a file in");
        r = worker_files_find(ret, file, first, count);
        if (r == 0)
                r = worker_file_lock(file, F_UNLCK, WORKER_FILE_CLAIMING, 1);
        if (r == 0)
                return 0;
        discard_file(file);
        return r < 0 ? worker_files_failed(-r, "look through") : 1;
}

static int claim(const struct worker_lock *lock, struct worker_file *file, uint32_t first,
                 uint32_t count) {
        int64_t limit_ns = time_ns(CLOCK_MONOTONIC) + CLAIM_LIMIT_NS;
        struct worker_holder holder;
        int r;

        /* first, because it makes room */
        worker_files_tidy(&lock->file);
        while ((r = claim_once(file, first, count, &holder)) == 1) {
                struct timespec pause;

                if (!holder.claiming || time_ns(CLOCK_MONOTONIC) > limit_ns)
                        return refuse(lock, &holder);
                pause = time_to_timespec(backoff_jittered(CLAIM_PAUSE_NS, backoff_random()));
                (void)nanosleep(&pause, NULL);
        }
        return r;
}

int worker_lock_new(struct worker_lock **ret, const struct config *config, uint32_t first,
                    uint32_t count) {
        struct worker_lock *lock = calloc(1, sizeof(*lock));
        int r;

        if (lock == NULL)
                return log_failure(ENOMEM, EVENT_WORKER_LOCK,
                                   "no memory for the lock of worker IDs");
        *lock = (struct worker_lock){ .file = WORKER_FILE_NONE, .first = first, .count = count,
                                      .space = config->space };
        r = worker_file_open(&lock->file, config);
        if (r <= 0) {
                free(lock);
                if (r == 0)
                        *ret = NULL;
                return r;
        }
        r = claim(lock, &lock->file, first, count);
        if (r < 0) {
                worker_lock_free(lock);
                return r;
        }
        *ret = lock;
        return 0;
}

/* Others may hold read locks of our file, so what is new is claimed with another one. A
 * third one then has all of it, and the first two go. */
static int grow(struct worker_lock *lock, uint32_t count) {
        struct worker_file old = lock->file, added = old;
        int r;

        added.fd = -1;
        added.name[0] = '\0';
        lock->file = added;
        r = claim(lock, &added, lock->first + lock->count, count - lock->count);
        if (r == 0) {
                r = make_file(&lock->file, lock->first, count);
                if (r == 0)
                        r = worker_file_lock(&lock->file, F_UNLCK, WORKER_FILE_CLAIMING, 1);
                if (r < 0)
                        r = worker_files_failed(-r, "make a file in");
        }
        discard_file(&added);
        if (r < 0) {
                discard_file(&lock->file);
                lock->file = old;
                return r;
        }
        discard_file(&old);
        lock->count = count;
        return 0;
}

int worker_lock_resize(struct worker_lock *lock, uint32_t count) {
        int r = 0;

        if (lock == NULL || count == lock->count)
                return 0;
        if (count > lock->count)
                return grow(lock, count);
        r = worker_file_lock(&lock->file, F_UNLCK, (int64_t)lock->first + count,
                             lock->count - count);
        if (r < 0)
                return worker_files_failed(-r, "unlock a file in");
        lock->count = count;
        return 0;
}

uint32_t worker_lock_count(const struct worker_lock *lock) {
        return lock != NULL ? lock->count : UINT32_MAX;
}

struct worker_lock *worker_lock_free(struct worker_lock *lock) {
        if (lock == NULL)
                return NULL;
        discard_file(&lock->file);
        close(lock->file.directory);
        free(lock);
        return NULL;
}

int worker_lock_check(const struct config *config, uint32_t first, uint32_t count, pid_t except) {
        struct worker_lock lock = { .file = WORKER_FILE_NONE, .space = config->space };
        struct worker_holder holder;
        int r = worker_file_open(&lock.file, config);

        if (r <= 0)
                return r;
        r = worker_files_find(&holder, &lock.file, first, count);
        close(lock.file.directory);
        if (r < 0)
                return worker_files_failed(-r, "look through");
        return r == 0 || (except > 0 && holder.pid == except) ? 0 : refuse(&lock, &holder);
}
