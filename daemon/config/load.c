/* SPDX-License-Identifier: MIT */
#include "daemon/config/load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/assign.h"
#include "daemon/config/check.h"
#include "daemon/config/file.h"
#include "daemon/config/rules.h"
#include "daemon/config/value.h"
#include "daemon/util/log.h"

#define DEFAULT_PATH "/etc/sfshm/sfshmd.conf"

struct config *config_free(struct config *config) {
        if (!config)
                return NULL;
        for (size_t i = 0; i < config_n_keys; i++)
                if (config_key_is_text(&config_keys[i]))
                        free(*(char **)(void *)((char *)config + config_keys[i].offset));
        config_rules_clear(&config->weights);
        config_rules_clear(&config->caps);
        free(config);
        return NULL;
}

static int load_defaults(struct config *config) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < config_n_keys; i++)
                if (!config_keys[i].computed)
                        r = config_value_set(config, &config_keys[i], config_keys[i].default_text);
        return r;
}

static int load_files(struct config_loader *loader, const char *path) {
        char *directory;
        int r;

        if (asprintf(&directory, "%s.d", path ? path : DEFAULT_PATH) < 0)
                return -ENOMEM;
        r = config_read_file(loader, path ? path : DEFAULT_PATH, !path);
        if (r == 0)
                r = config_read_directory(loader, directory);
        free(directory);
        return r;
}

static int load_set(struct config_loader *loader, const char *set) {
        const char *equals = strchr(set, '=');
        char *name;
        int r;

        if (!equals)
                return log_failure(EINVAL, EVENT_CONFIG_SET,
                                   "--set %s: '=' is missing: write --set section.key=value", set);
        name = strndup(set, (size_t)(equals - set));
        if (!name)
                return -ENOMEM;
        r = config_assign(loader, "--set", name, equals + 1);
        free(name);
        return r;
}

/* The defaults that depend on other keys. */
static void set_computed(struct config_loader *loader) {
        struct config *config = loader->config;

        config->has_first = config_is_set(loader, "workers.first");
        if (!config_is_set(loader, "workers.max_count"))
                config->max_count = config->count;
}

static int load_all(struct config_loader *loader, const char *path, char *const sets[]) {
        int r = load_defaults(loader->config);

        if (r == 0)
                r = load_files(loader, path);
        for (size_t i = 0; r == 0 && sets && sets[i]; i++)
                r = load_set(loader, sets[i]);
        if (r < 0)
                return r;
        set_computed(loader);
        return config_check(loader);
}

int config_load(struct config **ret, const char *path, char *const sets[]) {
        struct config_loader loader = { .config = calloc(1, sizeof(*loader.config)) };
        int r = loader.config ? load_all(&loader, path, sets) : -ENOMEM;

        if (r == -ENOMEM)
                (void)log_failure(ENOMEM, EVENT_CONFIG_MEMORY,
                                  "out of memory while reading the configuration");
        for (size_t i = 0; i < CONFIG_KEYS_MAX; i++)
                free(loader.origins[i]);
        if (r < 0)
                config_free(loader.config);
        else
                *ret = loader.config;
        return r;
}
