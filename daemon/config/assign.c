/* SPDX-License-Identifier: MIT */
#include "daemon/config/assign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/rules.h"
#include "daemon/config/value.h"
#include "daemon/util/log.h"

#define SHOWN_MAX 200 /* bytes of a refused value, so that the log does not cut the reason */
#define NAME_MAX_COMPARED 48u
#define ALLOWED_MAX 1024u /* the names of a section's keys */

bool config_is_set(const struct config_loader *loader, const char *name) {
        return loader->origins[config_key_index(config_key_find(name))] != NULL;
}

const char *config_origin(const struct config_loader *loader, const char *name) {
        const char *origin = loader->origins[config_key_index(config_key_find(name))];

        return origin ? origin : "default";
}

/* Levenshtein distance: single characters to insert, remove or replace. */
static size_t edit_distance(const char *a, const char *b) {
        size_t row[NAME_MAX_COMPARED + 1], n = strlen(b);

        if (n > NAME_MAX_COMPARED || strlen(a) > NAME_MAX_COMPARED)
                return SIZE_MAX;
        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t best = diagonal + (a[i - 1] != b[j - 1]);

                        diagonal = row[j];
                        if (row[j] + 1 < best)
                                best = row[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        row[j] = best;
                }
        }
        return row[n];
}

/* The key nearest to `name`: at most three edits away, or the same key in another
 * section; NULL if there is none. */
static const struct config_key *nearest(const char *name) {
        const struct config_key *found = NULL;
        const char *dot = strchr(name, '.');
        size_t least = 4;

        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++) {
                size_t distance = edit_distance(name, key->name);

                if (dot && strcmp(dot, strchr(key->name, '.')) == 0)
                        distance = 1;
                if (distance < least) {
                        least = distance;
                        found = key;
                }
        }
        return found;
}

/* The keys of the section which begins with `section`; all sections if it is NULL. */
static void list_allowed(const struct config_key *section, char ret[ALLOWED_MAX]) {
        const char *before = section ? "allowed are " : "the sections are ";
        size_t used = 0;

        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++) {
                size_t length = config_key_section_length(key);
                const struct config_key *first = config_section_find(key->name, length);

                if (used >= ALLOWED_MAX || first != (section ? section : key))
                        continue;
                used += (size_t)(section ? snprintf(ret + used, ALLOWED_MAX - used, "%s%s", before,
                                                    key->name) :
                                           snprintf(ret + used, ALLOWED_MAX - used, "%s[%.*s]",
                                                    before, (int)length, key->name));
                before = ", ";
        }
}

int config_refuse_section(const char *origin, const char *section) {
        char allowed[ALLOWED_MAX];

        list_allowed(NULL, allowed);
        return log_failure(EINVAL, WITH(EVENT_CONFIG_UNKNOWN, FIELD(KEY, section),
                                        FIELD(ORIGIN, origin)),
                           "%s: unknown section [%s]; %s", origin,
                           section, allowed);
}

static int refuse_name(const char *origin, const char *name) {
        const struct config_key *near = nearest(name);
        char allowed[ALLOWED_MAX];

        list_allowed(config_section_find(name, strcspn(name, ".")), allowed);
        return log_failure(EINVAL, WITH(EVENT_CONFIG_UNKNOWN, FIELD(KEY, name),
                                        FIELD(ORIGIN, origin)),
                           "%s: unknown key %s%s%s%s; %s", origin, name,
                           near ? "; did you mean " : "", near ? near->name : "", near ? "?" : "",
                           allowed);
}

static int refuse_value(const char *origin, const struct config_key *key, const char *name,
                        const char *text) {
        char allowed[256], fault[128];

        config_value_allowed(key, allowed, sizeof(allowed));
        config_value_fault(key, text, fault, sizeof(fault));
        return log_failure(EINVAL, WITH(EVENT_CONFIG_VALUE, FIELD(KEY, name),
                                        FIELD(ORIGIN, origin)),
                           "%s: %s = \"%.*s%s\" is not allowed%s; %s takes %s (%s)", origin, name,
                           SHOWN_MAX, text, strlen(text) > SHOWN_MAX ? "..." : "", fault, key->name,
                           allowed, key->help);
}

int config_assign(struct config_loader *loader, const char *origin, const char *name,
                  const char *text) {
        const struct config_key *key = config_key_find(name);
        char *copy, **kept;
        int r;

        if (!key)
                return refuse_name(origin, name);
        r = key->type == KEY_RULE ? config_rule_set(loader->config, key, name, text) :
                                    config_value_set(loader->config, key, text);
        if (r == -EINVAL)
                return refuse_value(origin, key, name, text);
        copy = r == 0 ? strdup(origin) : NULL;
        if (!copy)
                return -ENOMEM;
        kept = &loader->origins[config_key_index(key)];
        free(*kept);
        *kept = copy;
        return 0;
}
