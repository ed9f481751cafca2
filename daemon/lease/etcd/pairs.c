/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN "\"kvs\":["

/* ---- cutting them out */

/* The array as another gateway may write it, with blanks. */
static json_t *load_whole(const char *text) {
        json_t *object = json_loads(text, 0, NULL);
        const json_t *kvs = json_object_get(object, "kvs");
        char *list = json_is_array(kvs) ? json_dumps(kvs, JSON_COMPACT) : NULL;

        if (list != NULL)
                (void)json_object_set_new(object, "kvs",
                                          json_stringn(list + 1, strlen(list) - 2));
        free(list);
        return object;
}

/* Neither base64 nor a number has a bracket: the first one is that of the array. */
json_t *etcd_pairs_load(const char *text) {
        const char *begin = strstr(text, BEGIN);
        const char *end = begin != NULL ? strchr(begin += strlen(BEGIN), ']') : NULL;
        json_t *object = NULL;
        char *rest;

        if (end == NULL)
                return load_whole(text);
        rest = malloc((size_t)(begin - text) + strlen(end) + 1);
        if (rest != NULL) {
                memcpy(rest, text, (size_t)(begin - text));
                strcpy(rest + (begin - text), end);
                object = json_loads(rest, 0, NULL);
        }
        free(rest);
        /* what is no UTF-8 is no base64 either */
        if (json_is_object(object))
                (void)json_object_set_new(object, "kvs",
                                          json_stringn_nocheck(begin, (size_t)(end - begin)));
        return object;
}

/* ---- reading them */

static bool take_char(const char **at, char expected) {
        if (**at != expected)
                return false;
        (*at)++;
        return true;
}

static bool take_string(const char **at, struct etcd_text *ret) {
        const char *end = take_char(at, '"') ? strchr(*at, '"') : NULL;

        if (end == NULL)
                return false;
        *ret = (struct etcd_text){ *at, (size_t)(end - *at) };
        *at = end + 1;
        return true;
}

static bool take_value(const char **at, struct etcd_text *ret) {
        if (**at == '"')
                return take_string(at, ret);
        *ret = (struct etcd_text){ *at, strspn(*at, "0123456789") };
        *at += ret->length;
        return ret->length > 0;
}

static int64_t parse_number(const struct etcd_text *text) {
        int64_t n = 0;

        for (size_t i = 0; i < text->length; i++)
                if (text->at[i] < '0' || text->at[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, text->at[i] - '0', &n))
                        return -1;
        return text->length > 0 ? n : -1;
}

static bool is_name(const struct etcd_text *name, const char *text) {
        return name->length == strlen(text) && memcmp(name->at, text, name->length) == 0;
}

static bool take_member(const char **at, struct etcd_pair *pair) {
        struct etcd_text name, value;

        if (!take_string(at, &name) || !take_char(at, ':') || !take_value(at, &value))
                return false;
        if (is_name(&name, "key"))
                pair->key = value;
        else if (is_name(&name, "value"))
                pair->value = value;
        else if (is_name(&name, "mod_revision"))
                pair->modified = parse_number(&value);
        return true;
}

int etcd_pairs_next(const char **kvs, struct etcd_pair *ret) {
        struct etcd_pair pair = { .modified = 0 };
        const char *at = *kvs;

        if (*at == '\0')
                return 0;
        if (!take_char(&at, '{'))
                return -EIO;
        while (!take_char(&at, '}'))
                if (!take_member(&at, &pair) || (*at != '}' && !take_char(&at, ',')))
                        return -EIO;
        if (*at != '\0' && !take_char(&at, ','))
                return -EIO;
        *kvs = at;
        *ret = pair;
        return 1;
}
