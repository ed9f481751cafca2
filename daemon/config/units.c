/* SPDX-License-Identifier: MIT */
#include "daemon/config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct unit config_no_units[] = { { "", 1 }, { NULL, 0 } };

const struct unit config_durations[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "ms", 1000000 },
        { "s", UINT64_C(1000000000) },
        { "min", UINT64_C(60000000000) },
        { "h", UINT64_C(3600000000000) },
        { "d", UINT64_C(86400000000000) },
        { NULL, 0 },
};

const struct unit config_sizes[] = {
        { "", 1 },
        { "B", 1 },
        { "KiB", UINT64_C(1) << 10 },
        { "MiB", UINT64_C(1) << 20 },
        { "GiB", UINT64_C(1) << 30 },
        { "TiB", UINT64_C(1) << 40 },
        { NULL, 0 },
};

/* No sign and no blank; a zero needs no unit. */
int config_parse_number(const char *text, const struct unit *units, uint64_t *ret) {
        const char *p = text;
        uint64_t value = 0;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return -EINVAL;
        if (p == text)
                return -EINVAL;
        while (units->name && strcmp(units->name, p) != 0)
                units++;
        if (strcmp(text, "0") != 0 &&
            (!units->name || __builtin_mul_overflow(value, units->factor, &value)))
                return -EINVAL;
        *ret = value;
        return 0;
}

const char *config_number_text(uint64_t value, const struct unit *units,
                               char ret[NUMBER_TEXT_SIZE]) {
        const struct unit *best = units;

        for (; units->name; units++)
                if (value % units->factor == 0)
                        best = units;
        snprintf(ret, NUMBER_TEXT_SIZE, "%" PRIu64 "%s", value / best->factor,
                 value == 0 ? "" : best->name);
        return ret;
}
