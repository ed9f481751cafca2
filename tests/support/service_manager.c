/* SPDX-License-Identifier: MIT */
#include "tests/support/service_manager.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LIMIT_MS 60000
#define FIRST_FD 3

static int bound(int type, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s", path);
        return fd;
}

/* In the child, before it becomes sfshmd: 3, 4, … are the listening socket and
 * what is stored; above, copies which end with exec. */
static void pass(void *context) {
        const struct service_manager *m = context;
        unsigned n = m->n_stored + 1;
        char *names = calloc(n, sizeof(m->stored[0].name) + 1), pid[16], count[16];
        int *copies = calloc(n, sizeof(int));

        for (unsigned i = 0; i < n; i++) {
                copies[i] = fcntl(i == 0 ? m->listen_fd : m->stored[i - 1].fd, F_DUPFD_CLOEXEC,
                                  (int)n + FIRST_FD + 16);
                if (copies[i] < 0)
                        _exit(125);
                strcat(names, i == 0 ? "sfshmd.socket" : ":");
                if (i > 0)
                        strcat(names, m->stored[i - 1].name);
        }
        for (unsigned i = 0; i < n; i++)
                if (dup2(copies[i], FIRST_FD + (int)i) < 0)
                        _exit(125);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        snprintf(count, sizeof(count), "%u", n);
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", count, 1);
        setenv("LISTEN_FDNAMES", names, 1);
        setenv("NOTIFY_SOCKET", m->notify_path, 1);
}

void service_manager_begin(struct service_manager *m, struct private_daemon *d) {
        *m = (struct service_manager){ .daemon = d };
        snprintf(m->notify_path, sizeof(m->notify_path), "%s/notify", d->directory);
        m->notify_fd = bound(SOCK_DGRAM, m->notify_path);
        m->listen_fd = bound(SOCK_SEQPACKET, d->socket);
        cr_assert_eq(chmod(d->socket, 0666), 0);
        cr_assert_eq(listen(m->listen_fd, 4096), 0);
        d->before_exec = pass;
        d->before_exec_context = m;
}

static void drop(struct service_manager *m, unsigned at) {
        close(m->stored[at].fd);
        m->stored[at] = m->stored[--m->n_stored];
}

void service_manager_end(struct service_manager *m) {
        while (m->n_stored > 0)
                drop(m, 0);
        close(m->notify_fd);
        close(m->listen_fd);
}

static void put(struct service_manager *m, const char *name, int fd) {
        cr_assert_lt(m->n_stored, SERVICE_MANAGER_FDS);
        m->stored[m->n_stored].fd = fd;
        snprintf(m->stored[m->n_stored].name, sizeof(m->stored[0].name), "%s", name);
        m->n_stored++;
}

void service_manager_put(struct service_manager *m, const char *name, int fd) {
        put(m, name, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/* The value of "KEY=value" in one of the lines; false when there is none. */
static bool value_of(const char *text, const char *key, char ret[64]) {
        for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, strlen(key)) != 0 || line[strlen(key)] != '=')
                        continue;
                snprintf(ret, 64, "%.*s", (int)strcspn(line + strlen(key) + 1, "\n"),
                         line + strlen(key) + 1);
                return true;
        }
        return false;
}

static void handle(struct service_manager *m, const char *text, const int *fds, size_t n_fds) {
        char name[64] = "stored", value[64];

        (void)value_of(text, "FDNAME", name);
        m->n_ready += value_of(text, "READY", value);
        if (value_of(text, "FDSTOREREMOVE", value)) {
                m->n_remove++;
                for (unsigned i = m->n_stored; i-- > 0;)
                        if (strcmp(m->stored[i].name, name) == 0)
                                drop(m, i);
        }
        if (value_of(text, "FDSTORE", value)) {
                m->n_store++;
                cr_expect_eq(service_manager_count(m, name), 0, "%s is stored twice", name);
        }
        for (size_t i = 0; i < n_fds; i++)
                if (value_of(text, "FDSTORE", value) && !m->no_store)
                        put(m, name, fds[i]);
                else
                        close(fds[i]);
}

/* As systemd does: what hangs up is dropped. */
static void drop_hung_up(struct service_manager *m) {
        for (unsigned i = m->n_stored; i-- > 0;) {
                struct pollfd p = { .fd = m->stored[i].fd };

                if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0)
                        drop(m, i);
        }
}

void service_manager_pump(struct service_manager *m) {
        for (;;) {
                char text[4096];
                union {
                        struct cmsghdr align;
                        char bytes[CMSG_SPACE(253 * sizeof(int))];
                } control;
                struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
                struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1,
                                         .msg_control = &control,
                                         .msg_controllen = sizeof(control) };
                int fds[253];
                size_t n_fds = 0;
                ssize_t n = recvmsg(m->notify_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

                if (n < 0)
                        break;
                text[n] = '\0';
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c != NULL;
                     c = CMSG_NXTHDR(&header, c)) {
                        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                                continue;
                        n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                        memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
                }
                handle(m, text, fds, n_fds);
        }
        if (!m->keeps_hung_up)
                drop_hung_up(m);
}

unsigned service_manager_count(const struct service_manager *m, const char *name) {
        unsigned n = 0;

        for (unsigned i = 0; i < m->n_stored; i++)
                n += name == NULL || strcmp(m->stored[i].name, name) == 0;
        return n;
}

struct expected {
        struct service_manager *m;
        unsigned n;
};

static bool is_ready(void *context) {
        const struct expected *e = context;

        service_manager_pump(e->m);
        return e->m->n_ready == e->n;
}

void service_manager_start(struct service_manager *m) {
        struct expected e = { m, m->n_ready + 1 };

        private_daemon_spawn(m->daemon);
        if (!wait_until(is_ready, &e, LIMIT_MS)) {
                char *log = private_daemon_log(m->daemon);

                cr_assert_fail("sfshmd is not ready; its log:\n%s", log);
        }
}

static bool holds(void *context) {
        const struct expected *e = context;

        service_manager_pump(e->m);
        return e->m->n_stored == e->n;
}

void service_manager_expect(struct service_manager *m, unsigned n) {
        struct expected e = { m, n };

        if (!wait_until(holds, &e, LIMIT_MS))
                cr_assert_fail("the store holds %u descriptors, not %u; the daemon's log:\n%s",
                               m->n_stored, n, private_daemon_log(m->daemon));
}
