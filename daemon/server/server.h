/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The ledger thread's event loop: listening socket, clients' sockets, signals,
 * the lease's eventfd and one timer. Accepts, identifies (SO_PEERCRED and
 * SO_PEERPIDFD only), charges, builds pages, answers, and calls reserve_run()
 * when it is due.
 */
#include "daemon/config/config.h"
#include "daemon/clock/guard.h"
#include "daemon/lease/lease.h"
#include "daemon/ledger/ledger.h"
#include "daemon/host/clone_watch.h"
#include "daemon/clock/wall_clock.h"
#include "daemon/config/reload.h"
#include "daemon/host/listen_fds.h"
#include "daemon/reserve/reserve.h"
#include "daemon/segment/segment.h"
#include "daemon/statistics/statistics.h"
#include "daemon/clock/ticker.h"

struct server;

struct server_parts {
        const struct config *config;
        struct reload *reload; /* on SIGHUP, of the same configuration */
        struct segment *clock; /* struct clock_segment */
        struct guard *guard;
        struct wall_clock *wall_clock;
        struct clone_watch *clone_watch;
        struct ticker *ticker;
        struct lease *lease;
        struct ledger *ledger;
        struct fence *fence;
        struct ledger_segment *ledger_segment; /* client numbers */
        struct cds_list_head *clients;
        struct statistics_inputs *inputs;
        struct statistics *statistics;
        const struct listen_fds *passed; /* by the service manager */
        bool adopted; /* the ledger is an earlier daemon's: so are the first clients */
};

/* Binds the socket (or takes the one systemd passed). Logs its errors. */
int server_new(struct server **ret, const struct server_parts *parts);
/* Where it listens. */
const char *server_socket(const struct server *server);
/* Until SIGTERM or SIGINT, reloading on SIGHUP: 0; or -errno, and -ESTALE when another
 * host has the worker IDs. */
int server_run(struct server *server);
struct server *server_free(struct server *server);
