/* SPDX-License-Identifier: MIT */
#include "daemon/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/internal.h"
#include "daemon/util/log.h"

#define DEFAULT_PATH "/etc/sfshm/sfshmd.conf"

static void free_rules(struct config_rule *rules, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(rules[i].cgroup);
        free(rules);
}

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config_n_keys; i++)
                if (config_key_is_text(&config_keys[i]))
                        free(*(char **)(void *)((char *)config + config_keys[i].offset));
        free_rules(config->weights, config->n_weights);
        free_rules(config->caps, config->n_caps);
        free(config);
        return NULL;
}

/* Of what cannot change only text is not the same in both: its address. */
void config_take_live(struct config *config, struct config *loaded) {
        struct config before = *config;

        *config = *loaded;
        *loaded = before;
        for (size_t i = 0; i < config_n_keys; i++) {
                const struct config_key *key = &config_keys[i];

                if (config_key_is_text(key) && key->change != KEY_LIVE) {
                        char **here = (char **)((char *)config + key->offset);
                        char **there = (char **)((char *)loaded + key->offset);
                        char *text = *here;

                        *here = *there;
                        *there = text;
                }
        }
}

uint32_t config_worker_first(const struct config *config) {
        unsigned shift = config->layout.worker_bits - config->layout.region_bits;

        /* in 64 bits: without region bits the shift may be all of 32 */
        return (uint32_t)((uint64_t)config->region << shift) | config->first;
}

static int refuse_value(const char *origin, const struct config_key *key, const char *name,
                        const char *text) {
        char allowed[256];

        config_value_allowed(key, allowed, sizeof(allowed));
        return log_failure(EINVAL, "config.value",
                           "%s: %s = \"%s\" is not allowed; %s takes %s (%s)", origin, name, text,
                           key->name, allowed, key->help);
}

int config_assign(struct config_loader *loader, const char *origin, const char *name,
                  const char *text) {
        const struct config_key *key = config_key_find(name);
        struct config *config = loader->config;
        char *copy;
        int r;

        if (!key)
                return config_key_unknown(origin, name);
        r = config_key_is_rule(key) ? config_rule_set(config, key, name, text) :
                                      config_value_set(config, key, text);
        if (r == -EINVAL)
                return refuse_value(origin, key, name, text);
        copy = r == 0 ? strdup(origin) : NULL;
        if (!copy)
                return -ENOMEM;
        free(loader->origins[config_key_index(key)]);
        loader->origins[config_key_index(key)] = copy;
        if (key->offset == offsetof(struct config, first))
                config->has_first = true;
        return 0;
}

static int load_defaults(struct config_loader *loader) {
        for (size_t i = 0; i < config_n_keys; i++) {
                int r = config_keys[i].computed ?
                                0 :
                                config_value_set(loader->config, &config_keys[i],
                                                 config_keys[i].default_text);

                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_files(struct config_loader *loader, const char *path) {
        char *directory;
        int r = config_read_file(loader, path ? path : DEFAULT_PATH, !path);

        if (r < 0)
                return r;
        if (asprintf(&directory, "%s.d", path ? path : DEFAULT_PATH) < 0)
                return -ENOMEM;
        r = config_read_directory(loader, directory);
        free(directory);
        return r;
}

static int load_set(struct config_loader *loader, const char *set) {
        const char *equals = strchr(set, '=');
        char *name;
        int r;

        if (!equals)
                return log_failure(EINVAL, "config.set",
                                   "--set %s: there is no '='; write --set section.key=value", set);
        name = strndup(set, (size_t)(equals - set));
        if (!name)
                return -ENOMEM;
        r = config_assign(loader, "--set", name, equals + 1);
        free(name);
        return r;
}

static int load_all(struct config_loader *loader, const char *path, char *const sets[]) {
        int r = load_defaults(loader);

        if (r == 0)
                r = load_files(loader, path);
        for (size_t i = 0; r == 0 && sets && sets[i]; i++)
                r = load_set(loader, sets[i]);
        if (r < 0)
                return r;
        if (loader->config->max_count == 0)
                loader->config->max_count = loader->config->count;
        return config_check(loader);
}

int config_load(struct config **ret, const char *path, char *const sets[]) {
        struct config_loader loader = { .config = calloc(1, sizeof(*loader.config)) };
        int r = loader.config ? load_all(&loader, path, sets) : -ENOMEM;

        if (r == -ENOMEM)
                (void)log_failure(ENOMEM, "config.memory",
                                  "there is no memory left to read the configuration");
        for (size_t i = 0; i < CONFIG_KEYS_MAX; i++)
                free(loader.origins[i]);
        if (r < 0) {
                loader.config = config_free(loader.config);
                return r;
        }
        *ret = loader.config;
        return 0;
}
