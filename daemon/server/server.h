/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon: its parts, and the ledger thread's event loop. Sources are the listening
 * socket, the clients' sockets, signals, the lease, and whatever reports clock steps.
 * After each batch of events the rounds run in a fixed order. start.c puts the parts
 * together and takes them apart.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/clock/guard.h"
#include "daemon/clock/ticker.h"
#include "daemon/clock/timekeeper.h"
#include "daemon/clock/wall_clock.h"
#include "daemon/config/reload.h"
#include "daemon/host/clone_watch.h"
#include "daemon/host/listen_fds.h"
#include "daemon/host/pause.h"
#include "daemon/host/watchdog.h"
#include "daemon/lease/lease.h"
#include "daemon/ledger/ledger.h"
#include "daemon/reserve/fence.h"
#include "daemon/reserve/reserve.h"
#include "daemon/reserve/run.h"
#include "daemon/server/chronicle.h"
#include "daemon/server/clients.h"
#include "daemon/server/connection.h"
#include "daemon/server/listener.h"
#include "daemon/server/protocol.h"
#include "daemon/startup/segments.h"
#include "daemon/statistics/statistics.h"
#include "daemon/util/event.h"
#include "daemon/util/log.h"

struct server {
        struct reload *reload;
        const struct config *config; /* of the reload */
        struct listen_fds passed;
        struct lease *lease;
        struct segments segments;
        struct ledger *ledger;
        struct fence fence;
        struct reserve *reserve;
        struct run_keeper run;
        struct accounts *accounts;
        struct fdstore *fdstore; /* NULL: there is none */
        struct clients clients;
        struct chronicle chronicle;
        struct statistics *statistics;
        struct ticker *ticker;
        struct wall_clock *wall_clock;
        struct clone_watch *clone_watch;
        struct timekeeper timekeeper;
        struct watchdog watchdog;
        struct pause pause;
        const char *untold; /* what the service manager waits for, while its queue is full */
        struct listener listener;
        struct connections connections;
        struct protocol protocol;

        struct event_loop loop;
        struct event_source accepting, signals, leasing;
        struct event_source steps[3]; /* they report clock steps */
        int64_t accept_resume_ns; /* INT64_MAX: accepting */
        uint64_t reserve_tick;    /* when reserve_run() is due */
        int64_t refreshed_ns;     /* when a client last asked for fresh statistics */
        int64_t wakeups;
        bool ready; /* grants may be made, as far as the fence allows */
        bool stopping;
        bool told;  /* that worker IDs are waited for */
        int64_t lobby_ns; /* since when */
        bool stuck; /* a thread hangs in the coordinator: nothing of its may be freed */
        bool lost; /* the lease */
        bool reload_refused; /* the last time: the status says so */
};

/* Signals, the socket and the lease become sources of the loop; then what reports clock
 * steps. 0 or -errno. */
int server_watch(struct server *server);
int server_watch_clock(struct server *server);
/* Rounds that are needed before the worker IDs are there. */
int64_t server_round_accept(void *server, int64_t now_ns);
int64_t server_round_watchdog(void *server, int64_t now_ns);
/* Tells the service manager what it waits for: again in later rounds while its queue is
 * full, so that nobody waits for it. `text` must stay. */
void server_tell(struct server *server, const char *text);
/* Before the clock moves forward, and after its state changed. `server` is a struct
 * server. */
extern const struct timekeeper_hooks server_timekeeper_hooks;

/* Until SIGTERM or SIGINT, reloading on SIGHUP: 0; or -errno, and -ESTALE when another
 * host has the worker IDs. */
int server_run(struct server *server);
