/* SPDX-License-Identifier: MIT */
/*
 * A thousand HTTP clients that are slow, silent or talk nonsense hurt nobody: the next scrape
 * is answered, and the daemon's clients have their IDs. How fast is logged, not judged.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/support/exporter.h"
#include "tests/support/private_daemon.h"

#define CROWD 1000u

static struct private_daemon d;
static struct exporter e;
static struct exporter_reply reply;

static void start_daemon(void) {
        private_daemon_prepare(&d);
        private_daemon_start(&d);
}

static void set_up(void) {
        start_daemon();
        exporter_start(&e, &d, "");
}

static void clean(void) {
        exporter_stop(&e);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* ---- the crowd */

enum manner { SILENT, HALF_A_REQUEST, BYTE_BY_BYTE, NOISE, READS_NOTHING, MANNERS };

static void begin_badly(int fd, enum manner manner) {
        static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        char noise[300];

        for (size_t i = 0; i < sizeof(noise); i++)
                noise[i] = (char)random();
        if (manner == HALF_A_REQUEST)
                (void)send(fd, request, 20, MSG_NOSIGNAL);
        if (manner == NOISE)
                (void)send(fd, noise, sizeof(noise), MSG_NOSIGNAL);
        if (manner == READS_NOTHING)
                (void)send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL);
}

/* Whoever is sent away comes again at once. */
static void attend(struct pollfd *fd, enum manner manner, bool may_send) {
        char bytes[4096];

        if (fd->fd >= 0 && manner == BYTE_BY_BYTE && may_send)
                (void)send(fd->fd, "G", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (fd->fd >= 0 && fd->revents != 0 && recv(fd->fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0) {
                close(fd->fd);
                fd->fd = -1;
        }
        if (fd->fd >= 0)
                return;
        fd->fd = exporter_connect(&e);
        fd->events = manner == READS_NOTHING ? 0 : POLLIN;
        if (fd->fd >= 0)
                begin_badly(fd->fd, manner);
}

/* Until it is killed. */
static void crowd(void) {
        static struct pollfd fds[CROWD];
        int64_t sent_ns = 0;

        for (unsigned i = 0; i < CROWD; i++)
                fds[i].fd = -1;
        for (;;) {
                int64_t now_ns = test_monotonic_ns();
                bool may_send = now_ns - sent_ns > 1000000000;

                if (may_send)
                        sent_ns = now_ns;
                for (unsigned i = 0; i < CROWD; i++)
                        attend(&fds[i], i % MANNERS, may_send);
                poll(fds, CROWD, 20);
        }
}

static pid_t start_crowd(void) {
        pid_t child = fork_bound();

        cr_assert_geq(child, 0);
        if (child == 0)
                crowd();
        return child;
}

/* ---- who suffers */

struct taken {
        _Atomic uint64_t ids, errors;
};

static struct taken *start_client(void) {
        struct taken *taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint64_t id;
        sfshm *s;

        cr_assert_neq(taken, MAP_FAILED);
        if (fork_bound() != 0)
                return taken;
        s = private_daemon_open(&d, 0);
        for (;;) {
                if (sfshm_next(s, &id) == 0)
                        taken->ids++;
                else
                        taken->errors++;
                nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        }
}

/* IDs per second, over that time. */
static double rate(struct taken *taken, int64_t over_ns) {
        uint64_t before = taken->ids;
        int64_t begun_ns = test_monotonic_ns();

        UNTIL(taken->ids > before + 100 && test_monotonic_ns() - begun_ns > over_ns);
        return (double)(taken->ids - before) * 1e9 / (double)(test_monotonic_ns() - begun_ns);
}

static bool has_descriptors(void) {
        struct rlimit limit;

        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        return limit.rlim_max >= CROWD + 100 && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* One scrape; returns how long it took. */
static int64_t scrape_ns(void) {
        int64_t begun_ns = test_monotonic_ns();

        exporter_get(&e, "/metrics", &reply);
        cr_expect(reply.status == 200 && strstr(reply.body, "\nsfshm_up "), "%s", reply.text);
        return test_monotonic_ns() - begun_ns;
}

/* Red without door_expire() and without who goes for others: a scrape waits for ever. */
Test(exporter_slow, thousand_clients) {
        int64_t limit_ns = getenv("SFSHM_LONG") != NULL ? INT64_C(60000000000) : 2000000000;
        int64_t begun_ns, most_ns = 0;
        struct taken *taken;
        double quiet;
        unsigned n = 0;

        if (!has_descriptors())
                cr_skip("a process may not open %u descriptors", CROWD + 100);
        set_up();
        taken = start_client();
        quiet = rate(taken, limit_ns / 4);
        (void)start_crowd();
        taken->ids = 0;
        begun_ns = test_monotonic_ns();
        for (; test_monotonic_ns() - begun_ns < limit_ns; n++) {
                int64_t took_ns = scrape_ns();

                most_ns = took_ns > most_ns ? took_ns : most_ns;
        }
        cr_log_info("%u scrapes, the slowest in %.1f ms; the client took %.0f IDs/s, %.0f before", n,
                    (double)most_ns / 1e6,
                    (double)taken->ids * 1e9 / (double)(test_monotonic_ns() - begun_ns), quiet);
        cr_expect_eq(taken->errors, 0);
        clean();
}

static bool hung_up(int fd) {
        struct pollfd ready = { fd, POLLIN, 0 };
        char byte;

        return send(fd, "G", 1, MSG_NOSIGNAL) < 0 ||
               (poll(&ready, 1, 50) > 0 && read(fd, &byte, 1) <= 0);
}

/* Red without door_expire(): an idle time-out never ends who sends something. */
Test(exporter_slow, byte_by_byte, .init = set_up, .fini = clean) {
        int fd = exporter_connect(&e);
        int64_t begun_ns = test_monotonic_ns();

        cr_assert_geq(fd, 0);
        UNTIL(hung_up(fd));
        cr_log_info("ended after %.1f s", (double)(test_monotonic_ns() - begun_ns) / 1e9);
        close(fd);
        scrape_ns();
}

/* Red when clients get the descriptors that a sample needs: the daemon looks dead. */
Test(exporter_slow, few_descriptors, .init = start_daemon, .fini = clean) {
        struct rlimit limit = { 120, 120 };
        int fds[80];

        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0); /* the exporter's too */
        exporter_start(&e, &d, "");
        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
                fds[i] = exporter_connect(&e);
        for (int i = 0; i < 3; i++) {
                scrape_ns();
                cr_expect_not_null(strstr(reply.body, "\nsfshm_up 1\n"), "%s", reply.text);
        }
        for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
                close(fds[i]);
}
