/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/fleet_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/state/small_file.h"

#define MAGIC_LINE "sfshm-fleet 1\n"
#define NO_RECORD "00000000000000000000000000000000"

static const char *const earlier_files[] = { "fleet-space", "fleet-nonce" };

void fleet_memory_forget_record(struct fleet_memory *memory) {
        memcpy(memory->nonce, NO_RECORD, sizeof(NO_RECORD));
        memory->since_unix_ms = memory->renewals = memory->fence_tick = memory->grown_tick = 0;
        memory->confirmed_unix_ms = memory->claimed_unix_ms = 0;
        memory->first = memory->count = 0;
}

size_t fleet_memory_encode(const struct fleet_memory *memory, char text[FLEET_MEMORY_TEXT_MAX]) {
        int size = snprintf(text, FLEET_MEMORY_TEXT_MAX,
                            MAGIC_LINE "space %s\nnonce %s\nsince-unix-ms %" PRIu64
                                       "\nrenewals %" PRIu64 "\nfence-tick %" PRIu64
                                       "\nconfirmed-unix-ms %" PRIu64
                                       "\nboot-id %s\ndirectory %s"
                                       "\nregion %" PRIu32 "\nworkers %" PRIu32 "+%" PRIu32
                                       "\ngrown-tick %" PRIu64 "\nclaimed-unix-ms %" PRIu64
                                       "\nrecovered-unix-ms %" PRIu64 "\nclaims %" PRIu64 "\n",
                            memory->space, memory->nonce, memory->since_unix_ms,
                            memory->renewals, memory->fence_tick, memory->confirmed_unix_ms,
                            memory->boot_id, memory->directory, memory->region, memory->first,
                            memory->count, memory->grown_tick, memory->claimed_unix_ms,
                            memory->recovered_unix_ms, memory->claims);

        /* the longest text there can be has 555 bytes: it always fits */
        size += snprintf(text + size, FLEET_MEMORY_TEXT_MAX - (size_t)size,
                         "checksum %016" PRIx64 "\n", small_file_sum(text, (size_t)size));
        return (size_t)size;
}

static bool is_hex(const char *text) {
        return strlen(text) == FLEET_MEMORY_HEX - 1;
}

/* Reads the numbers; the comparison with the re-encoded text finds everything odd. */
static bool scan_text(const char *text, struct fleet_memory *ret) {
        return sscanf(text,
                      MAGIC_LINE "space %32[0-9a-f] nonce %32[0-9a-f] since-unix-ms %" SCNu64
                                 " renewals %" SCNu64 " fence-tick %" SCNu64
                                 " confirmed-unix-ms %" SCNu64
                                 " boot-id %32[0-9a-f] directory %64[0-9:]"
                                 " region %" SCNu32 " workers %" SCNu32 "+%" SCNu32
                                 " grown-tick %" SCNu64 " claimed-unix-ms %" SCNu64
                                 " recovered-unix-ms %" SCNu64 " claims %" SCNu64,
                      ret->space, ret->nonce, &ret->since_unix_ms, &ret->renewals, &ret->fence_tick,
                      &ret->confirmed_unix_ms, ret->boot_id, ret->directory, &ret->region,
                      &ret->first, &ret->count, &ret->grown_tick, &ret->claimed_unix_ms,
                      &ret->recovered_unix_ms, &ret->claims) == 15 &&
               is_hex(ret->space) && is_hex(ret->nonce) && is_hex(ret->boot_id);
}

static bool is_other_version(const char *text) {
        unsigned version;
        char end;

        return sscanf(text, "sfshm-fleet %u%c", &version, &end) == 2 && end == '\n' &&
               version != 1;
}

int fleet_memory_decode(const char *text, size_t size, struct fleet_memory *ret) {
        char copy[FLEET_MEMORY_TEXT_MAX], encoded[FLEET_MEMORY_TEXT_MAX];
        struct fleet_memory memory = { .claims = 0 };

        if (size >= FLEET_MEMORY_TEXT_MAX || memchr(text, '\0', size) != NULL)
                return -EBADMSG;
        memcpy(copy, text, size);
        copy[size] = '\0';
        if (is_other_version(copy))
                return -EPROTO;
        /* one comparison for checksum, order, spelling and missing or extra bytes */
        if (!scan_text(copy, &memory) || fleet_memory_encode(&memory, encoded) != size ||
            memcmp(encoded, copy, size) != 0)
                return -EBADMSG;
        *ret = memory;
        return 0;
}

/* One name and a newline. -ENOENT: there is no such file. */
static int read_earlier(int dir_fd, const char *file, char ret[FLEET_MEMORY_HEX]) {
        char text[FLEET_MEMORY_HEX + 1] = "";
        ssize_t size = small_file_read(dir_fd, file, text, sizeof(text));

        if (size < 0)
                return (int)size;
        if (size != FLEET_MEMORY_HEX || text[size - 1] != '\n')
                return -EBADMSG;
        text[size - 1] = '\0';
        if (strspn(text, "0123456789abcdef") != FLEET_MEMORY_HEX - 1)
                return -EBADMSG;
        memcpy(ret, text, FLEET_MEMORY_HEX);
        return 0;
}

/* The nonce was written last: without it the host had no worker IDs yet. */
static int read_earlier_files(int dir_fd, struct fleet_memory *ret) {
        struct fleet_memory memory = { .claims = 0 };
        int r = read_earlier(dir_fd, earlier_files[1], memory.nonce);

        if (r == 0)
                r = read_earlier(dir_fd, earlier_files[0], memory.space);
        if (r == 0)
                *ret = memory;
        return r == -ENOENT ? 0 : r;
}

int fleet_memory_read(int dir_fd, struct fleet_memory *ret) {
        char text[FLEET_MEMORY_TEXT_MAX];
        ssize_t size = small_file_read(dir_fd, FLEET_MEMORY_NAME, text, sizeof(text));

        *ret = (struct fleet_memory){ .claims = 0 };
        if (size == -ENOENT)
                return read_earlier_files(dir_fd, ret);
        return size < 0 ? (int)size : fleet_memory_decode(text, (size_t)size, ret);
}

int fleet_memory_write(int dir_fd, const struct fleet_memory *memory) {
        char text[FLEET_MEMORY_TEXT_MAX];
        int r = small_file_write(dir_fd, FLEET_MEMORY_NAME, FLEET_MEMORY_NEW_NAME, text,
                                 fleet_memory_encode(memory, text), &small_file_kernel);

        for (size_t i = 0; r == 0 && i < sizeof(earlier_files) / sizeof(earlier_files[0]); i++)
                if (unlinkat(dir_fd, earlier_files[i], 0) < 0 && errno != ENOENT)
                        r = -errno;
        return r;
}
