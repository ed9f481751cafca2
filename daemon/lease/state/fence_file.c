/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/fence_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/host/ids.h"
#include "daemon/util/kill_point.h"

#define MAGIC_LINE "sfshm-state 1\n"
#define CHECKSUM_WORD "checksum "

const struct fence_file_calls fence_file_kernel = {
        .write = write,
        .fsync = fsync,
        .renameat = renameat,
};

/* FNV-1a: every step is a bijection, so any single changed byte changes it. */
static uint64_t fnv1a_64(const char *bytes, size_t size) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
        return hash;
}

const char *fence_time(const struct id_layout *layout, uint64_t tick, char text[FENCE_TIME_SIZE]) {
        int64_t unix_ms;

        strcpy(text, "-");
        if (tick == 0 || tick > INT64_MAX ||
            __builtin_add_overflow(layout->epoch_unix_ms, (int64_t)tick, &unix_ms))
                return text;
        isotime_format(unix_ms, text);
        /* a year that needs a sign has always been "-" in the file, which is compared */
        if (text[0] == '+' || text[0] == '-')
                strcpy(text, "-");
        return text;
}

size_t fence_file_encode(const struct fence_state *state, char text[FENCE_FILE_TEXT_MAX]) {
        const struct id_layout *layout = &state->layout;
        char machine_id[33], time[FENCE_TIME_SIZE];
        int size;

        ids_format(machine_id, state->machine_id);
        size = snprintf(text, FENCE_FILE_TEXT_MAX,
                        MAGIC_LINE "machine-id %s\nlayout %u/%u/%u\nregion-bits %u\n"
                                   "epoch-unix-ms %" PRId64 "\nworkers %" PRIu32 "+%" PRIu32 "\n"
                                   "fence-tick %" PRIu64 "\nfence-time %s\n",
                        machine_id, layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                        layout->region_bits, layout->epoch_unix_ms, state->worker_first,
                        state->worker_count, state->fence_tick,
                        fence_time(layout, state->fence_tick, time));
        /* the longest text there can be is 333 bytes: it always fits */
        size += snprintf(text + size, FENCE_FILE_TEXT_MAX - (size_t)size,
                         CHECKSUM_WORD "%016" PRIx64 "\n", fnv1a_64(text, (size_t)size));
        return (size_t)size;
}

/* Reads the numbers; the comparison with the re-encoded text finds everything odd. */
static bool scan_text(const char *text, struct fence_state *ret) {
        char machine_id[33];
        int scanned = sscanf(text,
                             MAGIC_LINE "machine-id %32[0-9a-f] layout %" SCNu8 "/%" SCNu8
                                        "/%" SCNu8 " region-bits %" SCNu8 " epoch-unix-ms %" SCNd64
                                        " workers %" SCNu32 "+%" SCNu32 " fence-tick %" SCNu64,
                             machine_id, &ret->layout.tick_bits, &ret->layout.worker_bits,
                             &ret->layout.sequence_bits, &ret->layout.region_bits,
                             &ret->layout.epoch_unix_ms, &ret->worker_first, &ret->worker_count,
                             &ret->fence_tick);

        if (scanned != 9 || strlen(machine_id) != 32)
                return false;
        for (size_t i = 0; i < 16; i++)
                if (sscanf(machine_id + 2 * i, "%2" SCNx8, &ret->machine_id[i]) != 1)
                        return false;
        return true;
}

static bool other_version(const char *text) {
        unsigned version;
        char end;

        return sscanf(text, "sfshm-state %u%c", &version, &end) == 2 && end == '\n' && version != 1;
}

int fence_file_decode(const char *text, size_t size, struct fence_state *ret) {
        char copy[FENCE_FILE_TEXT_MAX], encoded[FENCE_FILE_TEXT_MAX];
        struct fence_state state = { .fence_tick = 0 };

        if (size >= FENCE_FILE_TEXT_MAX || memchr(text, '\0', size) != NULL)
                return -EBADMSG;
        memcpy(copy, text, size);
        copy[size] = '\0';
        if (other_version(copy))
                return -EPROTO;
        /* One comparison for checksum, order, spelling and missing or extra bytes. */
        if (!scan_text(copy, &state) || fence_file_encode(&state, encoded) != size ||
            memcmp(encoded, copy, size) != 0)
                return -EBADMSG;
        *ret = state;
        return 0;
}

/* All of a file, or as much as the buffer holds. */
static ssize_t read_all(int fd, char *buffer, size_t capacity) {
        size_t size = 0;

        while (size < capacity) {
                ssize_t n = read(fd, buffer + size, capacity - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        return (ssize_t)size;
}

int fence_file_read(int dir_fd, struct fence_state *ret) {
        char text[FENCE_FILE_TEXT_MAX];
        int fd = openat(dir_fd, FENCE_FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        ssize_t size;

        if (fd < 0)
                return -errno;
        size = read_all(fd, text, sizeof(text));
        close(fd);
        return size < 0 ? (int)size : fence_file_decode(text, (size_t)size, ret);
}

static int write_all(int fd, const char *bytes, size_t size, const struct fence_file_calls *calls) {
        while (size > 0) {
                ssize_t n = calls->write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -EIO;
                bytes += n;
                size -= (size_t)n;
                kill_point();
        }
        return 0;
}

/* The new text, on disk under the other name. After a failure the next attempt
 * begins with a new file: a page that once failed to reach the disk is not
 * written by a second fsync(). */
static int write_new(int dir_fd, const char *text, size_t size,
                     const struct fence_file_calls *calls) {
        int fd, r;

        if (unlinkat(dir_fd, FENCE_FILE_NEW_NAME, 0) < 0 && errno != ENOENT)
                return -errno;
        kill_point();
        fd = openat(dir_fd, FENCE_FILE_NEW_NAME,
                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        kill_point();
        r = write_all(fd, text, size, calls);
        if (r == 0 && calls->fsync(fd) < 0)
                r = -errno;
        close(fd);
        return r;
}

int fence_file_write(int dir_fd, const struct fence_state *state,
                     const struct fence_file_calls *calls) {
        char text[FENCE_FILE_TEXT_MAX];
        int r = write_new(dir_fd, text, fence_file_encode(state, text), calls);

        kill_point();
        if (r < 0) {
                /* frees the space on a full disk; the first error is the one to return */
                unlinkat(dir_fd, FENCE_FILE_NEW_NAME, 0);
                return r;
        }
        if (calls->renameat(dir_fd, FENCE_FILE_NEW_NAME, dir_fd, FENCE_FILE_NAME) < 0)
                return -errno;
        kill_point();
        if (calls->fsync(dir_fd) < 0)
                return -errno;
        kill_point();
        return 0;
}
