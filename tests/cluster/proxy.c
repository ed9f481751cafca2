/* SPDX-License-Identifier: MIT */
#include "tests/cluster/proxy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define CHUNK_MAX 65536u

static struct sockaddr_in address_of(const char *address, uint16_t port) {
        struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

        cr_assert_eq(inet_pton(AF_INET, address, &a.sin_addr), 1);
        return a;
}

static void pause_ms(int ms) {
        (void)nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void hold(struct proxy *proxy) {
        /* acquire: pairs with the release of whoever set `hold`, after `what` */
        if (!atomic_load_explicit(&proxy->hold, memory_order_acquire))
                return;
        atomic_fetch_add(&proxy->held, 1);
        while (atomic_load_explicit(&proxy->hold, memory_order_acquire))
                pause_ms(1);
}

/* One piece: of a request which is meant are all up to the next answer. False at the end
 * of the connection. It is passed on also when whoever has sent it is gone. */
static bool move_request(struct proxy *proxy, int from, int to, bool *meant) {
        static char bytes[CHUNK_MAX];
        ssize_t n = read(from, bytes, sizeof(bytes));
        int held = atomic_load(&proxy->held);

        if (n <= 0)
                return false;
        if (proxy->what[0] != '\0' &&
            memmem(bytes, (size_t)n, proxy->what, strlen(proxy->what)) != NULL)
                *meant = true;
        if (*meant)
                hold(proxy);
        if (send(to, bytes, (size_t)n, MSG_NOSIGNAL) != n)
                return false;
        if (atomic_load(&proxy->held) > held)
                atomic_fetch_add(&proxy->passed_on, 1);
        return true;
}

static bool move_answer(struct proxy *proxy, int from, int to, bool *meant) {
        static char bytes[CHUNK_MAX];
        ssize_t n = read(from, bytes, sizeof(bytes));

        if (n <= 0)
                return false;
        if (*meant || atomic_load(&proxy->delay_all))
                pause_ms(atomic_load(&proxy->delay_ms));
        *meant = false;
        (void)!send(to, bytes, (size_t)n, MSG_NOSIGNAL);
        return true;
}

/* After a client which is gone its last request must still be answered, or etcd would
 * drop it: so the server's side ends first. */
static void serve(struct proxy *proxy, int client, const struct sockaddr_in *to) {
        int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool meant = false; /* what goes on */
        struct pollfd fds[2] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };

        if (connect(server, (const struct sockaddr *)to, sizeof(*to)) < 0)
                _exit(0);
        for (;;) {
                if (poll(fds, 2, fds[0].fd < 0 ? 5000 : -1) <= 0)
                        _exit(0);
                if (fds[0].revents != 0 && !move_request(proxy, client, server, &meant))
                        fds[0].fd = -1;
                if (fds[1].revents != 0 && !move_answer(proxy, server, client, &meant))
                        _exit(0);
        }
}

static void listen_on(struct proxy *proxy, int listener, const struct sockaddr_in *to) {
        signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
        for (;;) {
                int client = accept(listener, NULL, NULL);

                if (client >= 0 && fork_bound() == 0)
                        serve(proxy, client, to);
                if (client >= 0)
                        close(client);
        }
}

struct proxy *proxy_start(const struct net_host *where, uint16_t port, const char *to_address,
                          uint16_t to_port) {
        struct sockaddr_in here = address_of("127.0.0.1", port);
        struct sockaddr_in to = address_of(to_address, to_port);
        struct proxy *proxy = mmap(NULL, sizeof(*proxy), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t child;

        cr_assert_neq(proxy, MAP_FAILED);
        child = fork_bound();
        cr_assert_geq(child, 0);
        if (child == 0) {
                int listener, on = 1;

                net_enter((void *)where);
                listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                    bind(listener, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
                    listen(listener, 64) < 0)
                        _exit(1);
                listen_on(proxy, listener, &to);
        }
        return proxy;
}
