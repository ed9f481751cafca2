/* SPDX-License-Identifier: MIT */
#pragma once
/* A configuration under construction: sets keys and remembers where each value came from. */
#include "daemon/config/config.h"
#include "daemon/config/keys.h"

struct config_loader {
        struct config *config;
        char *origins[CONFIG_KEYS_MAX]; /* "FILE:LINE" or "--set"; NULL: the default */
};

/* Sets `name` ("section.key"). Logs its errors, of an unknown name with the nearest key. */
int config_assign(struct config_loader *loader, const char *origin, const char *name,
                  const char *text);
/* Logs the error and returns -EINVAL. */
int config_refuse_section(const char *origin, const char *section);

/* These take a key that exists. */
bool config_is_set(const struct config_loader *loader, const char *name);
/* Where the value came from: "FILE:LINE", "--set" or "default". */
const char *config_origin(const struct config_loader *loader, const char *name);
