/* SPDX-License-Identifier: MIT */
#pragma once
/* A configuration under construction: sets keys and remembers where each value came from. */
#include "daemon/config/config.h"
#include "daemon/config/keys.h"

struct config_loader {
        struct config *config;
        char *origins[CONFIG_KEYS_MAX]; /* "FILE:LINE" or "--set"; NULL: the default */
};

/* Sets `name` ("section.key"). Logs its errors. */
int config_assign(struct config_loader *loader, const char *origin, const char *name,
                  const char *text);

/* Where the value of a key that exists came from: "FILE:LINE", "--set" or "default". */
const char *config_origin(const struct config_loader *loader, const char *name);
