/* SPDX-License-Identifier: MIT */
#include "daemon/server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/clock/describe.h"
#include "daemon/host/notify.h"
#include "daemon/util/time.h"

#define ACCEPTS_MAX 32 /* in a round */
#define ACCEPT_PAUSE_NS (NS_PER_S / 10)
#define TELL_PAUSE_NS (NS_PER_S / 10)
#define REFRESH_NS (NS_PER_S / 20) /* snapshots that clients ask for: 20 a second */

/* ---- hooks of the timekeeper */

static bool prepare_step(void *context, uint64_t tick) {
        struct server *server = context;

        return reserve_prepare_step(server->reserve, tick);
}

static void wake_clients(void *context) {
        struct server *server = context;
        struct client *client;

        cds_list_for_each_entry(client, &server->clients.list, link)
                client_wake(client);
}

const struct timekeeper_hooks server_timekeeper_hooks = {
        .prepare = prepare_step,
        .changed = wake_clients,
};

/* ---- sources */

static void set_accepting(struct server *server, int64_t resume_ns) {
        server->accept_resume_ns = resume_ns;
        (void)event_listen(&server->loop, &server->accepting, resume_ns == INT64_MAX);
}

static void accept_ready(void *context, uint32_t events, int64_t now_ns) {
        struct server *server = context;

        (void)events;
        for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
                int fd = listener_accept(&server->listener);

                if (fd == -EAGAIN)
                        return;
                if (fd == -EMFILE || fd == -ENFILE)
                        log_event_throttled(EVENT_DESCRIPTORS, "no file descriptor "
                                            "is left: new connections are closed; raise "
                                            "LimitNOFILE= or lower daemon.max_clients");
                if (fd == -EMFILE)
                        continue;
                if (fd < 0) {
                        /* whatever the error is, wait for a moment */
                        set_accepting(server, now_ns + ACCEPT_PAUSE_NS);
                        return;
                }
                connections_add(&server->connections, fd, now_ns);
        }
}

static void apply_config(struct server *server) {
        if (server->protocol.wait != NULL) {
                lease_set_horizon(server->lease, server->config->horizon_ns);
                server->told = false; /* the status may be that of the reload */
                return;
        }
        accounts_reload(server->accounts);
        reserve_reload(server->reserve, server->config);
        guard_set_policy(&server->segments.guard, &server->config->clock);
        lease_set_horizon(server->lease, server->config->horizon_ns);
        server->clients.changed = true;
}

void server_tell(struct server *server, const char *text) {
        server->untold = notify_send(text, NULL, 0) == -EAGAIN ? text : NULL;
}

/* SIGHUP. systemd waits for READY=1. The status after a success is about the clock,
 * and stays, unless it was about a refused configuration. */
static void reload(struct server *server) {
        bool was_refused = server->reload_refused;
        char text[64];

        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                 time_ns(CLOCK_MONOTONIC) / 1000);
        (void)notify_send(text, NULL, 0);
        server->reload_refused = reload_config(server->reload) < 0;
        lease_hurry(server->lease);
        if (!server->reload_refused)
                apply_config(server);
        server_tell(server, server->reload_refused ?
                                    "READY=1\nSTATUS=The new configuration was refused, see the "
                                    "log; the previous one stays in force." :
                    was_refused ? "READY=1\nSTATUS=The configuration is reloaded." : "READY=1");
        timekeeper_tell_again(&server->timekeeper);
}

static void signal_ready(void *context, uint32_t events, int64_t now_ns) {
        struct server *server = context;
        struct signalfd_siginfo signal;

        (void)events, (void)now_ns;
        while (read(server->signals.fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
                if (signal.ssi_signo == SIGHUP)
                        reload(server);
                else
                        server->stopping = true;
        }
}

static void lease_ready(void *context, uint32_t events, int64_t now_ns) {
        struct server *server = context;

        (void)events, (void)now_ns;
        lease_acknowledge(server->lease);
        if (server->protocol.wait != NULL)
                return;
        fence_take(&server->fence);
        server->clients.changed = true;
        server->lost = lease_lost(server->lease);
}

/* Nothing else to do: round_clock() reads the clocks in each round. */
static void step_ready(void *context, uint32_t events, int64_t now_ns) {
        struct server *server = context;

        (void)events, (void)now_ns;
        (void)wall_clock_stepped(server->wall_clock);
        (void)ticker_stepped(server->ticker);
}

static int open_signals(void) {
        sigset_t signals;
        int fd;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int server_watch(struct server *server) {
        int r, fd = open_signals();

        if (fd < 0)
                return fd;
        server->signals = (struct event_source){ fd, signal_ready, server };
        server->accepting = (struct event_source){ server->listener.fd, accept_ready, server };
        server->leasing = (struct event_source){ lease_fd(server->lease), lease_ready, server };
        r = event_add(&server->loop, &server->signals);
        if (r == 0)
                r = event_add(&server->loop, &server->accepting);
        if (r == 0)
                r = event_add(&server->loop, &server->leasing);
        return r;
}

int server_watch_clock(struct server *server) {
        int steps[] = { ticker_step_fd(server->ticker), clone_watch_uevent_fd(server->clone_watch),
                        wall_clock_step_fd(server->wall_clock) };
        int r = 0;

        for (unsigned i = 0; i < 3 && r == 0; i++) {
                server->steps[i] = (struct event_source){ steps[i], step_ready, server };
                /* not every system offers every way */
                if (steps[i] >= 0)
                        r = event_add(&server->loop, &server->steps[i]);
        }
        return r;
}

/* ---- rounds: what follows from the events, and from time */

static int64_t round_clock(void *context, int64_t now_ns) {
        struct server *server = context;
        bool ready;

        (void)now_ns;
        timekeeper_look(&server->timekeeper);
        /* The other rounds begin on the line that is published now. One time for all of
         * them: what is granted is given out before the held are found to be too late. */
        event_update_time(&server->loop);
        /* Also while the fence is passed: then reserve_run() asks for a higher one, as the
         * fence asked for last may be passed already when it is written. */
        ready = guard_ready(&server->segments.guard);
        if (ready && !server->ready)
                server->clients.changed = true;
        server->ready = ready;
        return timekeeper_deadline(&server->timekeeper);
}

int64_t server_round_accept(void *context, int64_t now_ns) {
        struct server *server = context;

        if (server->accept_resume_ns <= now_ns)
                set_accepting(server, INT64_MAX);
        return server->accept_resume_ns;
}

static int64_t round_run_length(void *context, int64_t now_ns) {
        struct server *server = context;

        if (!server->ready)
                return INT64_MAX;
        if (run_keeper_look(&server->run, now_ns, guard_tick(&server->segments.guard, now_ns)))
                server->clients.changed = true;
        return server->run.due_ns;
}

static int64_t round_grant(void *context, int64_t now_ns) {
        struct server *server = context;
        uint64_t now_tick = guard_tick(&server->segments.guard, now_ns);

        if (!server->ready)
                return INT64_MAX;
        if (server->clients.changed || now_tick >= server->reserve_tick) {
                server->clients.changed = false;
                server->reserve_tick = reserve_run(server->reserve, now_tick);
                ticker_set_running(server->ticker, reserve_busy(server->reserve, now_tick));
        }
        return server->reserve_tick == UINT64_MAX
                       ? INT64_MAX
                       : clock_line_boot_of(&server->segments.guard.line, server->reserve_tick);
}

static int64_t round_fence(void *context, int64_t now_ns) {
        struct server *server = context;
        uint64_t now_tick = guard_tick(&server->segments.guard, now_ns);

        timekeeper_set_stuck(&server->timekeeper,
                             fence_stuck(&server->fence, server->ready, now_tick));
        return timekeeper_deadline(&server->timekeeper);
}

/* Who came or went in this round is work for round_grant(). */
static int64_t round_connections(void *context, int64_t now_ns) {
        struct server *server = context;

        protocol_welcome(&server->protocol, now_ns);
        protocol_expire(&server->protocol, now_ns);
        connections_reap(&server->connections);
        return server->ready && server->clients.changed
                       ? now_ns : connections_deadline(&server->connections);
}

static int64_t round_history(void *context, int64_t now_ns) {
        struct server *server = context;

        if (!server->ready)
                return INT64_MAX;
        return chronicle_run(&server->chronicle, guard_tick(&server->segments.guard, now_ns),
                             now_ns);
}

static int64_t round_store(void *context, int64_t now_ns) {
        struct server *server = context;

        return fdstore_run(server->fdstore, now_ns);
}

static int64_t round_count(void *context, int64_t now_ns) {
        struct server *server = context;
        const struct guard *guard = &server->segments.guard;
        struct reserve_totals reserve = reserve_totals(server->reserve);
        const struct clients_totals *clients = &server->clients.totals;
        const struct protocol_totals *protocol = &server->protocol.totals;

        statistics_count(server->statistics, &(struct statistics_counters){
                .attaches = (int64_t)clients->attaches,
                .refusals_limit = (int64_t)protocol->refusals[REFUSAL_LIMIT],
                .refusals_positions = (int64_t)protocol->refusals[REFUSAL_POSITIONS],
                .refusals_resources = (int64_t)protocol->refusals[REFUSAL_RESOURCES],
                .refusals_version = (int64_t)protocol->refusals[REFUSAL_VERSION],
                .refusals_clock = (int64_t)protocol->refusals[REFUSAL_CLOCK],
                .protocol_errors = (int64_t)protocol->errors,
                .hints = (int64_t)protocol->hints,
                .grants = (int64_t)reserve.grants,
                .extensions = (int64_t)reserve.extensions,
                .expired = (int64_t)ledger_expired(server->ledger),
                .wakeups = ++server->wakeups,
                .lanes = reserve.lanes,
                .positions_standing = reserve.positions_standing,
                .positions_elastic = reserve.positions_elastic,
                .positions = reserve.positions,
                .memory_bytes = (int64_t)clients->bytes,
                .clock_rollbacks = (int64_t)guard->rollbacks,
                .clock_last_rollback_unix_ms = server->timekeeper.rollback_unix_ms,
                .clock_forward_steps = (int64_t)guard->forward_steps,
                .clock_holds = (int64_t)guard->holds,
                .clock_offset_ns = guard->offset_ns,
                .clock_state = server->timekeeper.state,
                .clock_reason = server->timekeeper.reason,
        });
        if (server->protocol.refresh && now_ns - server->refreshed_ns >= REFRESH_NS) {
                server->refreshed_ns = now_ns;
                statistics_poke(server->statistics);
        }
        server->protocol.refresh = false;
        return INT64_MAX;
}

int64_t server_round_watchdog(void *context, int64_t now_ns) {
        struct server *server = context;

        int64_t due_ns = watchdog_run(&server->watchdog, now_ns);

        if (server->untold != NULL)
                server_tell(server, server->untold);
        return server->untold != NULL && now_ns + TELL_PAUSE_NS < due_ns ? now_ns + TELL_PAUSE_NS
                                                                         : due_ns;
}

static const event_round rounds[] = {
        round_clock, server_round_accept, round_run_length, round_grant,
        round_fence, round_connections,   round_history,    round_store, round_count,
        server_round_watchdog,
};

static void run_rounds(struct server *server) {
        event_run_rounds(&server->loop, rounds, sizeof(rounds) / sizeof(rounds[0]), server);
}

/* Before and after each wait. */
static void look_for_pause(struct server *server, int64_t due_ns, bool stopped) {
        char least[DESCRIBE_DURATION_TEXT], most[DESCRIBE_DURATION_TEXT];
        struct pause_length length;

        if (!pause_look(&server->pause, time_ns(CLOCK_BOOTTIME), time_ns(CLOCK_MONOTONIC), due_ns,
                        stopped, &length))
                return;
        log_event(WITH(EVENT_RESUMED, FIELD(DURATION_NS, length.most_ns)),
                  "the daemon did not run for %s to %s: it %s; "
                  "clients used up what they held meanwhile",
                  length.least_ns == 0 ? "up" : describe_duration(length.least_ns, least),
                  describe_duration(length.most_ns, most),
                  stopped ? "was stopped (SIGSTOP, a frozen cgroup or a debugger)" :
                            "was stopped, or got no processor time");
}

static int server_wait(struct server *server) {
        int r;

        look_for_pause(server, server->loop.armed_ns, false);
        r = event_dispatch(&server->loop);
        look_for_pause(server, server->pause.boot_ns, server->loop.stopped);
        return r;
}

/* Another host has the worker IDs. It begins above the fence that it has seen, so what was
 * promised is no duplicate; but a coordinator that was put back may have shown it a lower
 * one. So the promises end now, and not when they have run out. */
static int end_promises(struct server *server) {
        reserve_withdraw_all(server->reserve);
        wake_clients(server);
        return -ESTALE;
}

int server_run(struct server *server) {
        run_rounds(server);
        while (!server->stopping) {
                int r = server_wait(server);

                if (r < 0)
                        return log_failure(-r, EVENT_SERVER, "waiting for events failed: %s",
                                           strerror(-r));
                /* no more grants: the worker IDs are another host's */
                if (server->lost)
                        return end_promises(server);
                run_rounds(server);
        }
        if (server->ready) {
                uint64_t now_tick = guard_tick(&server->segments.guard, time_ns(CLOCK_BOOTTIME));

                reserve_align_ends(server->reserve, now_tick);
                chronicle_tell_now(&server->chronicle, now_tick);
        }
        return 0;
}
