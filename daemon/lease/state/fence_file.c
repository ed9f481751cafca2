/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/fence_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/host/ids.h"

#define MAGIC_LINE "sfshm-state 1\n"
#define CHECKSUM_WORD "checksum "

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
                         CHECKSUM_WORD "%016" PRIx64 "\n", small_file_sum(text, (size_t)size));
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

int fence_file_read(int dir_fd, struct fence_state *ret) {
        char text[FENCE_FILE_TEXT_MAX];
        ssize_t size = small_file_read(dir_fd, FENCE_FILE_NAME, text, sizeof(text));

        return size < 0 ? (int)size : fence_file_decode(text, (size_t)size, ret);
}

int fence_file_write(int dir_fd, const struct fence_state *state,
                     const struct small_file_calls *calls) {
        char text[FENCE_FILE_TEXT_MAX];
        size_t size = fence_file_encode(state, text);

        return small_file_write(dir_fd, FENCE_FILE_NAME, FENCE_FILE_NEW_NAME, text, size, calls);
}
