/* SPDX-License-Identifier: MIT */
/* From text to values, and in words what is allowed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/config_internal.h"

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

/* Decimal digits alone: no sign, no blank. */
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

int config_duration(const char *text, int64_t *ret_ns) {
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

/* "2025-01-01T00:00:00Z" and nothing like it. */
int config_parse_epoch(const char *text, int64_t *ret_unix_ms) {
        struct tm given = { 0 }, real;
        time_t seconds;
        int length = 0;

        for (size_t i = 0; text[i]; i++)
                if (i >= 20 || ((text[i] >= '0' && text[i] <= '9') !=
                                ("dddd-dd-ddTdd:dd:ddZ"[i] == 'd')))
                        return -EINVAL;
        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &given.tm_year, &given.tm_mon,
                   &given.tm_mday, &given.tm_hour, &given.tm_min, &given.tm_sec, &length) != 6 ||
            length != 20)
                return -EINVAL;
        given.tm_year -= 1900;
        given.tm_mon -= 1;
        real = given;
        seconds = timegm(&real);
        /* a 31st of April would have become the 1st of May */
        if (seconds < 0 || real.tm_mon != given.tm_mon || real.tm_mday != given.tm_mday ||
            real.tm_hour != given.tm_hour || real.tm_min != given.tm_min ||
            real.tm_sec != given.tm_sec)
                return -EINVAL;
        *ret_unix_ms = (int64_t)seconds * 1000;
        return 0;
}

static int set_mode(mode_t *field, const char *text) {
        mode_t mode = 0;

        if (*text == '\0' || strlen(text) > 4)
                return -EINVAL;
        for (; *text; text++) {
                if (*text < '0' || *text > '7')
                        return -EINVAL;
                mode = mode << 3 | (mode_t)(*text - '0');
        }
        if (mode > 0777)
                return -EINVAL;
        *field = mode;
        return 0;
}

/* One slash makes a POSIX name, more an absolute directory. */
static bool shm_allowed(const char *text) {
        const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

        if (text[0] != '/' || text[1] == '\0' || text[1] == '/')
                return false;
        if (strchr(text + 1, '/'))
                return true;
        return text[1] != '.' && strlen(text) <= 200 && text[1 + strspn(text + 1, letters)] == '\0';
}

static bool text_allowed(const struct config_key *key, const char *text) {
        size_t length = strlen(text);

        for (const char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        return false;
        switch (key->type) {
        case KEY_OFF:
                return strcmp(text, "off") == 0;
        case KEY_BACKEND:
                return strcmp(text, "local") == 0;
        case KEY_SHM:
                return shm_allowed(text) && length <= key->max;
        case KEY_PATH:
                return text[0] == '/' && length <= key->max;
        default:
                return length >= key->min && length <= key->max;
        }
}

static int set_text(char **field, const struct config_key *key, const char *text) {
        char *copy;

        if (!text_allowed(key, text))
                return -EINVAL;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int set_number(void *field, const struct config_key *key, const char *text) {
        uint64_t value;
        int64_t ns;

        switch (key->type) {
        case KEY_DURATION:
                if (config_duration(text, &ns) < 0 || (uint64_t)ns < key->min ||
                    (uint64_t)ns > key->max)
                        return -EINVAL;
                *(int64_t *)field = ns;
                return 0;
        case KEY_SIZE:
                if (config_parse_size(text, &value) < 0 || value < key->min || value > key->max)
                        return -EINVAL;
                *(uint64_t *)field = value;
                return 0;
        default:
                if (config_parse_u64(text, key->min, key->max, &value) < 0)
                        return -EINVAL;
                if (key->type == KEY_U8)
                        *(uint8_t *)field = (uint8_t)value;
                else
                        *(uint32_t *)field = (uint32_t)value;
                return 0;
        }
}

static int set_yes_no(bool *field, const char *text) {
        bool yes = strcmp(text, "yes") == 0;

        if (!yes && strcmp(text, "no") != 0)
                return -EINVAL;
        *field = yes;
        return 0;
}

static int set_rollback(enum guard_rollback *field, const char *text) {
        static const char *const names[] = {
                [GUARD_OFFSET] = "offset",
                [GUARD_WAIT] = "wait",
                [GUARD_FAIL] = "fail",
        };

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(text, names[i]) == 0) {
                        *field = (enum guard_rollback)i;
                        return 0;
                }
        return -EINVAL;
}

int config_value_set(struct config *config, const struct config_key *key, const char *text) {
        void *field = (char *)config + key->offset;

        switch (key->type) {
        case KEY_PATH:
        case KEY_SHM:
        case KEY_WORD:
        case KEY_OFF:
        case KEY_BACKEND:
                return set_text(field, key, text);
        case KEY_MODE:
                return set_mode(field, text);
        case KEY_YES_NO:
                return set_yes_no(field, text);
        case KEY_ROLLBACK:
                return set_rollback(field, text);
        case KEY_LAYOUT:
                return id_layout_parse(text, field);
        case KEY_EPOCH:
                return config_parse_epoch(text, field);
        default:
                return set_number(field, key, text);
        }
}

/* In the largest unit that leaves no remainder. */
static void put_with_unit(const struct unit *units, uint64_t value, char *ret, size_t size) {
        const struct unit *best = units;

        for (; units->name; units++)
                if (value != 0 && value % units->factor == 0)
                        best = units;
        snprintf(ret, size, "%" PRIu64 "%s", value / best->factor, best->name);
}

void config_value_allowed(const struct config_key *key, char *ret, size_t size) {
        static const char *const words[] = {
                [KEY_PATH] = "an absolute path",
                [KEY_SHM] = "a POSIX name such as /sfshm, or a directory such as /run/sfshm/shm "
                            "(one slash makes it a name)",
                [KEY_WORD] = "a name",
                [KEY_OFF] = "off and nothing else yet",
                [KEY_BACKEND] = "local; any other is an unknown backend",
                [KEY_MODE] = "octal permissions from 0 to 0777",
                [KEY_YES_NO] = "yes or no",
                [KEY_ROLLBACK] = "offset, wait or fail",
                [KEY_LAYOUT] = "three numbers of bits that add up to 63, such as 41/10/12",
                [KEY_EPOCH] = "a time in UTC from 1970 on, such as 2025-01-01T00:00:00Z",
        };
        char min[32], max[32];

        if (key->type == KEY_DURATION) {
                put_with_unit(duration_units, key->min, min, sizeof(min));
                put_with_unit(duration_units, key->max, max, sizeof(max));
                snprintf(ret, size,
                         "a duration from %s to %s: a whole number and ns, us, ms, s, min, h or d",
                         key->min == 0 ? "0" : min, max);
        } else if (key->type == KEY_SIZE) {
                snprintf(ret, size, "a number of bytes, or of KiB, MiB, GiB or TiB as in 64MiB");
        } else if (key->type == KEY_PATH) {
                snprintf(ret, size, "%s of at most %" PRIu64 " bytes", words[key->type], key->max);
        } else if (config_key_is_rule(key)) {
                snprintf(ret, size,
                         "a whole number from %" PRIu64 " to %" PRIu64
                         "; UID is a number, PATH begins with a slash",
                         key->min, key->max);
        } else if (key->type == KEY_U8 || key->type == KEY_U32) {
                snprintf(ret, size, "a whole number from %" PRIu64 " to %" PRIu64, key->min,
                         key->max);
        } else {
                snprintf(ret, size, "%s", words[key->type]);
        }
}
