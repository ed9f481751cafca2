/* SPDX-License-Identifier: MIT */
#include "libclient/observe/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COPY_ATTEMPTS 50

/* "/sfshm" is a POSIX name; with a further slash it is a directory. */
static bool is_posix_name(const char *shm) {
        return shm[0] == '/' && strchr(shm + 1, '/') == NULL;
}

void segments_path(const char *shm, const char *name, char ret[SEGMENTS_PATH_SIZE]) {
        bool posix = is_posix_name(shm);

        snprintf(ret, SEGMENTS_PATH_SIZE, "%s%s%c%s", posix ? "/dev/shm" : "", shm,
                 posix ? '.' : '/', name);
}

bool segments_name_valid(const char *shm) {
        for (const char *at = shm; *at != '\0'; at++)
                if ((unsigned char)*at < 0x20 || *at == 0x7f)
                        return false;
        return shm[0] == '/' && shm[1] != '\0';
}

void segments_explain(const char *shm, const char *name, int error, uint32_t version,
                      uint32_t understood, char ret[SEGMENTS_TEXT]) {
        char path[SEGMENTS_PATH_SIZE];

        segments_path(shm, name, path);
        switch (error) {
        case -ENOENT:
                snprintf(ret, SEGMENTS_TEXT, "%.300s does not exist", path);
                break;
        case -EACCES:
                snprintf(ret, SEGMENTS_TEXT, "no permission to read %.300s: run this as root or as a "
                         "member of that file's group (sfshm)", path);
                break;
        case -EPROTO:
                snprintf(ret, SEGMENTS_TEXT, "%.300s has version %u, this %.20s understands %u: use "
                         "the one that came with that sfshmd", path, version,
                         program_invocation_short_name, understood);
                break;
        case -ENODATA:
                snprintf(ret, SEGMENTS_TEXT, "%.300s was not made by sfshmd, or is damaged", path);
                break;
        case -EBADMSG:
                snprintf(ret, SEGMENTS_TEXT, "%.300s is damaged: its counts exceed its size", path);
                break;
        default:
                snprintf(ret, SEGMENTS_TEXT, "cannot read %.300s: %s", path, strerror(-error));
        }
}

int segments_open(const char *shm, const char *name) {
        char path[SEGMENTS_PATH_SIZE];
        bool posix = is_posix_name(shm);
        int n, fd;

        n = snprintf(path, sizeof(path), "%s%c%s", shm, posix ? '.' : '/', name);
        if (n < 0 || (size_t)n >= sizeof(path))
                return -ENAMETOOLONG;
        /* a FIFO of that name must not block this process, a link not lead elsewhere */
        fd = posix ? shm_open(path, O_RDONLY | O_NONBLOCK, 0)
                   : open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Reads all of it. -ENODATA: the file ends before. */
static int read_at(int fd, void *ret, size_t size, uint64_t offset) {
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, (char *)ret + done, size - done, (off_t)(offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                done += (size_t)n;
        }
        return 0;
}

static int check_start(int fd, const char *magic, uint32_t version, uint32_t *ret_version) {
        struct segments_start start;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
                return -ENODATA;
        r = read_at(fd, &start, sizeof(start), 0);
        if (r < 0)
                return r;
        if (memcmp(start.magic, magic, sizeof(start.magic)) != 0)
                return -ENODATA;
        *ret_version = start.version;
        return start.version == version ? 0 : -EPROTO;
}

/* Between two readings of the sequence. Pairs with the writer's barriers as in slot_read(); the
 * loads in between are the kernel's. */
static void barrier(void) {
        atomic_thread_fence(memory_order_acquire);
}

int segments_read_clock(int fd, struct clock_segment *ret, uint32_t *ret_version) {
        int r = check_start(fd, CLOCK_MAGIC, CLOCK_VERSION, ret_version);
        uint32_t latch;

        for (int i = 0; r == 0 && i < COPY_ATTEMPTS; i++) {
                r = read_at(fd, &latch, sizeof(latch), offsetof(struct clock_segment, latch));
                barrier();
                if (r == 0)
                        r = read_at(fd, ret, sizeof(*ret), 0);
                barrier();
                if (r == 0)
                        r = read_at(fd, &ret->latch, sizeof(ret->latch),
                                    offsetof(struct clock_segment, latch));
                if (r == 0 && latch == atomic_load_explicit(&ret->latch, memory_order_relaxed))
                        break;
        }
        if (r == 0 && id_layout_check(&ret->layout) < 0)
                return -ENODATA;
        return r;
}

static int check_statistics(const struct statistics_segment *s, uint64_t file_size) {
        if (s->size > file_size || s->client_count > s->client_capacity ||
            s->clients_offset < sizeof(*s) || s->clients_offset > s->size ||
            s->client_capacity > (s->size - s->clients_offset) / sizeof(struct statistics_client) ||
            id_layout_check(&s->layout) < 0)
                return -EBADMSG;
        return 0;
}

/* One attempt. 0: the copy is consistent; 1: torn, the contents are as found; -errno. */
static int copy_once(int fd, uint64_t file_size, struct statistics_copy *ret) {
        uint64_t before, after;
        size_t clients;
        int r = read_at(fd, &before, sizeof(before), offsetof(struct statistics_segment, sequence));

        barrier();
        if (r == 0)
                r = read_at(fd, &ret->header, sizeof(ret->header), 0);
        if (r == 0)
                r = check_statistics(&ret->header, file_size);
        if (r < 0)
                return r;
        free(ret->clients);
        clients = ret->header.client_count * sizeof(struct statistics_client);
        ret->clients = malloc(clients ? clients : 1);
        if (!ret->clients)
                return -ENOMEM;
        r = read_at(fd, ret->clients, clients, ret->header.clients_offset);
        barrier();
        if (r == 0)
                r = read_at(fd, &after, sizeof(after),
                            offsetof(struct statistics_segment, sequence));
        if (r < 0)
                return r;
        return before != after || (before & 1) != 0;
}

int segments_read_statistics(int fd, struct statistics_copy *ret, uint32_t *ret_version) {
        struct statistics_copy copy = { .torn = true };
        struct stat st;
        int r = check_start(fd, STATISTICS_MAGIC, STATISTICS_VERSION, ret_version);

        if (r == 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r < 0)
                return r;
        for (int i = 0; i < COPY_ATTEMPTS && copy.torn; i++) {
                if (i > 0)
                        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
                r = copy_once(fd, (uint64_t)st.st_size, &copy);
                if (r < 0) {
                        free(copy.clients);
                        return r;
                }
                copy.torn = r == 1;
        }
        *ret = copy;
        return 0;
}

void segments_boot_id(uint8_t ret[SEGMENTS_BOOT_ID_SIZE]) {
        FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
        size_t n = 0;

        memset(ret, 0, SEGMENTS_BOOT_ID_SIZE);
        /* a hyphen may precede each pair of digits */
        while (file && n < SEGMENTS_BOOT_ID_SIZE && fscanf(file, "%*[-]") != EOF &&
               fscanf(file, "%2hhx", &ret[n]) == 1)
                n++;
        if (file)
                fclose(file);
}

int64_t segments_updated_boot_ns(int fd) {
        struct {
                uint64_t sequence;
                int64_t updated_boot_ns;
        } head;
        uint64_t after;

        _Static_assert(offsetof(struct statistics_segment, updated_boot_ns) ==
                               offsetof(struct statistics_segment, sequence) + 8,
                       "read in one");
        if (read_at(fd, &head, sizeof(head), offsetof(struct statistics_segment, sequence)) < 0)
                return INT64_MIN;
        barrier();
        if (read_at(fd, &after, sizeof(after), offsetof(struct statistics_segment, sequence)) < 0)
                return INT64_MIN;
        return head.sequence != after || (after & 1) != 0 ? INT64_MIN : head.updated_boot_ns;
}
