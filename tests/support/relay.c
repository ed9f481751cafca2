/* SPDX-License-Identifier: MIT */
#include "tests/support/relay.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define PAIRS 1024u
#define TIMES 200000u

struct pair {
        int client, server; /* server -1: it hangs */
        bool http;
};

struct relay {
        int fd, wake_fd;
        in_port_t to;
        char url[64];
        pthread_t thread;
        _Atomic int manner, stop;
        struct pair pairs[PAIRS]; /* the thread's */
        size_t n_pairs;
        pthread_mutex_t mutex; /* of the times */
        int64_t times[TIMES];
        size_t n_times;
};

static void count(struct relay *relay) {
        pthread_mutex_lock(&relay->mutex);
        if (relay->n_times < TIMES)
                relay->times[relay->n_times++] = test_monotonic_ns();
        pthread_mutex_unlock(&relay->mutex);
}

size_t relay_count(struct relay *relay, int64_t from_ns, int64_t to_ns) {
        size_t n = 0;

        pthread_mutex_lock(&relay->mutex);
        for (size_t i = 0; i < relay->n_times; i++)
                n += relay->times[i] >= from_ns && relay->times[i] < to_ns;
        pthread_mutex_unlock(&relay->mutex);
        return n;
}

/* With a reset, so that the other end sees an error at once. */
static void drop(int fd) {
        const struct linger now = { .l_onoff = 1 };

        if (fd < 0)
                return;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
}

static void end_pair(struct relay *relay, size_t i) {
        drop(relay->pairs[i].client);
        drop(relay->pairs[i].server);
        relay->pairs[i] = relay->pairs[--relay->n_pairs];
}

static int connect_on(const struct relay *relay) {
        const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = relay->to,
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                close(fd);
                return -1;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        return fd;
}

static void take(struct relay *relay) {
        int manner = atomic_load_explicit(&relay->manner, memory_order_relaxed), on = 1;
        int fd = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC);
        int server = manner == RELAY_PASS && fd >= 0 ? connect_on(relay) : -1;

        if (manner != RELAY_PASS)
                count(relay);
        if (fd < 0 || relay->n_pairs == PAIRS || manner == RELAY_REFUSE ||
            (manner == RELAY_PASS && server < 0)) {
                drop(fd);
                drop(server);
                return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        relay->pairs[relay->n_pairs++] = (struct pair){ fd, server, false };
}

/* Of HTTP what follows the head is no other request. */
static bool is_request(struct pair *pair, const char *bytes, size_t n) {
        bool head = n > 5 && memcmp(bytes, "POST ", 5) == 0;

        pair->http |= head;
        return head || !pair->http;
}

/* False at its end. */
static bool pass(struct relay *relay, struct pair *pair, bool client) {
        int from = client ? pair->client : pair->server, to = client ? pair->server : pair->client;
        char bytes[65536];
        ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n <= 0)
                return false;
        if (client && is_request(pair, bytes, (size_t)n))
                count(relay);
        for (ssize_t sent = 0, part; sent < n; sent += part)
                if ((part = send(to, bytes + sent, (size_t)(n - sent), MSG_NOSIGNAL)) <= 0)
                        return false;
        return true;
}

/* `fds`: client and server of each pair, as they were when it was polled. */
static void pass_all(struct relay *relay, const struct pollfd *fds, size_t n) {
        bool hang = atomic_load_explicit(&relay->manner, memory_order_relaxed) == RELAY_HANG;

        for (size_t i = n; i-- > 0;) {
                struct pair *pair = &relay->pairs[i];

                if ((fds[2 * i].revents != 0 &&
                     (hang || pair->server < 0 || !pass(relay, pair, true))) ||
                    (fds[2 * i + 1].revents != 0 && !pass(relay, pair, false)))
                        end_pair(relay, i);
        }
}

static size_t prepare(const struct relay *relay, struct pollfd *fds) {
        bool hang = atomic_load_explicit(&relay->manner, memory_order_relaxed) == RELAY_HANG;

        for (size_t i = 0; i < relay->n_pairs; i++) {
                const struct pair *pair = &relay->pairs[i];

                /* of a pair that hangs only the end is looked for */
                fds[2 * i] = (struct pollfd){ pair->client,
                                              hang || pair->server < 0 ? POLLRDHUP : POLLIN, 0 };
                fds[2 * i + 1] = (struct pollfd){ hang ? -1 : pair->server, POLLIN, 0 };
        }
        return relay->n_pairs;
}

static void *work(void *context) {
        static _Thread_local struct pollfd fds[2 * PAIRS + 2];
        struct relay *relay = context;
        uint64_t unused;

        while (!atomic_load_explicit(&relay->stop, memory_order_acquire)) {
                size_t n = prepare(relay, fds);

                fds[2 * n] = (struct pollfd){ relay->fd, POLLIN, 0 };
                fds[2 * n + 1] = (struct pollfd){ relay->wake_fd, POLLIN, 0 };
                if (poll(fds, (nfds_t)(2 * n + 2), -1) < 0)
                        continue;
                if (fds[2 * n + 1].revents != 0 &&
                    read(relay->wake_fd, &unused, sizeof(unused)) > 0) {
                        /* a new manner: all that was begun under the one before ends,
                         * but hanging ones hang on */
                        while (relay->n_pairs > 0 &&
                               atomic_load_explicit(&relay->manner, memory_order_relaxed) !=
                                       RELAY_HANG)
                                end_pair(relay, relay->n_pairs - 1);
                        continue;
                }
                pass_all(relay, fds, n);
                if (fds[2 * n].revents != 0)
                        take(relay);
        }
        return NULL;
}

static void wake(struct relay *relay) {
        uint64_t one = 1;

        cr_assert_eq(write(relay->wake_fd, &one, sizeof(one)), (ssize_t)sizeof(one));
}

void relay_set(struct relay *relay, enum relay_manner manner) {
        atomic_store_explicit(&relay->manner, manner, memory_order_relaxed);
        wake(relay);
}

struct relay *relay_new(const char *url, enum relay_manner manner) {
        struct relay *relay = calloc(1, sizeof(*relay));
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        relay->to = htons((in_port_t)atoi(strrchr(url, ':') + 1));
        atomic_init(&relay->manner, manner);
        pthread_mutex_init(&relay->mutex, NULL);
        relay->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        relay->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(relay->fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(relay->fd, 1024), 0);
        cr_assert_eq(getsockname(relay->fd, (struct sockaddr *)&address, &size), 0);
        snprintf(relay->url, sizeof(relay->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
        cr_assert_eq(pthread_create(&relay->thread, NULL, work, relay), 0);
        return relay;
}

const char *relay_url(const struct relay *relay) {
        return relay->url;
}

struct relay *relay_free(struct relay *relay) {
        if (relay == NULL)
                return NULL;
        atomic_store_explicit(&relay->stop, 1, memory_order_release); /* pairs with work() */
        wake(relay);
        pthread_join(relay->thread, NULL);
        while (relay->n_pairs > 0)
                end_pair(relay, relay->n_pairs - 1);
        close(relay->fd);
        close(relay->wake_fd);
        pthread_mutex_destroy(&relay->mutex);
        free(relay);
        return NULL;
}
