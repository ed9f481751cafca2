/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "libclient/exporter/http.h"
#include "libclient/exporter/sampler.h"
#include "libclient/observe/print.h"

/* How long a door that is shut stays so, unless something happens. */
#define SHUT_MS 50

enum { SIGNAL, SAMPLER, HTTP, FIRST_LISTEN };

struct serve {
        const struct listen *listen;
        struct sampler *sampler;
        struct http http;
        struct pollfd fds[FIRST_LISTEN + LISTEN_MAX];
};

/* Those of a service manager and of a terminal. */
static sigset_t end_signals(void) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        return set;
}

void serve_hold_signals(void) {
        sigset_t set = end_signals();

        sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_signals(void) {
        sigset_t set = end_signals();

        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int earlier_ms(int a, int b) {
        return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* -1: for ever. */
static int timeout_ms(struct serve *serve, int http_ms, bool has_room) {
        int64_t now_ns = http_now_ns(), next_ns = door_expire(&serve->http.door, now_ns);
        int ms = next_ns == INT64_MAX ? -1 : (int)((next_ns - now_ns) / 1000000 + 1);

        return earlier_ms(earlier_ms(ms, http_ms), has_room ? -1 : SHUT_MS);
}

/* Returns for how long the HTTP side has nothing to do. */
static int run_round(struct serve *serve, int http_ms) {
        bool has_room = door_has_room(&serve->http.door, http_now_ns());
        struct pollfd *doors = serve->fds + FIRST_LISTEN;
        unsigned n = serve->listen->n;

        for (unsigned i = 0; i < n; i++)
                doors[i].events = has_room ? POLLIN : 0;
        if (poll(serve->fds, FIRST_LISTEN + n, timeout_ms(serve, http_ms, has_room)) < 0)
                return http_ms;
        if (serve->fds[SAMPLER].revents != 0)
                http_collect(&serve->http);
        /* who waited has its answer before somebody else could take its place */
        http_ms = http_run(&serve->http);
        for (unsigned i = 0; i < n; i++)
                if (doors[i].revents & POLLIN) {
                        door_admit(&serve->http.door, doors[i].fd, http_now_ns());
                        http_ms = http_run(&serve->http);
                }
        return http_ms;
}

static void run(struct serve *serve) {
        int http_ms = 0;

        serve->fds[SAMPLER] = (struct pollfd){ sampler_fd(serve->sampler), POLLIN, 0 };
        serve->fds[HTTP] = (struct pollfd){ http_fd(&serve->http), POLLIN, 0 };
        for (unsigned i = 0; i < serve->listen->n; i++)
                serve->fds[FIRST_LISTEN + i].fd = serve->listen->fds[i];
        while (serve->fds[SIGNAL].revents == 0)
                http_ms = run_round(serve, http_ms);
}

int serve(const struct listen *listen, const struct take_target *target) {
        struct serve serve = { .listen = listen };
        int r, signal_fd = open_signals();

        serve.fds[SIGNAL] = (struct pollfd){ signal_fd, POLLIN, 0 };
        r = signal_fd < 0 ? -errno : sampler_new(&serve.sampler, target);
        if (r == 0) {
                r = http_begin(&serve.http, serve.sampler);
                if (r == 0)
                        run(&serve);
                http_end(&serve.http);
        }
        sampler_free(serve.sampler);
        if (signal_fd >= 0)
                close(signal_fd);
        return r < 0 ? print_error("cannot start: %s", strerror(-r)) : 0;
}
