/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/exporter.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ports.h"

int exporter_connect(const struct exporter *e) {
        struct sockaddr_in inet = { .sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)e->port),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_un local = { .sun_family = AF_UNIX };
        int fd = socket(e->port != 0 ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r;

        cr_assert_geq(fd, 0, "%s", strerror(errno));
        snprintf(local.sun_path, sizeof(local.sun_path), "%s", e->socket);
        r = e->port != 0 ? connect(fd, (struct sockaddr *)&inet, sizeof(inet))
                         : connect(fd, (struct sockaddr *)&local, sizeof(local));
        if (r == 0)
                return fd;
        close(fd);
        return -1;
}

static bool is_reachable(const struct exporter *e) {
        int fd = exporter_connect(e);

        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

void exporter_start(struct exporter *e, const struct private_daemon *d, const char *socket) {
        char listen[160];

        *e = (struct exporter){ .port = *socket ? 0 : port_reserve() };
        snprintf(e->socket, sizeof(e->socket), "%s", socket);
        if (*socket)
                snprintf(listen, sizeof(listen), "unix:%s", socket);
        else
                snprintf(listen, sizeof(listen), "127.0.0.1:%u", e->port);
        e->pid = fork_bound();
        cr_assert_geq(e->pid, 0);
        if (e->pid == 0) {
                execl(getenv("SFSHM_EXPORTER"), "sfshm-exporter", "--socket", d->socket, "--listen",
                      listen, (char *)NULL);
                _exit(127);
        }
        UNTIL(is_reachable(e));
}

void exporter_stop(struct exporter *e) {
        int status;

        if (e->pid == 0)
                return;
        cr_assert_eq(kill(e->pid, SIGTERM), 0);
        cr_assert_eq(waitpid(e->pid, &status, 0), e->pid);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status %#x", status);
        e->pid = 0;
}

void exporter_say(const struct exporter *e, const void *request, size_t size,
                  struct exporter_reply *ret) {
        int fd = exporter_connect(e);
        const char *end;
        ssize_t n;

        cr_assert_geq(fd, 0, "nobody listens");
        (void)send(fd, request, size, MSG_NOSIGNAL); /* it may hang up before that */
        ret->size = 0;
        while ((n = read(fd, ret->text + ret->size, sizeof(ret->text) - 1 - ret->size)) > 0)
                ret->size += (size_t)n;
        close(fd);
        ret->text[ret->size] = '\0';
        if (sscanf(ret->text, "HTTP/1.%*1[01] %d ", &ret->status) != 1)
                ret->status = 0;
        end = strstr(ret->text, "\r\n\r\n");
        ret->body = end != NULL ? end + 4 : "";
}

void exporter_get(const struct exporter *e, const char *path, struct exporter_reply *ret) {
        char request[256];
        int n = snprintf(request, sizeof(request), 
                         "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);

        exporter_say(e, request, (size_t)n, ret);
}
