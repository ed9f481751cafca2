/* SPDX-License-Identifier: MIT */
#include "daemon/host/listen_fds.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/util/log.h"

struct named {
        int fd;
        char *name;
};

static bool of_client(const char *name) {
        return strncmp(name, LISTEN_FDS_CLIENT_PREFIX, strlen(LISTEN_FDS_CLIENT_PREFIX)) == 0;
}

uint64_t listen_fds_client_id(const char *name) {
        char again[sizeof(LISTEN_FDS_CLIENT_PREFIX) + 20];
        unsigned long long id;

        if (!of_client(name))
                return 0;
        id = strtoull(name + strlen(LISTEN_FDS_CLIENT_PREFIX), NULL, 10);
        /* no sign, space or leading zero, and nothing behind it */
        snprintf(again, sizeof(again), LISTEN_FDS_CLIENT_PREFIX "%llu", id);
        return strcmp(again, name) == 0 ? id : 0;
}

static int compare(const void *a, const void *b) {
        const struct named *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : x->fd - y->fd;
}

/* Sorts by name, so that the descriptors of a client are neighbours. */
static void group(struct listen_fds *passed, struct named *named, size_t n) {
        qsort(named, n, sizeof(*named), compare);
        for (size_t i = 0; i < n; i++) {
                int *fd = &passed->fds[passed->n_listening + i];

                *fd = named[i].fd;
                passed->names[i] = named[i].name;
                if (i == 0 || strcmp(named[i].name, named[i - 1].name) != 0)
                        passed->clients[passed->n_clients++] =
                                (struct listen_fds_client){ .name = named[i].name, .fds = fd };
                passed->clients[passed->n_clients - 1].n_fds++;
        }
}

static int sort_out(struct listen_fds *ret, char **names, size_t n) {
        struct listen_fds passed = { .fds = calloc(n, sizeof(int)),
                                     .names = calloc(n + 1, sizeof(char *)),
                                     .clients = calloc(n, sizeof(struct listen_fds_client)) };
        struct named *named = calloc(n, sizeof(*named));
        size_t n_named = 0;

        if (!passed.fds || !passed.names || !passed.clients || !named) {
                free(named);
                listen_fds_free(&passed);
                return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + (int)i;

                if (of_client(names[i]))
                        named[n_named++] = (struct named){ .fd = fd, .name = names[i] };
                else
                        passed.fds[passed.n_listening++] = fd;
        }
        for (size_t i = 0; i < n; i++)
                if (!of_client(names[i]))
                        free(names[i]);
        group(&passed, named, n_named);
        free(named);
        *ret = passed;
        return 0;
}

int listen_fds_take(struct listen_fds *ret) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names), r;

        if (n < 0)
                return log_failure(-n, EVENT_PASSED, "cannot read which descriptors systemd "
                                   "passed (LISTEN_FDS, LISTEN_FDNAMES): %s", strerror(-n));
        if (n == 0) {
                free(names);
                *ret = (struct listen_fds){ .fds = NULL };
                return 0;
        }
        r = sort_out(ret, names, (size_t)n);
        if (r < 0) {
                for (int i = 0; i < n; i++)
                        free(names[i]);
                (void)log_failure(-r, EVENT_PASSED, "no memory");
        }
        free(names);
        return r;
}

void listen_fds_free(struct listen_fds *passed) {
        for (size_t i = 0; passed->names && passed->names[i]; i++)
                free(passed->names[i]);
        free(passed->names);
        free(passed->clients);
        free(passed->fds);
        *passed = (struct listen_fds){ .fds = NULL };
}
