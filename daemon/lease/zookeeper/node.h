/* SPDX-License-Identifier: MIT */
#pragma once
/* What a znode says. Pure, but for the paths' memory. */
#include <stdbool.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

#define ZOOKEEPER_FOLDER "folder"

/* > 0, for struct coordinator_item; see calls.h. */
int64_t zookeeper_modified(const struct Stat *stat);
int zookeeper_version(int64_t modified); /* of which znode it was */

/* No key, but what others are in; a person may have made it without a value. */
bool zookeeper_is_folder(const char *value, const struct Stat *stat);

/* "A/B", or "A" for an empty B; malloc'ed, or NULL. */
char *zookeeper_path(const char *a, const char *b);
