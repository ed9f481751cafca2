/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tests/support/remove_tree.h"

#include <ftw.h>
#include <stdio.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)st, (void)type, (void)where;
        return remove(path);
}

void remove_tree(const char *directory) {
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
