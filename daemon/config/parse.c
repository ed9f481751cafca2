/* SPDX-License-Identifier: MIT */
#include "daemon/config/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/units.h"
#include "shm/id.h"

static int set_epoch(int64_t *field, const char *text) {
        int64_t unix_ms;

        if (id_epoch_parse(text, &unix_ms) < 0 || unix_ms < 0)
                return -EINVAL;
        *field = unix_ms;
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
                return strcmp(text, "local") == 0 || strcmp(text, "etcd") == 0 ||
                       strcmp(text, "zookeeper") == 0;
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
                if (config_parse_duration(text, &ns) < 0 || (uint64_t)ns < key->min ||
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

const char *const config_rollback_names[CONFIG_ROLLBACKS] = {
        [GUARD_OFFSET] = "offset",
        [GUARD_WAIT] = "wait",
        [GUARD_FAIL] = "fail",
};

static int set_rollback(enum guard_rollback *field, const char *text) {
        for (unsigned i = 0; i < CONFIG_ROLLBACKS; i++)
                if (strcmp(text, config_rollback_names[i]) == 0) {
                        *field = (enum guard_rollback)i;
                        return 0;
                }
        return -EINVAL;
}

int config_value_set(struct config *config, const struct config_key *key, const char *text) {
        void *field = (char *)config + key->offset;

        if (config_key_is_text(key))
                return set_text(field, key, text);
        switch (key->type) {
        case KEY_MODE:
                return set_mode(field, text);
        case KEY_YES_NO:
                return set_yes_no(field, text);
        case KEY_ROLLBACK:
                return set_rollback(field, text);
        case KEY_LAYOUT:
                return id_layout_parse(text, field);
        case KEY_EPOCH:
                return set_epoch(field, text);
        default:
                return set_number(field, key, text);
        }
}
