/* SPDX-License-Identifier: MIT */
#include "daemon/config/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/parse.h"
#include "daemon/config/units.h"
#include "shm/isotime.h"

void config_value_allowed(const struct config_key *key, char *ret, size_t size) {
        static const char *const words[] = {
                [KEY_PATH] = "an absolute path",
                [KEY_SHM] = "a POSIX name such as /sfshm, or a directory with a second slash, such "
                            "as /run/sfshm/shm",
                [KEY_WORD] = "a name",
                [KEY_OFF] = "only off in this version",
                [KEY_BACKEND] = "local, etcd or zookeeper",
                [KEY_MODE] = "octal permissions from 0 to 0777",
                [KEY_YES_NO] = "yes or no",
                [KEY_ROLLBACK] = "offset, wait or fail",
                [KEY_LAYOUT] = "three numbers of bits that add up to 63, such as 41/10/12",
                [KEY_EPOCH] = "a time from 1970 on: " ISOTIME_FORMS " or Unix milliseconds",
        };
        char min[32], max[32];

        if (key->type == KEY_DURATION) {
                config_duration_text((int64_t)key->min, min, sizeof(min));
                config_duration_text((int64_t)key->max, max, sizeof(max));
                snprintf(ret, size,
                         "a duration from %s to %s: a whole number and ns, us, ms, s, min, h or d",
                         min, max);
        } else if (key->type == KEY_SIZE) {
                snprintf(ret, size, "a number of bytes, or of KiB, MiB, GiB or TiB such as 64MiB");
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

static void put_epoch(int64_t unix_ms, FILE *stream) {
        char text[ISOTIME_SIZE];

        fputs(isotime_format_short(unix_ms, text), stream);
}

static void put_layout(const struct id_layout *layout, FILE *stream) {
        fprintf(stream, "%u/%u/%u", layout->tick_bits, layout->worker_bits,
                layout->sequence_bits);
}

/* The rules of the kind that the key is for: "uid.1000=4, uid.1001=2". */
static void put_rules(const struct config *config, const struct config_key *key, FILE *stream) {
        bool is_weight = key->type == KEY_WEIGHT, for_uids = strstr(key->name, ".uid.") != NULL;
        const struct config_rule *rules = is_weight ? config->weights : config->caps;
        size_t n = is_weight ? config->n_weights : config->n_caps;
        const char *before = "";

        for (const struct config_rule *rule = rules; rule < rules + n; rule++) {
                if (rule->is_uid != for_uids)
                        continue;
                if (rule->is_uid)
                        fprintf(stream, "%suid.%u=%" PRIu64, before, (unsigned)rule->uid,
                                rule->value);
                else
                        fprintf(stream, "%scgroup.%s=%" PRIu64, before, rule->cgroup,
                                rule->value);
                before = ", ";
        }
}

static void put_number(const void *field, enum key_type type, FILE *stream) {
        char text[32];

        switch (type) {
        case KEY_DURATION:
                config_duration_text(*(const int64_t *)field, text, sizeof(text));
                fputs(text, stream);
                return;
        case KEY_SIZE:
                config_size_text(*(const uint64_t *)field, text, sizeof(text));
                fputs(text, stream);
                return;
        case KEY_MODE:
                fprintf(stream, "%04o", (unsigned)*(const mode_t *)field);
                return;
        case KEY_U8:
                fprintf(stream, "%u", *(const uint8_t *)field);
                return;
        default:
                fprintf(stream, "%" PRIu32, *(const uint32_t *)field);
                return;
        }
}

static void put_value(const struct config *config, const struct config_key *key, FILE *stream) {
        const void *field = (const char *)config + key->offset;

        if (config_key_is_text(key)) {
                fputs(*(char *const *)field, stream);
                return;
        }
        switch (key->type) {
        case KEY_YES_NO:
                fputs(*(const bool *)field ? "yes" : "no", stream);
                return;
        case KEY_ROLLBACK:
                fputs(config_rollback_names[*(const enum guard_rollback *)field], stream);
                return;
        case KEY_LAYOUT:
                put_layout(field, stream);
                return;
        case KEY_EPOCH:
                put_epoch(*(const int64_t *)field, stream);
                return;
        case KEY_WEIGHT:
        case KEY_CAP:
                put_rules(config, key, stream);
                return;
        default:
                put_number(field, key->type, stream);
        }
}

int config_value_text(const struct config *config, const struct config_key *key, char **ret) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return -ENOMEM;
        put_value(config, key, stream);
        if (fclose(stream) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}
