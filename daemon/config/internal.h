/* SPDX-License-Identifier: MIT */
#pragma once
/* What the parts of the configuration share among themselves. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config/config.h"

enum key_type {
        KEY_PATH,     /* char *: absolute; max: bytes */
        KEY_SHM,      /* char *: /name or an absolute directory */
        KEY_WORD,     /* char *: anything printable; min 0: may be empty */
        KEY_OFF,      /* char *: "off" */
        KEY_BACKEND,  /* char *: "local", "etcd", "zookeeper" */
        KEY_MODE,     /* mode_t, octal */
        KEY_U8,       /* uint8_t */
        KEY_U32,      /* uint32_t */
        KEY_SIZE,     /* uint64_t, bytes */
        KEY_DURATION, /* int64_t, ns */
        KEY_YES_NO,   /* bool */
        KEY_ROLLBACK, /* enum guard_rollback */
        KEY_LAYOUT,   /* struct id_layout: the three widths */
        KEY_EPOCH,    /* int64_t, Unix ms */
        KEY_WEIGHT,   /* rules: weights.* */
        KEY_CAP,      /* rules: caps.* */
};

/* Whether a running daemon can take a new value. */
enum key_change {
        KEY_RESTART = 1, /* not without a restart */
        KEY_LIVE,        /* on SIGHUP */
};

struct config_key {
        const char *name; /* "section.key"; for rules with a word in capitals at its end */
        enum key_type type;
        size_t offset;
        uint64_t min, max;
        const char *default_text; /* as the manual page has it */
        bool computed;            /* the default is no value but words: nothing to parse */
        enum key_change change;
        const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;
/* at least config_n_keys, asserted there */
#define CONFIG_KEYS_MAX 64u

/* Where a value came from: "FILE:LINE" or "--set". */
struct config_loader {
        struct config *config;
        char *origins[CONFIG_KEYS_MAX]; /* NULL: the default */
};

/* The key of that name, rules included; NULL. */
const struct config_key *config_key_find(const char *name);
bool config_key_is_rule(const struct config_key *key);
bool config_key_is_text(const struct config_key *key); /* char * */
size_t config_key_index(const struct config_key *key);

bool config_section_known(const char *section);

/* Log that `name` is unknown, with the nearest key and all of its section's, or
 * the sections. Return -EINVAL. */
int config_key_unknown(const char *origin, const char *name);
int config_section_unknown(const char *origin, const char *section);

/* Reads `text` into the configuration; -EINVAL when it is not allowed. */
int config_value_set(struct config *config, const struct config_key *key, const char *text);
/* "a whole number from 1 to 65536" */
void config_value_allowed(const struct config_key *key, char *ret, size_t size);
/* The rule `name` = "weights.uid.1000", "caps.cgroup./x.slice". */
int config_rule_set(struct config *config, const struct config_key *key, const char *name,
                    const char *text);

/* The value as it may stand in a file; equal texts are equal values. Of rules all
 * that the key is for. */
int config_value_text(const struct config *config, const struct config_key *key, char **ret);

/* ... ends with a name of NULL. */
struct config_unit {
        const char *name;
        uint64_t factor;
};
extern const struct config_unit config_duration_units[];
extern const struct config_unit config_size_units[];

#define CONFIG_ROLLBACKS (GUARD_FAIL + 1)
extern const char *const config_rollback_names[CONFIG_ROLLBACKS];

int config_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
int config_parse_size(const char *text, uint64_t *ret);

/* Sets `name` ("section.key") and remembers where that came from. Logs its errors. */
int config_assign(struct config_loader *loader, const char *origin, const char *name,
                  const char *text);
/* A file of `[section]` and `key = value` lines. Logs its errors. */
int config_read_file(struct config_loader *loader, const char *path, bool may_be_missing);
/* *.conf in `directory`, in the order of their names. Logs its errors. */
int config_read_directory(struct config_loader *loader, const char *directory);
/* What no key can say alone. Logs its errors. */
int config_check(const struct config_loader *loader);
