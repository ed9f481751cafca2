/* SPDX-License-Identifier: MIT */
#include "daemon/server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/server/connection.h"
#include "daemon/server/protocol.h"
#include "daemon/reserve/run.h"
#include "daemon/server/listener.h"
#include "daemon/host/notify.h"
#include "daemon/util/log.h"
#include "daemon/server/fdstore_restore.h"
#include "daemon/util/time.h"
#include "daemon/host/watchdog.h"

#define EVENTS_MAX 64
#define ACCEPTS_MAX 32 /* in a round */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

struct server {
        const struct server_parts *parts;
        struct attach attach;
        struct run_keeper run;
        struct connections connections;
        struct listener listener;
        int epoll_fd, signal_fd, timer_fd;
        int64_t armed_ns;         /* what the timer is set to; INT64_MAX: nothing */
        int64_t accept_resume_ns; /* INT64_MAX: accepting */
        uint64_t reserve_tick;    /* when reserve_run() is due */
        bool ready;               /* grants may be made, as far as the fence allows */
        bool stopping;
        bool lost; /* the lease */
        bool reload_refused; /* the last time: the status says so */
        struct log_ratelimit exhausted;
        struct watchdog watchdog;
};

static int watch(struct server *server, int fd, void *tag) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

        return epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int make_descriptors(struct server *server) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (server->epoll_fd < 0)
                return -errno;
        server->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
        if (server->signal_fd < 0)
                return -errno;
        server->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        return server->timer_fd < 0 ? -errno : 0;
}

/* The tag of an event is the address of what it is about. */
static int watch_all(struct server *server) {
        int r = watch(server, server->listener.fd, &server->listener);

        if (r == 0)
                r = watch(server, server->signal_fd, &server->signal_fd);
        if (r == 0)
                r = watch(server, server->timer_fd, &server->timer_fd);
        if (r == 0)
                r = watch(server, lease_fd(server->parts->lease), &server->attach);
        if (r == 0)
                r = watch(server, ticker_step_fd(server->parts->ticker), &server->attach.keeper);
        if (r == 0 && clone_watch_uevent_fd(server->parts->clone_watch) >= 0)
                r = watch(server, clone_watch_uevent_fd(server->parts->clone_watch),
                          &server->attach.keeper);
        if (r == 0 && wall_clock_step_fd(server->parts->wall_clock) >= 0)
                r = watch(server, wall_clock_step_fd(server->parts->wall_clock),
                          &server->attach.keeper);
        return r;
}

static bool prepare_step(void *context, uint64_t tick) {
        struct server *server = context;

        return reserve_prepare_step(server->attach.reserve, tick);
}

static void wake_clients(void *context) {
        struct server *server = context;
        struct client *client;

        cds_list_for_each_entry(client, server->parts->clients, link)
                client_wake(client);
}

static const struct timekeeper_hooks timekeeper_hooks = {
        .prepare = prepare_step,
        .changed = wake_clients,
};

static int prepare(struct server *server) {
        const struct server_parts *parts = server->parts;
        int r = make_descriptors(server);

        if (r == 0)
                r = accounts_new(&server->attach.accounts, parts->config);
        if (r == 0)
                r = reserve_new(&server->attach.reserve, parts->config, parts->ledger,
                                parts->fence, client_wake);
        if (r == 0)
                r = fdstore_new(&server->attach.fdstore);
        if (r < 0)
                return r;
        if (parts->adopted)
                reserve_begin_grace(server->attach.reserve,
                                guard_tick(parts->guard, time_ns(CLOCK_BOOTTIME)));
        server->run = (struct run_keeper){
                .config = parts->config,
                .lease = parts->lease,
                .ledger = parts->ledger,
                .ledger_segment = parts->ledger_segment,
                .clock = parts->clock->map,
                .reserve = server->attach.reserve,
        };
        run_keeper_init(&server->run);
        server->attach.keeper = (struct timekeeper){
                .guard = parts->guard,
                .clock = parts->clock->map,
                .wall_clock = parts->wall_clock,
                .clone_watch = parts->clone_watch,
                .hooks = &timekeeper_hooks,
                .context = server,
        };
        timekeeper_init(&server->attach.keeper);
        return watch_all(server);
}

static void watch_threads(struct server *server) {
        const struct server_parts *parts = server->parts;
        struct watchdog *watchdog = &server->watchdog;

        watchdog_init(watchdog);
        watchdog_add(watchdog, (struct watchdog_thread){ "sfshmd-ticker", parts->ticker,
                                                         ticker_ask, ticker_answered });
        watchdog_add(watchdog, (struct watchdog_thread){ "sfshmd-lease", parts->lease,
                                                         lease_ask, lease_answered });
        watchdog_add(watchdog, (struct watchdog_thread){ "sfshmd-stats", parts->statistics,
                                                         statistics_ask, statistics_answered });
}

int server_new(struct server **ret, const struct server_parts *parts) {
        struct server *server = calloc(1, sizeof(*server));
        int r;

        if (server == NULL)
                return log_failure(ENOMEM, "server", "no memory");
        server->parts = parts;
        server->attach.parts = parts;
        server->listener = LISTENER_NONE;
        server->epoll_fd = server->signal_fd = server->timer_fd = -1;
        server->armed_ns = server->accept_resume_ns = INT64_MAX;
        watch_threads(server);
        connections_init(&server->connections, &server->attach, -1);
        r = listener_open(&server->listener, parts->config, parts->passed);
        if (r == 0) {
                r = prepare(server);
                if (r < 0)
                        log_failure(-r, "server", "cannot set up the event loop: %s",
                                    strerror(-r));
        }
        if (r < 0) {
                server_free(server);
                return r;
        }
        server->connections.epoll_fd = server->epoll_fd;
        takeover(&server->connections,
                 guard_tick(parts->guard, time_ns(CLOCK_BOOTTIME)));
        *ret = server;
        return 0;
}

static void close_all(const int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
}

struct server *server_free(struct server *server) {
        if (server == NULL)
                return NULL;
        connections_close(&server->connections);
        listener_close(&server->listener);
        fdstore_free(server->attach.fdstore);
        reserve_free(server->attach.reserve);
        accounts_free(server->attach.accounts);
        close_all((int[]){ server->epoll_fd, server->signal_fd, server->timer_fd }, 3);
        free(server);
        /* what was unlinked is freed before the lists' head goes */
        rcu_barrier();
        return NULL;
}

static void pause_accepting(struct server *server, int64_t resume_ns) {
        struct epoll_event event = { .events = resume_ns == INT64_MAX ? EPOLLIN : 0,
                                     .data.ptr = &server->listener };

        server->accept_resume_ns = resume_ns;
        (void)epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, server->listener.fd, &event);
}

static void report_exhausted(struct server *server, int64_t now_ns) {
        char more[LOG_RATELIMIT_TEXT];

        if (log_ratelimit_pass(&server->exhausted, now_ns, more))
                log_event(LOG_LEVEL_WARNING, "descriptors", "no file descriptor is left: new "
                          "connections are closed%s; raise LimitNOFILE= or lower "
                          "daemon.max_clients", more);
}

static void accept_some(struct server *server, int64_t now_ns) {
        for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
                struct connection *connection;
                int fd = listener_accept(&server->listener);

                if (fd == -EAGAIN)
                        return;
                if (fd == -EMFILE || fd == -ENFILE)
                        report_exhausted(server, now_ns);
                if (fd == -EMFILE)
                        continue;
                if (fd < 0) {
                        /* whatever it is, not again at once */
                        pause_accepting(server, now_ns + ACCEPT_PAUSE_NS);
                        return;
                }
                connection = connections_add(&server->connections, fd, now_ns);
                /* most have sent their HELLO by now */
                if (connection != NULL)
                        conversation_handle(&server->connections, connection, 0, now_ns);
        }
}

static void drain(int fd) {
        uint64_t buffer;

        /* -EAGAIN when there was nothing: that is fine */
        if (read(fd, &buffer, sizeof(buffer)) < 0)
                return;
}

static void apply_config(struct server *server) {
        const struct config *config = server->parts->config;

        accounts_reload(server->attach.accounts);
        reserve_reload(server->attach.reserve, config);
        timekeeper_set_policy(&server->attach.keeper, &config->clock);
        lease_set_horizon(server->parts->lease, config->horizon_ns);
        server->connections.changed = true;
}

/* SIGHUP. systemd waits for READY=1. The status after a success is about the clock,
 * and stays, unless it was about a refused configuration. */
static void reload(struct server *server) {
        bool was_refused = server->reload_refused;
        char text[64];

        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
                 time_ns(CLOCK_MONOTONIC) / 1000);
        (void)notify_send(text, NULL, 0);
        server->reload_refused = reload_config(server->parts->reload) < 0;
        if (!server->reload_refused)
                apply_config(server);
        if (notify_send(server->reload_refused ? "READY=1\nSTATUS=The new configuration was "
                                                 "refused, see the log; the previous one stays "
                                                 "in force." :
                        was_refused ? "READY=1\nSTATUS=The configuration is reloaded." : "READY=1",
                        NULL, 0) < 0)
                log_event(LOG_LEVEL_WARNING, "reload", "the service manager does not accept the "
                          "message that the reload is over; it will wait until its timeout");
        timekeeper_tell_again(&server->attach.keeper);
}

static void take_signals(struct server *server) {
        struct signalfd_siginfo signal;

        while (read(server->signal_fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
                if (signal.ssi_signo == SIGHUP)
                        reload(server);
                else
                        server->stopping = true;
        }
}

static void dispatch(struct server *server, const struct epoll_event *event, int64_t now_ns) {
        void *tag = event->data.ptr;

        if (tag == &server->listener) {
                accept_some(server, now_ns);
        } else if (tag == &server->signal_fd) {
                take_signals(server);
        } else if (tag == &server->timer_fd) {
                drain(server->timer_fd);
                server->armed_ns = INT64_MAX;
        } else if (tag == &server->attach) {
                lease_acknowledge(server->parts->lease);
                fence_take(server->parts->fence);
                server->connections.changed = true;
                server->lost = lease_lost(server->parts->lease);
        } else if (tag == &server->attach.keeper) {
                /* the clocks are looked at in each round */
                (void)wall_clock_stepped(server->parts->wall_clock);
                (void)ticker_stepped(server->parts->ticker);
        } else {
                conversation_handle(&server->connections, tag, event->events, now_ns);
        }
}

static void count_clock(const struct timekeeper *keeper, struct statistics_inputs *inputs) {
        struct timekeeper_totals totals = timekeeper_totals(keeper);

        /* relaxed: numbers to look at */
        atomic_store_explicit(&inputs->clock_rollbacks, (int64_t)totals.rollbacks,
                              memory_order_relaxed);
        atomic_store_explicit(&inputs->clock_forward_steps, (int64_t)totals.forward_steps,
                              memory_order_relaxed);
        atomic_store_explicit(&inputs->clock_holds, (int64_t)totals.holds, memory_order_relaxed);
        atomic_store_explicit(&inputs->clock_offset_ns, totals.offset_ns, memory_order_relaxed);
        atomic_store_explicit(&inputs->clock_state, totals.state, memory_order_relaxed);
        atomic_store_explicit(&inputs->clock_reason, totals.reason, memory_order_relaxed);
}

static void count_up(struct server *server) {
        struct statistics_inputs *inputs = server->parts->inputs;
        struct reserve_totals totals = reserve_totals(server->attach.reserve);

        /* relaxed: numbers to look at */
        atomic_store_explicit(&inputs->grants, (int64_t)totals.grants, memory_order_relaxed);
        atomic_store_explicit(&inputs->extensions, (int64_t)totals.extensions,
                              memory_order_relaxed);
        atomic_store_explicit(&inputs->positions_standing, totals.positions_standing,
                              memory_order_relaxed);
        atomic_store_explicit(&inputs->positions_elastic, totals.positions_elastic,
                              memory_order_relaxed);
        atomic_store_explicit(&inputs->lanes, totals.lanes, memory_order_relaxed);
        atomic_store_explicit(&inputs->positions, totals.positions, memory_order_relaxed);
        atomic_fetch_add_explicit(&inputs->wakeups, 1, memory_order_relaxed);
        count_clock(&server->attach.keeper, inputs);
}

/* Grants and extends what is due. */
static void reserve_due(struct server *server, int64_t now_ns) {
        uint64_t now_tick = guard_tick(server->parts->guard, now_ns);

        if (server->ready && run_keeper_look(&server->run, now_ns, now_tick))
                server->connections.changed = true;
        if (!server->ready || (!server->connections.changed && now_tick < server->reserve_tick))
                return;
        server->connections.changed = false;
        server->reserve_tick = reserve_run(server->attach.reserve, now_tick);
        ticker_set_running(server->parts->ticker, reserve_busy(server->attach.reserve, now_tick));
}

static int64_t next_deadline(const struct server *server, int64_t now_ns) {
        int64_t next_ns = connections_deadline(&server->connections), at_ns;

        if (fdstore_deadline(server->attach.fdstore) < next_ns)
                next_ns = fdstore_deadline(server->attach.fdstore);
        if (server->accept_resume_ns < next_ns)
                next_ns = server->accept_resume_ns;
        if (timekeeper_deadline(&server->attach.keeper) < next_ns)
                next_ns = timekeeper_deadline(&server->attach.keeper);
        if (server->watchdog.due_ns < next_ns)
                next_ns = server->watchdog.due_ns;
        if (!server->ready)
                return next_ns;
        if (server->connections.changed)
                return now_ns;
        if (run_keeper_deadline(&server->run) < next_ns)
                next_ns = run_keeper_deadline(&server->run);
        if (server->reserve_tick == UINT64_MAX)
                return next_ns;
        at_ns = clock_line_boot_of(&server->parts->guard->line, server->reserve_tick);
        return at_ns < next_ns ? at_ns : next_ns;
}

static void arm_timer(struct server *server, int64_t at_ns) {
        struct itimerspec at = { 0 };

        if (at_ns == server->armed_ns)
                return;
        server->armed_ns = at_ns;
        /* 0 would disarm: INT64_MAX does, a past time must not */
        if (at_ns != INT64_MAX)
                at.it_value = time_to_timespec(at_ns > 0 ? at_ns : 1);
        (void)timerfd_settime(server->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void look_at_clock(struct server *server) {
        bool ready;

        timekeeper_look(&server->attach.keeper);
        /* also while the fence is passed: reserve_run() asks for a higher one, as
         * what was asked for last may be passed when it is written at last */
        ready = guard_ready(server->parts->guard);
        if (ready && !server->ready)
                server->connections.changed = true;
        server->ready = ready;
}

/* What follows from the events of a round and from time. */
static void settle(struct server *server) {
        int64_t now_ns;

        look_at_clock(server);
        now_ns = time_ns(CLOCK_BOOTTIME);
        if (server->accept_resume_ns <= now_ns)
                pause_accepting(server, INT64_MAX);
        reserve_due(server, now_ns);
        timekeeper_set_stuck(&server->attach.keeper,
                             fence_stuck(server->parts->fence, server->ready,
                                         guard_tick(server->parts->guard, now_ns)));
        conversation_welcome(&server->connections, now_ns);
        conversation_expire(&server->connections, now_ns);
        connections_reap(&server->connections);
        fdstore_run(server->attach.fdstore, now_ns);
        count_up(server);
        watchdog_run(&server->watchdog, now_ns);
        arm_timer(server, next_deadline(server, now_ns));
}

const char *server_socket(const struct server *server) {
        return server->listener.path;
}

int server_run(struct server *server) {
        struct epoll_event events[EVENTS_MAX];

        settle(server);
        while (!server->stopping) {
                int n = epoll_wait(server->epoll_fd, events, EVENTS_MAX, -1);
                int64_t now_ns = time_ns(CLOCK_BOOTTIME);

                if (n < 0 && errno != EINTR)
                        return log_failure(errno, "server", "waiting for events failed: %s",
                                           strerror(errno));
                for (int i = 0; i < n; i++)
                        dispatch(server, &events[i], now_ns);
                if (server->lost)
                        return -ESTALE;
                settle(server);
        }
        if (server->ready)
                reserve_align_ends(server->attach.reserve,
                              guard_tick(server->parts->guard, time_ns(CLOCK_BOOTTIME)));
        return 0;
}
