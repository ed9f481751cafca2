/* SPDX-License-Identifier: MIT */
#include "daemon/config/unknown.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/keys.h"
#include "daemon/util/log.h"

#define NAME_MAX_COMPARED 48u

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

static bool same_section(const char *name, const struct config_key *key) {
        return strncmp(name, key->name, config_key_section_length(key) + 1) == 0;
}

static bool begins_section(size_t i) {
        return i == 0 || !same_section(config_keys[i].name, &config_keys[i - 1]);
}

static void list_keys(const char *name, FILE *stream) {
        const char *before = "allowed are ";

        for (size_t i = 0; i < config_n_keys; i++) {
                if (!same_section(name, &config_keys[i]))
                        continue;
                fprintf(stream, "%s%s", before, config_keys[i].name);
                before = ", ";
        }
}

static void list_sections(FILE *stream) {
        for (size_t i = 0; i < config_n_keys; i++) {
                const struct config_key *key = &config_keys[i];

                if (begins_section(i))
                        fprintf(stream, "%s[%.*s]", i == 0 ? "the sections are " : ", ",
                                (int)config_key_section_length(key), key->name);
        }
}

/* `name` as "section.key"; NULL lists the sections. */
static char *allowed_text(const char *name) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        if (name)
                list_keys(name, stream);
        else
                list_sections(stream);
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static bool has_known_section(const char *name) {
        for (size_t i = 0; i < config_n_keys; i++)
                if (same_section(name, &config_keys[i]))
                        return true;
        return false;
}

int config_key_unknown(const char *origin, const char *name) {
        const struct config_key *near = nearest(name);
        char *allowed = allowed_text(has_known_section(name) ? name : NULL);

        if (!allowed)
                return -ENOMEM;
        (void)log_failure(EINVAL, "config.unknown", "%s: unknown key %s%s%s%s; %s", origin, name,
                          near ? "; did you mean " : "", near ? near->name : "", near ? "?" : "",
                          allowed);
        free(allowed);
        return -EINVAL;
}

int config_section_unknown(const char *origin, const char *section) {
        char *allowed = allowed_text(NULL);

        if (!allowed)
                return -ENOMEM;
        (void)log_failure(EINVAL, "config.unknown", "%s: unknown section [%s]; %s", origin, section,
                          allowed);
        free(allowed);
        return -EINVAL;
}
