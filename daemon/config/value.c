/* SPDX-License-Identifier: MIT */
#include "daemon/config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/addresses.h"
#include "daemon/config/rules.h"
#include "daemon/config/units.h"
#include "shm/id.h"
#include "shm/isotime.h"

_Static_assert(sizeof(bool) == sizeof(uint8_t), "yes and no are numbers of one byte");
_Static_assert(sizeof(enum guard_rollback) == sizeof(uint32_t) &&
               sizeof(mode_t) == sizeof(uint32_t), "numbers of four bytes");

static const char *const rollback_words[] = {
        [GUARD_OFFSET] = "offset",
        [GUARD_WAIT] = "wait",
        [GUARD_FAIL] = "fail",
        NULL,
};

/* A number has a size and is written with units, as one of some words, or in octal. */
static const struct kind {
        size_t size; /* of the field; 0: no number */
        const struct unit *units;
        const char *const *words;   /* NULL-terminated; a number is their index */
        const char *takes, *detail; /* the range goes in between */
} kinds[] = {
        [KEY_TEXT] = { .takes = "a name" },
        [KEY_USER] = { .takes = "a user name without a colon" },
        [KEY_PATH] = { .takes = "an absolute path" },
        [KEY_PREFIX] = { .takes = "a path such as /a/b, without a slash at its end and without "
                                  "parts that are empty, \".\" or \"..\"" },
        [KEY_URLS] = { .takes = "a list of 1 to 16 URLs such as http://10.0.0.1:2379, all http:// "
                                "or all https://, separated by blanks or commas" },
        [KEY_HOSTS] = { .takes = "a list of 1 to 16 servers HOST:PORT, such as 10.0.0.1:2181 or "
                                 "[fd00::1]:2181, separated by blanks or commas",
                       .detail = "; a path belongs in zookeeper.prefix" },
        [KEY_SHM] = { .takes = "a POSIX name such as /sfshm, or a directory with a second slash, "
                               "such as /run/sfshm/shm; of at most 255 bytes" },
        [KEY_BACKEND] = { .words = (const char *const[]){ "local", "etcd", "zookeeper", NULL },
                          .takes = "local, etcd or zookeeper" },
        [KEY_MODE] = { .size = 4, .takes = "octal permissions from 0 to 0777" },
        [KEY_YES_NO] = { .size = 1, .words = (const char *const[]){ "no", "yes", NULL },
                         .takes = "yes or no" },
        [KEY_ROLLBACK] = { .size = 4, .words = rollback_words, .takes = "offset, wait or fail" },
        [KEY_U8] = { .size = 1, .units = config_no_units, .takes = "a whole number" },
        [KEY_U32] = { .size = 4, .units = config_no_units, .takes = "a whole number" },
        [KEY_SIZE] = { .size = 8, .units = config_sizes, .takes = "a number of bytes",
                       .detail = ", or of KiB, MiB, GiB or TiB such as 64MiB" },
        [KEY_DURATION] = { .size = 8, .units = config_durations, .takes = "a duration",
                           .detail = ": a whole number and ns, us, ms, s, min, h or d" },
        [KEY_LAYOUT] = { .takes = "three numbers of bits that add up to 63, such as 41/10/12" },
        [KEY_EPOCH] = { .takes = "a time from 1970 on: " ISOTIME_FORMS " or Unix milliseconds" },
        [KEY_RULE] = { .units = config_no_units, .takes = "a whole number",
                       .detail = "; UID is a number, PATH begins with a slash" },
};

void config_value_allowed(const struct config_key *key, char *ret, size_t size) {
        const struct kind *kind = &kinds[key->type];
        char min[NUMBER_TEXT_SIZE], max[NUMBER_TEXT_SIZE], range[100] = "";

        if (kind->units)
                snprintf(range, sizeof(range), " from %s to %s",
                         config_number_text(key->min, kind->units, min),
                         config_number_text(key->max, kind->units, max));
        else if (key->type <= KEY_SHM)
                snprintf(range, sizeof(range), ", at most %" PRIu64 " bytes", key->max);
        snprintf(ret, size, "%s%s%s", kind->takes, range, kind->detail ? kind->detail : "");
}

void config_value_fault(const struct config_key *key, const char *text, char *ret, size_t size) {
        size_t n = key->type == KEY_URLS || key->type == KEY_HOSTS ? addresses_find_portless(&text) : 0;

        ret[0] = '\0';
        if (n > 0)
                snprintf(ret, size, ": %.*s%s has no port, which is %s as a rule",
                         (int)(n < 60 ? n : 60), text, n > 60 ? "..." : "",
                         key->type == KEY_URLS ? "2379" : "2181");
}

static int parse_word(const char *text, const char *const *words, uint64_t *ret) {
        for (size_t i = 0; words[i]; i++)
                if (strcmp(text, words[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_mode(const char *text, uint64_t *ret) {
        size_t length = strlen(text);

        if (length == 0 || length > 4 || strspn(text, "01234567") < length)
                return -EINVAL;
        *ret = strtoul(text, NULL, 8);
        return 0;
}

static int set_number(void *field, const struct config_key *key, const char *text) {
        const struct kind *kind = &kinds[key->type];
        uint64_t value;
        int r = kind->words ? parse_word(text, kind->words, &value) :
                kind->units ? config_parse_number(text, kind->units, &value) :
                              parse_mode(text, &value);

        if (r < 0 || value < key->min || value > key->max)
                return -EINVAL;
        if (kind->size == 1)
                *(uint8_t *)field = (uint8_t)value;
        else if (kind->size == 4)
                *(uint32_t *)field = (uint32_t)value;
        else
                *(uint64_t *)field = value;
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

/* ZooKeeper refuses a path that ends with a slash or has an empty part, "." or "..". For
 * etcd "/a" and "/a/" would be two ID spaces, the second made by one slash too many. */
static bool prefix_allowed(const char *path) {
        if (*path != '/')
                return false;
        while (*path == '/') {
                size_t length = strcspn(++path, "/");

                if (length == 0 || (length == 1 && path[0] == '.') ||
                    (length == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                path += length;
        }
        return true;
}

static bool text_allowed(const struct config_key *key, const char *text) {
        size_t length = strlen(text);
        uint64_t index;
        bool tls;

        for (const char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        return false;
        if (length < key->min || length > key->max)
                return false;
        switch (key->type) {
        case KEY_USER:
                return strchr(text, ':') == NULL;
        case KEY_PATH:
                return length == 0 || text[0] == '/';
        case KEY_PREFIX:
                return prefix_allowed(text);
        case KEY_URLS:
                return addresses_check_urls(text, &tls) == 0;
        case KEY_HOSTS:
                return addresses_check_hosts(text) == 0;
        case KEY_SHM:
                return shm_allowed(text);
        case KEY_BACKEND:
                return parse_word(text, kinds[key->type].words, &index) == 0;
        default:
                return true;
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

static int set_epoch(int64_t *field, const char *text) {
        int64_t unix_ms;

        if (id_epoch_parse(text, &unix_ms) < 0 || unix_ms < 0)
                return -EINVAL;
        *field = unix_ms;
        return 0;
}

int config_value_set(struct config *config, const struct config_key *key, const char *text) {
        void *field = (char *)config + key->offset;

        if (config_key_is_text(key))
                return set_text(field, key, text);
        if (key->type == KEY_LAYOUT)
                return id_layout_parse(text, field);
        if (key->type == KEY_EPOCH)
                return set_epoch(field, text);
        return set_number(field, key, text);
}

static void put_number(const void *field, const struct kind *kind, FILE *stream) {
        uint64_t value = kind->size == 1 ? *(const uint8_t *)field :
                         kind->size == 4 ? *(const uint32_t *)field :
                                           *(const uint64_t *)field;
        char text[NUMBER_TEXT_SIZE];

        if (kind->words)
                fputs(kind->words[value], stream);
        else if (kind->units)
                fputs(config_number_text(value, kind->units, text), stream);
        else
                fprintf(stream, "%04" PRIo64, value);
}

static void put_value(const void *field, const struct config_key *key, FILE *stream) {
        const struct id_layout *layout = field;
        char text[ISOTIME_SIZE];

        if (config_key_is_text(key))
                fputs(*(char *const *)field, stream);
        else if (key->type == KEY_LAYOUT)
                fprintf(stream, "%u/%u/%u", layout->tick_bits, layout->worker_bits,
                        layout->sequence_bits);
        else if (key->type == KEY_EPOCH)
                fputs(isotime_format_short(*(const int64_t *)field, text), stream);
        else if (key->type == KEY_RULE)
                config_rules_put(field, strstr(key->name, ".uid.") != NULL, stream);
        else
                put_number(field, &kinds[key->type], stream);
}

int config_value_text(const struct config *config, const struct config_key *key, char **ret) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return -ENOMEM;
        put_value((const char *)config + key->offset, key, stream);
        if (fclose(stream) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}
