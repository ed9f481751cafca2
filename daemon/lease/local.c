/* SPDX-License-Identifier: MIT */
/*
 * The `local` backend: the worker IDs stand in the configuration, the fence in
 * a file of the state directory. A lock in that directory keeps a second daemon
 * out. Nothing here protects against two hosts configured with the same IDs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/lease.h"
#include "daemon/lease/state_file.h"
#include "daemon/log.h"
#include "daemon/segment.h"

#define LOCK_NAME "lock"

struct local {
        const char *dir; /* the configuration's, which outlives us */
        char *place;     /* DIR/fence */
        int dir_fd;
        int lock_fd;
        bool created; /* the directory, by this daemon */
        struct fence_state state; /* of this daemon: what each write of the fence says */
};

static void local_close(void *backend) {
        struct local *local = backend;

        if (!local)
                return;
        if (local->lock_fd >= 0)
                close(local->lock_fd); /* unlocks */
        if (local->dir_fd >= 0)
                close(local->dir_fd);
        free(local->place);
        free(local);
}

/* Without this a loss of power could take a new directory away again, and the
 * next start would be a first one. */
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

/* The last component only: a directory above it that is missing tells of a typo
 * or of a disk that is not mounted, where "first start" would be a lie. */
static int make_directory(struct local *local) {
        if (mkdir(local->dir, 0700) == 0) {
                local->created = true;
                return sync_parent(local->dir);
        }
        return errno == EEXIST ? 0 : -errno;
}

static int open_directory(struct local *local) {
        struct stat st;
        int r = make_directory(local);

        if (r == -ENOENT)
                return log_failure(ENOENT, "state-dir",
                                   "cannot create state directory %s: the directory above it does "
                                   "not exist. Mount its disk, or correct daemon.state_dir, or "
                                   "create it for uid %u with mode 0700 if this is the first start",
                                   local->dir, geteuid());
        if (r < 0)
                return log_failure(-r, "state-dir",
                                   "cannot create state directory %s: %s; create it for uid %u "
                                   "with mode 0700, or set daemon.state_dir to another one",
                                   local->dir, strerror(-r), geteuid());
        local->dir_fd = open(local->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (local->dir_fd < 0 || fstat(local->dir_fd, &st) < 0) {
                r = -errno;
                return log_failure(-r, "state-dir",
                                   "cannot open state directory %s: %s; it must be "
                                   "a directory of uid %u",
                                   local->dir, strerror(-r), geteuid());
        }
        if (st.st_uid != geteuid())
                return log_failure(EPERM, "state-dir",
                                   "state directory %s belongs to uid %u, not to uid %u which this "
                                   "daemon runs as: change its owner, or set daemon.state_dir to "
                                   "another one",
                                   local->dir, st.st_uid, geteuid());
        if ((st.st_mode & 022) != 0)
                return log_failure(EPERM, "state-dir",
                                   "others may write to state directory %s (mode %04o): run "
                                   "chmod 0700 on it after checking what is in it",
                                   local->dir, st.st_mode & 07777u);
        return 0;
}

static int locked_by_other(const struct local *local) {
        char text[32] = "";
        int pid;

        if (pread(local->lock_fd, text, sizeof(text) - 1, 0) > 0 && sscanf(text, "%d", &pid) == 1)
                return log_failure(EBUSY, "state-lock",
                                   "state directory %s is held by another sfshmd (pid %d); stop it "
                                   "or give this one its own --set daemon.state_dir",
                                   local->dir, pid);
        return log_failure(EBUSY, "state-lock",
                           "state directory %s is held by another sfshmd which is just starting; "
                           "stop it or give this one its own --set daemon.state_dir",
                           local->dir);
}

static int take_lock(struct local *local) {
        int r;

        local->lock_fd = openat(local->dir_fd, LOCK_NAME,
                                O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (local->lock_fd >= 0 && flock(local->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        r = -errno;
        if (r == -EWOULDBLOCK)
                return locked_by_other(local);
        return log_failure(-r, "state-lock", "cannot lock %s/" LOCK_NAME ": %s", local->dir,
                           strerror(-r));
}

/* The pid is for who finds it locked. That it is there at all is our mark that
 * a state was made durable before, see read_state(). */
static int sign_lock(const struct local *local) {
        char text[32];
        int size = snprintf(text, sizeof(text), "%d\n", getpid());

        /* in this order it is never empty again */
        if (pwrite(local->lock_fd, text, (size_t)size, 0) == size &&
            ftruncate(local->lock_fd, size) == 0)
                return 0;
        return log_failure(errno ? errno : EIO, "state-lock",
                           "cannot write to %s/" LOCK_NAME ": %s", local->dir,
                           strerror(errno ? errno : EIO));
}

/* Whether the directory holds what a first start does not find: a lock which
 * was signed, or anything that is not ours. Names it. */
static int find_evidence(const struct local *local, char name[256]) {
        int fd = openat(local->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        struct stat st;
        int found = 0;

        if (!dir) {
                int r = -errno;

                if (fd >= 0)
                        close(fd);
                return r;
        }
        while (found == 0 && (entry = readdir(dir)) != NULL) {
                const char *n = entry->d_name;

                if (strcmp(n, LOCK_NAME) == 0)
                        found = fstat(local->lock_fd, &st) < 0 || st.st_size > 0;
                else
                        found = strcmp(n, ".") != 0 && strcmp(n, "..") != 0 &&
                                strcmp(n, STATE_FILE_NEW_NAME) != 0 && strcmp(n, "lost+found") != 0;
                if (found)
                        snprintf(name, 256, "%s", n);
        }
        closedir(dir);
        return found;
}

static int write_fence(struct local *local, uint64_t fence_tick) {
        struct fence_state state = local->state;

        state.fence_tick = fence_tick;
        return state_file_write(local->dir_fd, &state, &state_file_kernel);
}

/* Writes the state of a host that never issued an ID, so that from now on a
 * missing file means a lost one. */
static int first_start(struct local *local) {
        char name[256];
        int r = find_evidence(local, name);

        if (r < 0)
                return log_failure(-r, "state", "cannot list state directory %s: %s", local->dir,
                                   strerror(-r));
        if (r > 0)
                return log_failure(
                        ENOENT, "state-missing",
                        "%s is missing, but %s/%s shows that this is no first start: IDs "
                        "may have been issued which nothing remembers. Put the file back; "
                        "or, if the clock is right and was never ahead, wait for "
                        "workers.horizon since the last daemon stopped, then empty the "
                        "directory to begin anew",
                        local->place, local->dir, name);
        r = write_fence(local, 0);
        if (r < 0)
                return log_failure(-r, "state", "cannot write %s: %s; make room or repair the disk",
                                   local->place, strerror(-r));
        log_event(LOG_LEVEL_NOTICE, "first-start",
                  local->created ? "created state directory %s: this is the first start with it"
                                 : "state directory %s is empty: this is the first start with it",
                  local->dir);
        return 0;
}

static int check_state(const struct local *local, const struct fence_state *found) {
        const struct id_layout *was = &found->layout, *is = &local->state.layout;

        if (memcmp(found->machine_id, local->state.machine_id, 16) != 0)
                return log_failure(
                        EXDEV, "state-machine",
                        "%s was written on another machine (its machine-id is not that of "
                        "/etc/machine-id): a copied disk must not issue the same IDs "
                        "twice. Give this machine worker IDs of its own (workers.first) "
                        "and an empty daemon.state_dir",
                        local->place);
        if (was->tick_bits != is->tick_bits || was->worker_bits != is->worker_bits ||
            was->sequence_bits != is->sequence_bits || was->region_bits != is->region_bits)
                return log_failure(
                        EINVAL, "state-layout",
                        "%s was written with layout %u/%u/%u and %u region bits, the "
                        "configuration says %u/%u/%u and %u: IDs of both could be equal. "
                        "Set id.layout and id.region_bits back, or begin a new ID space "
                        "with an empty daemon.state_dir",
                        local->place, was->tick_bits, was->worker_bits, was->sequence_bits,
                        was->region_bits, is->tick_bits, is->worker_bits, is->sequence_bits,
                        is->region_bits);
        if (was->epoch_unix_ms != is->epoch_unix_ms)
                return log_failure(EINVAL, "state-epoch",
                                   "%s was written with the epoch at Unix time %" PRId64 " ms, the "
                                   "configuration says %" PRId64 " ms: IDs of both could be equal. "
                                   "Set id.epoch back, or begin a new ID space with an empty "
                                   "daemon.state_dir",
                                   local->place, was->epoch_unix_ms, is->epoch_unix_ms);
        /* Any run may follow any other: the fence is one number for whatever
         * this directory's daemons held. */
        if (found->worker_first != local->state.worker_first ||
            found->worker_count != local->state.worker_count)
                log_event(LOG_LEVEL_NOTICE, "state-workers",
                          "the worker IDs change from %" PRIu32 "+%" PRIu32 " to %" PRIu32
                          "+%" PRIu32 "; the fence is kept",
                          found->worker_first, found->worker_count, local->state.worker_first,
                          local->state.worker_count);
        return 0;
}

static int read_state(struct local *local, struct lease_grant *grant) {
        struct fence_state found = { .fence_tick = 0 };
        int r = state_file_read(local->dir_fd, &found);

        grant->first_start = r == -ENOENT;
        if (r == -ENOENT)
                r = first_start(local);
        else if (r == -EPROTO)
                return log_failure(
                        EPROTO, "state-version",
                        "%s was written by another version of sfshmd which this one does "
                        "not understand: run that version",
                        local->place);
        else if (r == -EBADMSG)
                return log_failure(
                        EBADMSG, "state-damaged",
                        "%s is torn or damaged: its fence cannot be trusted, and without "
                        "one IDs could be issued twice. Put back a good copy; or, if the "
                        "clock is right and was never ahead, wait for workers.horizon "
                        "since the last daemon stopped, then empty %s to begin anew",
                        local->place, local->dir);
        else if (r < 0)
                return log_failure(-r, "state", "cannot read %s: %s", local->place, strerror(-r));
        else
                r = check_state(local, &found);
        grant->fence_tick = found.fence_tick;
        return r;
}

static int describe_host(struct local *local, const struct config *config) {
        int r = segment_machine_id(local->state.machine_id);

        if (r == -ENOENT) /* bare containers: the ID stays all zero */
                log_event(
                        LOG_LEVEL_WARNING, "machine-id",
                        "there is no /etc/machine-id: a copy of %s on another machine without one "
                        "will not be noticed. Run systemd-machine-id-setup",
                        local->dir);
        else if (r < 0)
                return log_failure(
                        -r, "machine-id",
                        "cannot read /etc/machine-id: %s; it tells a copied disk from its "
                        "original. Run systemd-machine-id-setup",
                        strerror(-r));
        if (!config->has_first)
                return log_failure(
                        EINVAL, "workers-first",
                        "workers.first is not set: the local backend has no default, as "
                        "two hosts with the same worker IDs would issue the same IDs. Give "
                        "each host its own, e.g. --set workers.first=0");
        local->state.layout = config->layout;
        local->state.worker_first = config_worker_first(config);
        local->state.worker_count = config->count;
        return 0;
}

static int local_start(struct local *local, const struct config *config, struct lease_grant *ret) {
        struct lease_grant grant = { .fence_tick = 0 };
        int r = describe_host(local, config);

        if (r == 0)
                r = open_directory(local);
        if (r == 0)
                r = take_lock(local);
        if (r == 0)
                r = read_state(local, &grant);
        if (r == 0)
                r = sign_lock(local);
        if (r < 0)
                return r;
        grant.worker_first = local->state.worker_first;
        grant.worker_count = local->state.worker_count;
        *ret = grant;
        return 0;
}

static int local_open(void **ret_backend, const struct config *config, struct lease_grant *ret) {
        struct local *local = calloc(1, sizeof(*local));
        int r;

        if (!local)
                return log_failure(ENOMEM, "state", "no memory for the local backend");
        local->dir = config->state_dir;
        local->dir_fd = local->lock_fd = -1;
        if (asprintf(&local->place, "%s/" STATE_FILE_NAME, local->dir) < 0) {
                local->place = NULL; /* undefined after a failure */
                r = log_failure(ENOMEM, "state", "no memory for the local backend");
        } else {
                r = local_start(local, config, ret);
        }
        if (r < 0) {
                local_close(local);
                return r;
        }
        *ret_backend = local;
        return 0;
}

static int local_write_fence(void *backend, uint64_t fence_tick) {
        return write_fence(backend, fence_tick);
}

static const char *local_place(void *backend) {
        return ((const struct local *)backend)->place;
}

const struct lease_backend lease_local = {
        .name = "local",
        .open = local_open,
        .write_fence = local_write_fence,
        .close = local_close,
        .place = local_place,
};
