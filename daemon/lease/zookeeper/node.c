/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_BITS 31

/* A zxid has a leader's epoch in the upper half, and in the lower half a counter that
 * starts again with each leader. Both matter, and the hashes of nearby ones must differ. */
int64_t zookeeper_modified(const struct Stat *stat) {
        uint64_t mixed = (uint64_t)stat->mzxid * UINT64_C(0x9e3779b97f4a7c15);

        mixed >>= 64 - VERSION_BITS;
        return INT64_C(1) << 62 | (int64_t)(mixed << VERSION_BITS) |
               (int64_t)((uint32_t)stat->version & INT32_MAX);
}

int zookeeper_version(int64_t modified) {
        return (int)(modified & INT32_MAX);
}

bool zookeeper_is_folder(const char *value, const struct Stat *stat) {
        return strcmp(value, ZOOKEEPER_FOLDER) == 0 || (value[0] == '\0' && stat->numChildren > 0);
}

char *zookeeper_path(const char *a, const char *b) {
        char *path = NULL;

        return asprintf(&path, "%s%s%s", a, *a && *b ? "/" : "", b) < 0 ? NULL : path;
}
