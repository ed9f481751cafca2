/* SPDX-License-Identifier: MIT */
#include "libclient/observe/number.h"

#include <errno.h>
#include <string.h>

#define DIGITS "0123456789"

static int digit_of(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

int number_parse(const char *text, size_t length, uint64_t *ret) {
        uint64_t value = 0;
        int base = 10, overflow = 0;

        if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
                base = 16;
                text += 2;
                length -= 2;
        }
        if (length == 0)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                int digit = digit_of(text[i]);

                if (digit >= base)
                        return -EINVAL; /* also after an overflow: "99…9x" is not a number */
                overflow |= __builtin_mul_overflow(value, (uint64_t)base, &value);
                overflow |= __builtin_add_overflow(value, (uint64_t)digit, &value);
        }
        if (overflow)
                return -ERANGE;
        *ret = value;
        return 0;
}

/* 10 to the power that the suffix of a count means, or -EINVAL. */
static int exponent_of(const char *suffix) {
        static const char letters[] = "kMG";
        const char *letter;
        uint64_t exponent;

        if (suffix[0] == '\0')
                return 0;
        if (suffix[0] == 'e') {
                size_t n = strspn(suffix + 1, DIGITS);

                return suffix[1 + n] == '\0' && number_parse(suffix + 1, n, &exponent) == 0 &&
                                       exponent < 20
                               ? (int)exponent
                               : -EINVAL;
        }
        letter = strchr(letters, suffix[0]);
        return letter != NULL && suffix[1] == '\0' ? 3 * (int)(letter - letters + 1) : -EINVAL;
}

int number_parse_count(const char *text, uint64_t *ret) {
        size_t n = strspn(text, DIGITS);
        int exponent = exponent_of(text + n);
        uint64_t value;
        int r = number_parse(text, n, &value);

        if (r < 0 || exponent < 0)
                return r < 0 ? r : exponent;
        for (; exponent > 0; exponent--)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value))
                        return -ERANGE;
        *ret = value;
        return 0;
}

int number_parse_seconds(const char *text, int64_t *ret_ns) {
        size_t n = strspn(text, DIGITS);
        int64_t value, scale = 1000000000;
        const char *p = text + n;
        uint64_t seconds;
        int r = number_parse(text, n, &seconds);

        if (r < 0)
                return r;
        if (__builtin_mul_overflow(seconds, scale, &value))
                return -ERANGE;
        if (*p == '.' && p[1] != '\0')
                for (p++; *p >= '0' && *p <= '9' && scale > 1; p++) {
                        scale /= 10;
                        if (__builtin_add_overflow(value, (*p - '0') * scale, &value))
                                return -ERANGE;
                }
        if (*p != '\0')
                return -EINVAL;
        *ret_ns = value;
        return 0;
}
