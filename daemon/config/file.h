/* SPDX-License-Identifier: MIT */
#pragma once
/* Configuration files of `[section]` and `key = value` lines. */
#include <stdbool.h>

#include "daemon/config/assign.h"

/* Logs its errors. */
int config_read_file(struct config_loader *loader, const char *path, bool may_be_missing);
/* *.conf in `directory`, in the order of their names. Logs its errors. */
int config_read_directory(struct config_loader *loader, const char *directory);
