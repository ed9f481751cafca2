/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/observe/number.h"
#include "libclient/observe/print.h"

#define UNIX_PREFIX "unix:"
#define FIRST_PASSED_FD 3 /* sd_listen_fds(3) */

struct place {
        struct sockaddr_storage address;
        socklen_t length;
};

static int print_not_an_address(const char *text) {
        char quoted[PRINT_QUOTED_SIZE];

        return print_usage_error("--listen takes ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH with "
                                 "a numeric address and a port from 1 to 65535, not %s",
                                 print_quoted(text, strlen(text), quoted));
}

/* Splits at the last colon; an IPv6 address stands in brackets. */
static bool split(const char *text, char ret_host[64], const char **ret_port) {
        const char *colon = strrchr(text, ':');
        bool bracketed = text[0] == '[';
        uint64_t port;
        int n;

        if (colon == NULL || number_parse(colon + 1, strlen(colon + 1), &port) < 0 || port == 0 ||
            port > 65535 || strspn(colon + 1, "0123456789") != strlen(colon + 1))
                return false;
        n = (int)(colon - text) - 2 * bracketed;
        if (n < 1 || n > 63 || (bracketed && colon[-1] != ']'))
                return false;
        snprintf(ret_host, 64, "%.*s", n, text + bracketed);
        *ret_port = colon + 1;
        return (strchr(ret_host, ':') != NULL) == bracketed;
}

static int place_inet(struct place *ret, const char *text) {
        struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                  .ai_socktype = SOCK_STREAM };
        struct addrinfo *found;
        const char *port;
        char host[64];

        if (!split(text, host, &port) || getaddrinfo(host, port, &hints, &found) != 0)
                return print_not_an_address(text);
        ret->length = found->ai_addrlen;
        memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
        freeaddrinfo(found);
        return 0;
}

static int place_unix(struct place *ret, const char *path) {
        struct sockaddr_un *address = (struct sockaddr_un *)&ret->address;

        if (path[0] == '\0' || strlen(path) >= sizeof(address->sun_path))
                return print_usage_error("--listen: the path of a socket has 1 to %zu bytes",
                                         sizeof(address->sun_path) - 1);
        address->sun_family = AF_UNIX;
        memcpy(address->sun_path, path, strlen(path) + 1);
        ret->length = sizeof(*address);
        return 0;
}

/* Removes the socket that an exporter left which was killed; one that somebody listens on
 * stays, and bind() fails. */
static void remove_stale(const struct place *place, const char *path) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct stat status;

        if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
            connect(fd, (const struct sockaddr *)&place->address, place->length) < 0 &&
            errno == ECONNREFUSED)
                (void)unlink(path);
        close(fd);
}

/* The mode of a socket in the file system is 0660: whoever may see the metrics is in the
 * exporter's group. */
static int bind_there(const struct place *place) {
        int fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        mode_t before = umask(0117);
        int r = 0;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
            bind(fd, (const struct sockaddr *)&place->address, place->length) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                r = -errno;
        umask(before);
        if (r < 0 && fd >= 0)
                close(fd);
        return r < 0 ? r : fd;
}

static int open_own(struct listen *ret, const char *text) {
        const char *path = NULL;
        struct place place = { .length = 0 };
        int r, fd;

        if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
                path = text + strlen(UNIX_PREFIX);
        r = path != NULL ? place_unix(&place, path) : place_inet(&place, text);
        if (r != 0)
                return r;
        if (path != NULL)
                remove_stale(&place, path);
        fd = bind_there(&place);
        if (fd < 0)
                return print_error("cannot listen on %s: %s", text, strerror(-fd));
        *ret = (struct listen){ .fds = { fd }, .n = 1, .path = path };
        return 0;
}

/* ---- what systemd passed */

/* How many; they are not for a child that inherited the environment. */
static unsigned passed(void) {
        const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
        uint64_t number, n = 0;

        if (pid == NULL || fds == NULL || number_parse(pid, strlen(pid), &number) < 0 ||
            number != (uint64_t)getpid() || number_parse(fds, strlen(fds), &n) < 0)
                return 0;
        return n > LISTEN_MAX ? LISTEN_MAX + 1 : (unsigned)n;
}

static bool is_listening_stream(int fd) {
        int type = 0, listening = 0;
        socklen_t size = sizeof(int);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

static int take_passed(struct listen *ret, unsigned n) {
        if (n > LISTEN_MAX)
                return print_error("systemd passed more than %d sockets", LISTEN_MAX);
        *ret = (struct listen){ .n = n };
        for (unsigned i = 0; i < n; i++) {
                int fd = FIRST_PASSED_FD + (int)i;

                if (!is_listening_stream(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
                    fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                        return print_error("descriptor %d of systemd is no listening stream "
                                           "socket: see ListenStream= of the socket unit", fd);
                ret->fds[i] = fd;
        }
        return 0;
}

int listen_open(struct listen *ret, const char *address) {
        unsigned n = passed();

        if (n > 0 && address != NULL)
                return print_usage_error("--listen excludes the sockets that systemd passed: set "
                                         "the address in the socket unit");
        return n > 0 ? take_passed(ret, n) : open_own(ret, address != NULL ? address : LISTEN_DEFAULT);
}

void listen_close(struct listen *listen) {
        for (unsigned i = 0; i < listen->n; i++)
                close(listen->fds[i]);
        if (listen->path != NULL)
                (void)unlink(listen->path);
}
