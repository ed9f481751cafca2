/* SPDX-License-Identifier: MIT */
#include "daemon/config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A table ends with a name of NULL. */
struct unit {
        const char *name;
        uint64_t factor;
};

static const struct unit duration_units[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "ms", 1000000 },
        { "s", UINT64_C(1000000000) },
        { "min", UINT64_C(60000000000) },
        { "h", UINT64_C(3600000000000) },
        { "d", UINT64_C(86400000000000) },
        { NULL, 0 },
};

static const struct unit size_units[] = {
        { "", 1 },
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
        { NULL, 0 },
};

/* No sign and no blank. */
static int take_digits(const char **text, uint64_t *ret) {
        const char *p = *text;
        uint64_t value = 0;

        if (*p < '0' || *p > '9')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -EINVAL;
        *text = p;
        *ret = value;
        return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret) {
        uint64_t value;

        if (take_digits(&text, &value) < 0)
                return -EINVAL;
        while (units->name && strcmp(units->name, text) != 0)
                units++;
        if (!units->name || __builtin_mul_overflow(value, units->factor, &value))
                return -EINVAL;
        *ret = value;
        return 0;
}

int config_parse_duration(const char *text, int64_t *ret_ns) {
        uint64_t ns = 0;

        if (strcmp(text, "0") != 0 && parse_with_unit(text, duration_units, &ns) < 0)
                return -EINVAL;
        if (ns > INT64_MAX)
                return -EINVAL;
        *ret_ns = (int64_t)ns;
        return 0;
}

int config_parse_size(const char *text, uint64_t *ret) {
        return parse_with_unit(text, size_units, ret);
}

int config_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t value;

        if (take_digits(&text, &value) < 0 || *text != '\0' || value < min || value > max)
                return -EINVAL;
        *ret = value;
        return 0;
}

static void put_with_unit(const struct unit *units, uint64_t value, char *ret, size_t size) {
        const struct unit *best = units;

        for (; units->name; units++)
                if (value != 0 && value % units->factor == 0)
                        best = units;
        snprintf(ret, size, "%" PRIu64 "%s", value / best->factor, best->name);
}

void config_duration_text(int64_t ns, char *ret, size_t size) {
        if (ns == 0)
                snprintf(ret, size, "0");
        else
                put_with_unit(duration_units, (uint64_t)ns, ret, size);
}

void config_size_text(uint64_t bytes, char *ret, size_t size) {
        put_with_unit(size_units, bytes, ret, size);
}
