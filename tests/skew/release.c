/* SPDX-License-Identifier: MIT */
#include "tests/skew/release.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/wire.h"

static const char *path_of(const char *what, const char *name) {
        char variable[64];
        size_t n;

        n = (size_t)snprintf(variable, sizeof(variable), "%s_%s", what, name);
        for (size_t i = 0; i < n; i++)
                variable[i] = (char)toupper((unsigned char)variable[i]);
        cr_assert_not_null(getenv(variable), "set $%s", variable);
        return getenv(variable);
}

static void *symbol(void *library, const char *name) {
        void *address = dlsym(library, name);

        cr_assert_not_null(address, "%s", dlerror());
        return address;
}

/* as headers.sh has them */
static void set_versions(struct release *release) {
        release->version_min = WIRE_VERSION_MIN;
        release->version_max = WIRE_VERSION;
        if (strcmp(release->name, "next") == 0)
                release->version_max = 3;
        if (strcmp(release->name, "far") == 0) {
                release->version_min = 3;
                release->version_max = 5;
        }
}

struct release release_load(const char *name) {
        struct release release = { .name = name, .open = sfshm_open, .close = sfshm_close,
                                   .next = sfshm_next, .strerror = sfshm_strerror };
        void *library;

        set_versions(&release);
        if (strcmp(name, "this") == 0)
                return release;
        library = dlopen(path_of("LIBSFSHM", name), RTLD_NOW | RTLD_LOCAL);
        cr_assert_not_null(library, "%s", dlerror());
        *(void **)&release.open = symbol(library, "sfshm_open");
        *(void **)&release.close = symbol(library, "sfshm_close");
        *(void **)&release.next = symbol(library, "sfshm_next");
        *(void **)&release.strerror = symbol(library, "sfshm_strerror");
        cr_assert_neq(release.open, sfshm_open, "the library was not loaded beside this one");
        return release;
}

const char *release_daemon(const char *name) {
        return strcmp(name, "this") == 0 ? NULL : path_of("SFSHMD", name);
}
