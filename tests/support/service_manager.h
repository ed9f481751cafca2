/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A service manager for a private sfshmd: owns the listening socket, receives what
 * is sent to $NOTIFY_SOCKET, keeps a descriptor store as systemd does (by name; a
 * socket that hangs up is dropped, a page is not), and passes all of it to the
 * next sfshmd. Nothing is received but in service_manager_pump().
 */
#include "tests/support/private_daemon.h"

#define SERVICE_MANAGER_FDS 2048

struct service_manager {
        struct private_daemon *daemon;
        int notify_fd, listen_fd;
        char notify_path[96];
        struct {
                int fd;
                char name[64];
        } stored[SERVICE_MANAGER_FDS];
        unsigned n_stored;
        unsigned n_ready, n_store, n_remove; /* messages */
        bool no_store;    /* FileDescriptorStoreMax=0 */
        bool keeps_hung_up; /* has not noticed yet */
};

/* After private_daemon_prepare(): from now on that daemon runs under it. */
void service_manager_begin(struct service_manager *m, struct private_daemon *d);
void service_manager_end(struct service_manager *m);
/* Takes what was sent so far. */
void service_manager_pump(struct service_manager *m);
/* Starts the daemon and pumps until it is ready. */
void service_manager_start(struct service_manager *m);
/* Descriptors of that name, NULL: of all. */
unsigned service_manager_count(const struct service_manager *m, const char *name);
/* A duplicate of `fd` under that name. */
void service_manager_put(struct service_manager *m, const char *name, int fd);
/* Pumps until there are `n` descriptors; fails the test if that never happens. */
void service_manager_expect(struct service_manager *m, unsigned n);
