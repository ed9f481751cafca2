/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The sources of the configuration: /etc/sfshm/sfshmd.conf (INI), the *.conf files in
 * its .conf.d directory in the order of their names, then --set section.key=value. The
 * last value of a key wins. An unknown key or a refused value is an error that names
 * key, file, line, and what is allowed.
 */
#include "daemon/config/config.h"

/* Reads `path`, its .conf.d directory, then `sets` ("section.key=value", NULL-terminated).
 * With a `path` of NULL reads the default file, which may be missing. Logs its errors. */
int config_load(struct config **ret, const char *path, char *const sets[]);
struct config *config_free(struct config *config); /* NULL allowed, returns NULL */
