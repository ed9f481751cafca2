/* SPDX-License-Identifier: MIT */
#pragma once
/* The table of all keys. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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
        KEY_RESTART = 1, /* only by a restart */
        KEY_LIVE,        /* on SIGHUP */
};

struct config_key {
        const char *name; /* "section.key"; a rule ends with a word in capitals */
        enum key_type type;
        size_t offset;
        uint64_t min, max;
        const char *default_text; /* as in the manual page */
        bool computed;            /* default_text describes the default, it is no value */
        enum key_change change;
        const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;
/* at least config_n_keys; keys.c asserts it */
#define CONFIG_KEYS_MAX 64u

/* The key of that name, rules included; NULL. */
const struct config_key *config_key_find(const char *name);
bool config_key_is_rule(const struct config_key *key);
bool config_key_is_text(const struct config_key *key); /* char * */
size_t config_key_index(const struct config_key *key);
size_t config_key_section_length(const struct config_key *key);

/* The first key of that section; NULL. */
const struct config_key *config_section_find(const char *section);

/* Every key as "key<TAB>default<TAB>help", in the order of the manual page. */
void config_print_keys(FILE *file);
