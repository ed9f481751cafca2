/* SPDX-License-Identifier: MIT */
#include "daemon/config/assign.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/format.h"
#include "daemon/config/parse.h"
#include "daemon/config/rules.h"
#include "daemon/config/unknown.h"
#include "daemon/util/log.h"

#define SHOWN_MAX 200 /* bytes of a refused value, so that the log does not cut the reason */

const char *config_origin(const struct config_loader *loader, const char *name) {
        const char *origin = loader->origins[config_key_index(config_key_find(name))];

        return origin ? origin : "default";
}

static int refuse_value(const char *origin, const struct config_key *key, const char *name,
                        const char *text) {
        char allowed[256];

        config_value_allowed(key, allowed, sizeof(allowed));
        return log_failure(EINVAL, "config.value",
                           "%s: %s = \"%.*s%s\" is not allowed; %s takes %s (%s)", origin, name,
                           SHOWN_MAX, text, strlen(text) > SHOWN_MAX ? "..." : "", key->name,
                           allowed, key->help);
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
        return 0;
}
