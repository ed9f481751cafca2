/* SPDX-License-Identifier: MIT */
#pragma once
/* Numbers of few bytes: 7 bits each, the low ones first; signed ones fold their sign into the
 * lowest bit. Nothing is written beyond the end, or read beyond it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes_out {
        uint8_t *at, *end;
        bool full; /* something did not fit */
};

struct bytes_in {
        const uint8_t *at, *end;
        bool bad; /* it ended too early, or held an odd number */
};

static inline void put_byte(struct bytes_out *out, uint8_t byte) {
        if (out->at == out->end)
                out->full = true;
        else
                *out->at++ = byte;
}

static inline void put_number(struct bytes_out *out, uint64_t value) {
        for (; value >= 0x80; value >>= 7)
                put_byte(out, (uint8_t)(value | 0x80));
        put_byte(out, (uint8_t)value);
}

/* a - b, whichever is larger; modulo 2^64 nothing is lost */
static inline void put_change(struct bytes_out *out, uint64_t a, uint64_t b) {
        uint64_t d = a - b;

        put_number(out, d << 1 ^ (uint64_t)-(int64_t)(d >> 63));
}

static inline void put_text(struct bytes_out *out, const char *text, size_t length) {
        put_number(out, length);
        for (size_t i = 0; i < length; i++)
                put_byte(out, (uint8_t)text[i]);
}

static inline uint8_t get_byte(struct bytes_in *in) {
        if (in->at == in->end) {
                in->bad = true;
                return 0;
        }
        return *in->at++;
}

static inline uint64_t get_number(struct bytes_in *in) {
        uint64_t value = 0;

        for (unsigned shift = 0; shift < 64; shift += 7) {
                uint8_t byte = get_byte(in);

                value |= (uint64_t)(byte & 0x7f) << shift;
                if (byte < 0x80)
                        return value;
        }
        in->bad = true;
        return 0;
}

/* One that is at most `most`. */
static inline uint64_t get_limited(struct bytes_in *in, uint64_t most) {
        uint64_t value = get_number(in);

        if (value <= most)
                return value;
        in->bad = true;
        return 0;
}

static inline uint64_t get_change(struct bytes_in *in, uint64_t b) {
        uint64_t d = get_number(in);

        return b + (d >> 1 ^ (uint64_t)-(int64_t)(d & 1));
}

/* With a NUL behind it: `size` is at least 1. */
static inline void get_text(struct bytes_in *in, char *ret, size_t size) {
        uint64_t length = get_limited(in, size - 1);

        for (uint64_t i = 0; i < length; i++)
                ret[i] = (char)get_byte(in);
        memset(ret + length, 0, size - length);
}
