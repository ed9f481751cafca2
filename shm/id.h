/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The bits of an ID.
 *
 *   63   62 ............. 22   21 ........ 12   11 ......... 0
 *   0    tick (ms)             worker           sequence         layout 41/10/12
 *
 * The region is the high `region_bits` of the worker field. Worker and
 * sequence together are one number, the position.
 */
#include <stdbool.h>
#include <stdint.h>

#define ID_BITS 63u /* the sign bit stays 0 */

/* 2025-01-01T00:00:00Z, the default epoch, in Unix milliseconds */
#define ID_DEFAULT_EPOCH_UNIX_MS INT64_C(1735689600000)

struct id_layout {
        uint8_t tick_bits;
        uint8_t worker_bits; /* region included */
        uint8_t sequence_bits;
        uint8_t region_bits; /* the high bits of the worker field */
        uint32_t reserved;
        int64_t epoch_unix_ms;
};

struct id_parts {
        int64_t unix_ms;
        uint64_t tick;     /* ms since the epoch */
        uint64_t region;   /* high bits of the worker field, 0 without region bits */
        uint64_t worker;   /* the whole worker field, region included */
        uint64_t sequence;
};

/* 41/10/12, no region bits, the default epoch */
extern const struct id_layout id_layout_default;

/* 0 if tick + worker + sequence = 63, tick >= 1 and region_bits <= worker_bits; else
 * -EINVAL. */
int id_layout_check(const struct id_layout *layout);

/* "41/10/12", three decimal numbers that add up to 63: 0 or -EINVAL. Leaves epoch and
 * region bits as they are, and all of `layout` on failure. */
int id_layout_parse(const char *text, struct id_layout *layout);

/* The epoch's text: a form of isotime_parse(), Unix milliseconds included, to the whole
 * millisecond. 0, -EINVAL or -ERANGE. */
int id_epoch_parse(const char *text, int64_t *ret_unix_ms);

static inline unsigned id_position_bits(const struct id_layout *layout) {
        return (unsigned)layout->worker_bits + layout->sequence_bits;
}

static inline uint64_t id_tick_max(const struct id_layout *layout) {
        return (UINT64_C(1) << layout->tick_bits) - 1;
}

/* -ERANGE: tick or position does not fit the layout. */
int id_compose(const struct id_layout *layout, uint64_t tick, uint64_t position, uint64_t *ret_id);

/* -ERANGE: the sign bit is set, or the time does not fit an int64_t. */
int id_decompose(const struct id_layout *layout, uint64_t id, struct id_parts *ret);

/* The lowest ID of that millisecond. -ERANGE: the layout has no such time. */
int id_first(const struct id_layout *layout, int64_t unix_ms, uint64_t *ret_id);
