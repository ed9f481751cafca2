/* SPDX-License-Identifier: MIT */
#pragma once
/* What a znode says. Pure, except for the memory of paths. */
#include <stdbool.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

#define ZOOKEEPER_FOLDER "folder"

/* > 0, for struct coordinator_item; see calls.h. */
int64_t zookeeper_modified(const struct Stat *stat);
int zookeeper_version(int64_t modified); /* of which znode it was */

/* A folder znode holds keys and is none; the operator may have created it without a value. */
bool zookeeper_is_folder(const char *value, const struct Stat *stat);

/* "A/B", or one of them if the other is empty; malloc'ed; NULL: no memory. */
char *zookeeper_path(const char *a, const char *b);
