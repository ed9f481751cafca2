/* SPDX-License-Identifier: MIT */
#include "daemon/lease/worker_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/util/log.h"

/* More than a tmpfs has inodes by default: whoever adds files meanwhile holds nobody up
 * for ever. */
#define ENTRIES_MAX (UINT64_C(1) << 26)

struct search {
        const struct worker_file *file;
        uint32_t first, count;
        struct worker_holder holder;
};

/* FNV-1a. Two spaces of one value would refuse each other, no more. */
static uint64_t hash_of(const char *text) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (; *text != '\0'; text++)
                hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
        return hash;
}

static const char *prefix_of(const struct config *config) {
        if (strcmp(config->backend, "etcd") == 0)
                return config->etcd_prefix;
        return strcmp(config->backend, "zookeeper") == 0 ? config->zookeeper_prefix : "";
}

/* No prefix contains a blank at its end, so no two spaces have one text. */
static uint64_t space_of(const struct config *config) {
        const struct id_layout *layout = &config->layout;
        char text[512];

        snprintf(text, sizeof(text), "%" PRId64 " %u/%u/%u %zu %s%s", layout->epoch_unix_ms,
                 layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                 strlen(prefix_of(config)), prefix_of(config), config->space);
        return hash_of(text);
}

/* The space is part of the offset: a file of another space under a name of this one (a
 * hard link) locks nothing here. */
static off_t offset_of(const struct worker_file *file, int64_t byte) {
        return (off_t)((file->space & UINT64_C(0x3fffffff)) << 33) + (off_t)byte;
}

int worker_file_lock(const struct worker_file *file, short type, int64_t byte, int64_t count) {
        struct flock range = { .l_type = type, .l_whence = SEEK_SET,
                               .l_start = offset_of(file, byte), .l_len = (off_t)count };

        return fcntl(file->fd, F_OFD_SETLK, &range) < 0 ? -errno : 0;
}

/* 1: somebody has a write lock in the range, from *ret_start on. A `count` of 0 goes up
 * to the end. */
static int find_lock(int fd, off_t start, int64_t count, off_t *ret_start) {
        /* a read lock conflicts with write locks only */
        struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start,
                               .l_len = (off_t)count };

        if (fcntl(fd, F_OFD_GETLK, &range) < 0)
                return -errno;
        if (range.l_type == F_UNLCK)
                return 0;
        *ret_start = range.l_start > start ? range.l_start : start;
        return 1;
}

/* Is it a file as a daemon makes it? Nothing else counts: no daemon's own file ever has
 * another kind or mode, as only its owner and root can change them. */
static bool is_claim(const struct stat *st) {
        return S_ISREG(st->st_mode) && (st->st_mode & 07777) == WORKER_FILE_MODE;
}

/* A descriptor; -ENOENT: gone, or no claim; or -errno, with *ret. Never waits: for the
 * writer of a FIFO, or for the owner of a file with a lease (F_SETLEASE). */
static int open_claim(const struct worker_file *file, const char *name, struct stat *ret) {
        int fd = openat(file->directory, name,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;

        if (fd < 0) {
                bool found = fstatat(file->directory, name, ret, AT_SYMLINK_NOFOLLOW) == 0;

                return found && is_claim(ret) ? r : -ENOENT;
        }
        if (fstat(fd, ret) == 0 && is_claim(ret))
                return fd;
        close(fd);
        return -ENOENT;
}

static bool is_of_space(const struct worker_file *file, const char *name) {
        char text[sizeof(WORKER_FILE_PREFIX) + 17];
        int size = snprintf(text, sizeof(text), WORKER_FILE_PREFIX "%016" PRIx64 ".", file->space);

        return strncmp(name, text, (size_t)size) == 0;
}

static void set_holder(struct worker_holder *holder, const char *name, uid_t uid, uint32_t worker) {
        int pid = 0;

        if (sscanf(name, WORKER_FILE_PREFIX "%*16[0-9a-f].%d", &pid) != 1 || pid < 0)
                pid = 0;
        *holder = (struct worker_holder){ .worker = worker, .uid = uid, .pid = (pid_t)pid };
        snprintf(holder->name, sizeof(holder->name), "%s", name);
}

/* 1: it holds worker IDs that are searched for; 0; or -errno. */
static int judge_claim(struct search *search, int fd, const char *name, uid_t uid) {
        off_t start = offset_of(search->file, search->first), found = start;
        int r = find_lock(fd, start, search->count, &found);

        if (r <= 0)
                return r;
        set_holder(&search->holder, name, uid, search->first + (uint32_t)(found - start));
        r = find_lock(fd, offset_of(search->file, WORKER_FILE_CLAIMING), 1, &found);
        search->holder.claiming = r == 1;
        return r < 0 ? r : 1;
}

static int search_file(struct search *search, const char *name) {
        struct stat st;
        int fd, r;

        if (!is_of_space(search->file, name) || strcmp(name, search->file->name) == 0)
                return 0;
        fd = open_claim(search->file, name, &st);
        if (fd == -ENOENT || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
                return fd == -ENOENT ? 0 : fd;
        if (fd < 0) { /* it may be a living daemon's */
                set_holder(&search->holder, name, st.st_uid, search->first);
                return 1;
        }
        r = judge_claim(search, fd, name, st.st_uid);
        close(fd);
        return r;
}

/* The name is never given to another file: it has the number of the inode. */
static int tidy_file(struct search *search, const char *name) {
        const struct worker_file *file = search->file;
        struct stat st;
        off_t found;
        int fd = open_claim(file, name, &st);

        if (fd < 0)
                return 0;
        if (st.st_uid == geteuid() && strcmp(name, file->name) != 0 &&
            find_lock(fd, 0, 0, &found) == 0)
                (void)unlinkat(file->directory, name, 0);
        close(fd);
        return 0;
}

/* Visits the files until a visit returns other than 0. */
static int for_each_file(struct search *search, int (*visit)(struct search *, const char *)) {
        int fd = openat(search->file->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        uint64_t left = ENTRIES_MAX;
        int r = 0;

        if (list == NULL) {
                r = -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        while (r == 0 && left-- > 0) {
                errno = 0;
                entry = readdir(list);
                if (entry == NULL) {
                        r = -errno;
                        break;
                }
                if (strncmp(entry->d_name, WORKER_FILE_PREFIX, strlen(WORKER_FILE_PREFIX)) == 0)
                        r = visit(search, entry->d_name);
        }
        closedir(list);
        return left == UINT64_MAX ? -E2BIG : r;
}

int worker_files_find(struct worker_holder *ret, const struct worker_file *file, uint32_t first,
                      uint32_t count) {
        struct search search = { .file = file, .first = first, .count = count };
        int r = for_each_file(&search, search_file);

        if (r == 1)
                *ret = search.holder;
        return r;
}

void worker_files_tidy(const struct worker_file *file) {
        struct search search = { .file = file };

        (void)for_each_file(&search, tidy_file);
}

int worker_files_failed(int error, const char *what) {
        return log_failure(error, EVENT_WORKER_LOCK,
                           "cannot %s " WORKER_FILES ": %s; there sfshmd makes sure that no other "
                           "daemon of this host hands out the same worker IDs: make room, and give "
                           "uid %u access", what, strerror(error), (unsigned)geteuid());
}

/* Others who may write to the directory, without a sticky bit, may remove our file. */
static int check_directory(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return worker_files_failed(errno, "examine");
        if ((st.st_mode & 022) != 0 && (st.st_mode & S_ISVTX) == 0)
                return log_failure(EPERM, EVENT_WORKER_LOCK,
                                   "others may remove files in " WORKER_FILES " (mode %04o): set "
                                   "its sticky bit (chmod +t)", (unsigned)st.st_mode & 07777);
        return 0;
}

int worker_file_open(struct worker_file *ret, const struct config *config) {
        int r, fd = open(WORKER_FILES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT) {
                log_event(EVENT_WORKER_LOCK,
                          "there is no " WORKER_FILES ": a second daemon with the same worker IDs "
                          "would not be noticed. Mount a tmpfs there");
                return 0;
        }
        if (fd < 0)
                return worker_files_failed(errno, "open");
        r = check_directory(fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret = (struct worker_file){ .directory = fd, .fd = -1, .space = space_of(config) };
        return 1;
}
