/* SPDX-License-Identifier: MIT */
#include "shm/id.h"

#include <errno.h>

#include "shm/isotime.h"

const struct id_layout id_layout_default = {
        .tick_bits = 41,
        .worker_bits = 10,
        .sequence_bits = 12,
        .epoch_unix_ms = ID_DEFAULT_EPOCH_UNIX_MS,
};

int id_layout_check(const struct id_layout *layout) {
        unsigned sum = (unsigned)layout->tick_bits + layout->worker_bits + layout->sequence_bits;

        if (sum != ID_BITS || layout->tick_bits == 0 || layout->region_bits > layout->worker_bits)
                return -EINVAL;
        return 0;
}

/* One decimal number of at most two digits without a leading zero, then `end`. */
static int parse_bits(const char **text, char end, uint8_t *ret) {
        const char *p = *text;
        unsigned value = 0, digits = 0;

        for (; *p >= '0' && *p <= '9'; p++, digits++) {
                if (digits == 2 || (digits == 1 && value == 0))
                        return -EINVAL;
                value = value * 10 + (unsigned)(*p - '0');
        }
        if (digits == 0 || *p != end)
                return -EINVAL;
        *ret = (uint8_t)value;
        *text = end ? p + 1 : p;
        return 0;
}

int id_layout_parse(const char *text, struct id_layout *layout) {
        struct id_layout parsed = *layout;

        if (parse_bits(&text, '/', &parsed.tick_bits) < 0 ||
            parse_bits(&text, '/', &parsed.worker_bits) < 0 ||
            parse_bits(&text, '\0', &parsed.sequence_bits) < 0)
                return -EINVAL;
        /* region bits have a key of their own; id_layout_check() checks them later */
        if ((unsigned)parsed.tick_bits + parsed.worker_bits + parsed.sequence_bits != ID_BITS ||
            parsed.tick_bits == 0)
                return -EINVAL;
        *layout = parsed;
        return 0;
}

int id_epoch_parse(const char *text, int64_t *ret_unix_ms) {
        return isotime_parse(text, ISOTIME_EXACT | ISOTIME_UNIX_MS, ret_unix_ms);
}

int id_compose(const struct id_layout *layout, uint64_t tick, uint64_t position, uint64_t *ret_id) {
        unsigned bits = id_position_bits(layout);

        if (tick > id_tick_max(layout) || position >> bits != 0)
                return -ERANGE;
        *ret_id = tick << bits | position;
        return 0;
}

int id_decompose(const struct id_layout *layout, uint64_t id, struct id_parts *ret) {
        unsigned bits = id_position_bits(layout);
        struct id_parts parts;

        if (id >> ID_BITS != 0)
                return -ERANGE;
        parts.tick = id >> bits;
        parts.sequence = id & ((UINT64_C(1) << layout->sequence_bits) - 1);
        parts.worker = (id >> layout->sequence_bits) & ((UINT64_C(1) << layout->worker_bits) - 1);
        parts.region = parts.worker >> (layout->worker_bits - layout->region_bits);
        if (__builtin_add_overflow(layout->epoch_unix_ms, (int64_t)parts.tick, &parts.unix_ms))
                return -ERANGE;
        *ret = parts;
        return 0;
}

int id_first(const struct id_layout *layout, int64_t unix_ms, uint64_t *ret_id) {
        int64_t tick;

        if (__builtin_sub_overflow(unix_ms, layout->epoch_unix_ms, &tick) || tick < 0)
                return -ERANGE;
        return id_compose(layout, (uint64_t)tick, 0, ret_id);
}
