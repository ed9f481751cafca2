/* SPDX-License-Identifier: MIT */
#pragma once
/* The table of all keys. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_type {
        /* char *; min and max: bytes */
        KEY_TEXT,    /* anything printable */
        KEY_USER,    /* without a colon, which ends a user name in ZooKeeper */
        KEY_PATH,    /* absolute */
        KEY_PREFIX,  /* /a/b, where a coordinator keeps its keys */
        KEY_URLS,    /* see addresses.h */
        KEY_HOSTS,   /* see addresses.h */
        KEY_SHM,     /* /name or an absolute directory */
        KEY_BACKEND, /* "local", "etcd", "zookeeper": the last type of text */
        /* numbers */
        KEY_MODE,     /* mode_t, octal */
        KEY_U8,       /* uint8_t */
        KEY_U32,      /* uint32_t */
        KEY_SIZE,     /* uint64_t, bytes */
        KEY_DURATION, /* int64_t, ns */
        KEY_YES_NO,   /* bool */
        KEY_ROLLBACK, /* enum guard_rollback */
        /* others */
        KEY_LAYOUT, /* struct id_layout: the three widths */
        KEY_EPOCH,  /* int64_t, Unix ms */
        KEY_RULE,   /* struct config_rules; min and max: of a value */
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
bool config_key_is_text(const struct config_key *key); /* char * */
size_t config_key_index(const struct config_key *key);
size_t config_key_section_length(const struct config_key *key);

/* The first key of the section which is the first `length` bytes of `name`; NULL. */
const struct config_key *config_section_find(const char *name, size_t length);
