/* SPDX-License-Identifier: MIT */
#include "daemon/server/start.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include <urcu.h>

#include "daemon/lease/backends.h"
#include "daemon/server/fdstore_restore.h"
#include "daemon/server/lobby.h"
#include "daemon/startup/check.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

static uint64_t tick_now(const struct server *server) {
        return segments_tick(&server->segments, time_ns(CLOCK_BOOTTIME));
}

static uint64_t last_tick(void *context) {
        return timekeeper_last_tick(context);
}

static int start_reservations(struct server *server) {
        const struct segments *segments = &server->segments;
        int r = ledger_new(&server->ledger, segments_ledger(segments), segments->run,
                           tick_now(server));

        if (r < 0)
                return r;
        ledger_copy_fence(server->ledger, fence_word_clock(segments_clock(segments)));
        ledger_set_clock(server->ledger, (struct ledger_clock){ last_tick,
                                                                &server->timekeeper });
        fence_init(&server->fence, server->lease, server->ledger,
                   id_tick_max(&server->config->layout));
        r = reserve_new(&server->reserve, server->config, server->ledger, &server->fence,
                        client_wake);
        if (r < 0)
                return r;
        server->run = (struct run_keeper){
                .config = server->config,
                .lease = server->lease,
                .ledger = server->ledger,
                .ledger_segment = segments_ledger(segments),
                .clock = segments_clock(segments),
                .reserve = server->reserve,
        };
        run_keeper_init(&server->run);
        return 0;
}

static int start_clock(struct server *server) {
        struct clock_segment *clock = segments_clock(&server->segments);
        int r = ticker_new(&server->ticker, clock, &wall_clock_kernel);

        if (r == 0)
                r = wall_clock_new(&server->wall_clock, &wall_clock_kernel);
        if (r == 0)
                r = clone_watch_new(&server->clone_watch, &clone_watch_kernel);
        if (r < 0)
                return r;
        server->timekeeper = (struct timekeeper){
                .guard = &server->segments.guard,
                .clock = clock,
                .wall_clock = server->wall_clock,
                .clone_watch = server->clone_watch,
                .hooks = &server_timekeeper_hooks,
                .context = server,
        };
        timekeeper_init(&server->timekeeper);
        return 0;
}

static int start_clients(struct server *server) {
        struct segments *segments = &server->segments;
        int r = accounts_new(&server->accounts, server->config);

        if (r == 0)
                r = fdstore_new(&server->fdstore);
        if (r == 0)
                r = statistics_new(&server->statistics, segments_statistics(segments),
                                   &server->clients.list,
                                   &(struct statistics_sources){ server->ticker, server->lease,
                                                                 &server->loop.delay });
        if (r < 0)
                return r;
        server->clients.config = server->config;
        server->clients.clock = &segments->clock;
        server->clients.lease = server->lease;
        server->clients.ledger = server->ledger;
        server->clients.reserve = server->reserve;
        server->clients.accounts = server->accounts;
        server->clients.fdstore = server->fdstore;
        server->clients.statistics = server->statistics;
        return 0;
}

/* The threads that start with the worker IDs. */
static void start_watchdog(struct server *server) {
        struct watchdog *watchdog = &server->watchdog;

        watchdog_add(watchdog, (struct watchdog_thread){ "sfshmd-ticker", server->ticker,
                                                         ticker_ask, ticker_answered });
        watchdog_add(watchdog, (struct watchdog_thread){ "sfshmd-stats", server->statistics,
                                                         statistics_ask, statistics_answered });
}

static void start_protocol(struct server *server) {
        server->connections.loop = &server->loop;
        server->connections.clients = &server->clients;
        server->connections.receive = protocol_receive;
        server->connections.context = &server->protocol;
        server->protocol = (struct protocol){
                .connections = &server->connections,
                .clients = &server->clients,
                .timekeeper = &server->timekeeper,
                .fence = &server->fence,
                .announcer = { .config = server->config,
                               .segments = &server->segments,
                               .timekeeper = &server->timekeeper,
                               .clients = &server->clients },
        };
}

/* Of what a new ledger does not know all IDs are below the fence. */
static void start_history(struct server *server) {
        bool adopted = server->segments.adopted;
        /* relaxed, both: this thread stores them */
        uint64_t fence = atomic_load_explicit(&segments_ledger(&server->segments)->fence,
                                              memory_order_relaxed);

        chronicle_start(&server->chronicle, server->config, server->ledger, &server->clients,
                        adopted, adopted ? 0 : fence,
                        atomic_load_explicit(&segments_clock(&server->segments)->generation,
                                             memory_order_relaxed));
}

static int start_parts(struct server *server) {
        int r;

        lease_start_renewal(server->lease, segments_clock(&server->segments));
        r = start_reservations(server);
        if (r == 0)
                r = start_clock(server);
        if (r == 0)
                r = start_clients(server);
        if (r < 0)
                return log_failure(-r, EVENT_START, "the daemon cannot start: %s", strerror(-r));
        start_history(server);
        start_watchdog(server);
        return 0;
}

/* All that is needed to listen. */
static int start_loop(struct server *server) {
        int r = listener_open(&server->listener, server->config, &server->passed);

        if (r < 0)
                return r;
        r = event_loop_open(&server->loop);

        if (r == 0)
                r = server_watch(server);
        if (r < 0)
                return log_failure(-r, EVENT_SERVER, "cannot set up the event loop: %s",
                                   strerror(-r));
        return 0;
}

/* With a coordinator. */
static int wait_for_workers(struct server *server) {
        struct lease_claim claim;
        int r;

        start_protocol(server);
        watchdog_init(&server->watchdog);
        watchdog_add(&server->watchdog, (struct watchdog_thread){ "sfshmd-lease", server->lease,
                                                                  lease_ask, lease_answered });
        claim = lease_claim(server->lease);
        if (claim.over) /* at once, which may as well be a refusal */
                return claim.error;
        r = start_loop(server);
        return r == 0 ? lobby_run(server) : r;
}

static int start_steps(struct server *server) {
        int r = server_watch_clock(server);

        return r == 0 ? 0 : log_failure(-r, EVENT_SERVER, "cannot watch for clock steps: %s",
                                        strerror(-r));
}

static void tell_ready(struct server *server) {
        const struct run run = ledger_run(server->ledger);
        unsigned bits = server->config->layout.sequence_bits;

        log_event(WITH(EVENT_START, FIELD(WORKER, run.start >> bits),
                       FIELD(WORKER_COUNT, run.width >> bits),
                       FIELD(SOCKET, server->listener.path)),
                  "sfshmd " SFSHM_VERSION " serves workers %" PRIu32
                  " to %" PRIu64 " on %s", run.start >> bits, (run_end(run) >> bits) - 1,
                  server->listener.path);
        server_tell(server, "READY=1");
}

int server_start(struct server *server, struct reload *reload) {
        int r;

        *server = (struct server){
                .reload = reload,
                .config = reload->config,
                .segments = { .clock = SEGMENT_NONE, .ledger = SEGMENT_NONE,
                              .statistics = SEGMENT_NONE },
                .chronicle = { .segment = SEGMENT_NONE },
                .listener = LISTENER_NONE,
                .loop = EVENT_LOOP_NONE,
                .signals = { .fd = -1 },
                .accept_resume_ns = INT64_MAX,
        };
        CDS_INIT_LIST_HEAD(&server->clients.list);
        connections_init(&server->connections);
        r = listen_fds_take(&server->passed);
        if (r == 0)
                r = backends_lease_new(&server->lease, server->config);
        if (r == 0)
                r = wait_for_workers(server);
        if (r == 0)
                r = segments_start(&server->segments, server->config, server->lease);
        if (r == 0)
                r = start_parts(server);
        if (r == 0 && server->listener.fd < 0)
                r = start_loop(server);
        if (r == 0)
                r = start_steps(server);
        if (r < 0)
                return r;
        fdstore_restore(&server->connections, &server->passed, server->segments.adopted,
                        guard_tick(&server->segments.guard, time_ns(CLOCK_BOOTTIME)));
        announce_beside(&server->protocol.announcer, &server->listener);
        tell_ready(server);
        return 0;
}

static void stop_clients(struct server *server) {
        connections_close(&server->connections);
        listener_close(&server->listener);
        fdstore_free(server->fdstore);
        if (server->signals.fd >= 0)
                close(server->signals.fd);
        event_loop_close(&server->loop);
        /* what was unlinked is freed before the lists' head goes */
        rcu_barrier();
}

static void release_lease(struct server *server) {
        uint64_t now_tick = tick_now(server);

        if (server->lease == NULL)
                return;
        if (server->ledger == NULL)
                server->stuck = !lease_give_up(server->lease);
        else
                server->stuck = !fence_release(&server->fence,
                                               guard_above_fence(&server->segments.guard, now_tick)
                                                       ? now_tick : 0);
}

void server_stop(struct server *server) {
        if (server->ticker != NULL)
                ticker_set_running(server->ticker, false);
        stop_clients(server);
        statistics_free(server->statistics);
        reserve_free(server->reserve);
        accounts_free(server->accounts);
        ticker_free(server->ticker);
        wall_clock_free(server->wall_clock);
        clone_watch_free(server->clone_watch);
        release_lease(server);
        ledger_free(server->ledger);
        chronicle_stop(&server->chronicle);
        segments_close(&server->segments);
        listen_fds_free(&server->passed);
}

int server_check(const struct config *config) {
        int listener = listener_check(config), rest = startup_check(config);

        return listener < 0 ? listener : rest;
}
