/* SPDX-License-Identifier: MIT */
#include "daemon/server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/config/config.h"
#include "daemon/util/fd_reserve.h"
#include "daemon/util/log.h"
#include "daemon/server/message.h"

static int socket_failure(int error, const char *path, const char *what) {
        return log_failure(error, WITH(EVENT_SOCKET, FIELD(SOCKET, path)),
                           "cannot %s socket %s (daemon.socket): %s", what, path,
                           strerror(error));
}

static int socket_address(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (path[0] != '/' || strlen(path) >= sizeof(ret->sun_path))
                return log_failure(EINVAL, EVENT_SOCKET,
                                   "daemon.socket must be an absolute path of at most %zu bytes, "
                                   "not '%s'", sizeof(ret->sun_path) - 1, path);
        memcpy(ret->sun_path, path, strlen(path) + 1);
        return 0;
}

#define PATH_SIZE sizeof(((struct sockaddr_un *)NULL)->sun_path)

/* The directory of an absolute path; empty for "/". */
static void directory_of(const char *path, char ret[PATH_SIZE]) {
        snprintf(ret, PATH_SIZE, "%s", path);
        *strrchr(ret, '/') = '\0';
}

static int directory_failure(int error, const char *directory) {
        return log_failure(error, EVENT_SOCKET,
                           "cannot create %s, the directory of daemon.socket: %s",
                           directory, strerror(error));
}

/* Creates the directory of the socket if it is missing. */
static int make_directory(const char *path) {
        char directory[PATH_SIZE];

        directory_of(path, directory);
        if (directory[0] != '\0' && mkdir(directory, 0755) < 0 && errno != EEXIST)
                return directory_failure(errno, directory);
        return 0;
}

/* Could it be created? Only a directory above it that is missing rules it out: a service
 * manager may create it. */
static int check_directory(const char *path) {
        char directory[PATH_SIZE], above[PATH_SIZE];

        directory_of(path, directory);
        if (directory[0] == '\0' || access(directory, F_OK) == 0 || errno != ENOENT)
                return 0;
        directory_of(directory, above);
        if (above[0] != '\0' && access(above, F_OK) < 0 && errno == ENOENT)
                return directory_failure(ENOENT, directory);
        return 0;
}

/* 0: nobody listens there; else -errno, logged. */
static int probe_socket(const struct sockaddr_un *address) {
        struct ucred owner = { .pid = 0 };
        socklen_t length = sizeof(owner);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;

        if (fd < 0)
                return socket_failure(errno, address->sun_path, "probe");
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                error = errno;
        if (error == 0)
                (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &length);
        close(fd);
        if (error == ECONNREFUSED || error == ENOENT)
                return 0;
        /* EAGAIN: a daemon listens, with a full queue */
        if (error == 0 || error == EAGAIN)
                return log_failure(EADDRINUSE, WITH(EVENT_SOCKET, FIELD(SOCKET, address->sun_path),
                                                    FIELD(PID, owner.pid)),
                                   "socket %s is in use by pid %d: stop that "
                                   "daemon or set another daemon.socket", address->sun_path,
                                   (int)owner.pid);
        return socket_failure(error, address->sun_path, "probe");
}

static int check_is_socket(const char *path, const struct stat *status) {
        if (S_ISSOCK(status->st_mode))
                return 0;
        return log_failure(EEXIST, EVENT_SOCKET, "%s exists and is not a socket: move it away "
                           "or set another daemon.socket", path);
}

/* Removes the socket that a dead daemon left at the path; anything else there is an
 * error. */
static int remove_stale_socket(const struct sockaddr_un *address) {
        const char *path = address->sun_path;
        struct stat status;
        int r;

        if (lstat(path, &status) < 0)
                return errno == ENOENT ? 0 : socket_failure(errno, path, "look at");
        r = check_is_socket(path, &status);
        if (r == 0)
                r = probe_socket(address);
        if (r < 0)
                return r;
        if (status.st_uid != geteuid())
                return log_failure(EEXIST, EVENT_SOCKET, "socket %s belongs to uid %u and nobody "
                                   "listens on it: remove it or set another daemon.socket", path,
                                   (unsigned)status.st_uid);
        if (unlink(path) < 0 && errno != ENOENT)
                return socket_failure(errno, path, "remove the stale");
        return 0;
}

/* Nobody can connect before mode and group are set: bind() gives the socket's file the
 * mode of the descriptor, which is 0. */
static int bind_socket(int fd, const struct sockaddr_un *address, const struct config *config) {
        const char *path = address->sun_path;
        gid_t group = (gid_t)-1;
        int r = config_group(config, &group);

        if (r < 0)
                return r;
        if (fchmod(fd, 0) < 0 ||
            bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                return socket_failure(errno, path, "bind");
        if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0)
                r = socket_failure(errno, path, "set the group (daemon.socket_group) of");
        else if (chmod(path, config->socket_mode) < 0)
                r = socket_failure(errno, path, "set the mode (daemon.socket_mode) of");
        else if (listen(fd, SOMAXCONN) < 0)
                r = socket_failure(errno, path, "listen on");
        if (r < 0)
                unlink(path);
        return r;
}

static int listener_bind(struct listener *listener, const struct config *config) {
        struct sockaddr_un address;
        struct stat status;
        int r = socket_address(config->socket, &address);

        if (r < 0 || (r = make_directory(config->socket)) < 0 ||
            (r = remove_stale_socket(&address)) < 0)
                return r;
        listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (listener->fd < 0)
                return socket_failure(errno, config->socket, "create");
        message_refuse_descriptors(listener->fd);
        r = bind_socket(listener->fd, &address, config);
        if (r < 0)
                return r;
        listener->path = strdup(config->socket);
        if (listener->path == NULL || lstat(config->socket, &status) < 0) {
                unlink(config->socket);
                return socket_failure(listener->path == NULL ? ENOMEM : errno, config->socket,
                                      "look at");
        }
        listener->device = status.st_dev;
        listener->inode = status.st_ino;
        return 0;
}

/* Its path, or a description if it has none. */
static char *socket_path(int fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t length = sizeof(address) - 1; /* a NUL stays behind it */

        if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
            address.sun_path[0] != '/')
                return strdup("the socket of systemd");
        return strdup(address.sun_path);
}

/* The socket that systemd passed. */
static int listener_take(struct listener *listener, const struct listen_fds *passed) {
        int fd = passed->fds[0];

        if (passed->n_listening > 1)
                return log_failure(EINVAL, EVENT_SOCKET,
                                   "systemd passed %zu descriptors; exactly one "
                                   "is expected: leave one Listen... line in the .socket unit",
                                   passed->n_listening);
        if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
                return log_failure(EINVAL, EVENT_SOCKET,
                                   "the descriptor that systemd passed is not a "
                                   "listening AF_UNIX SOCK_SEQPACKET socket: use "
                                   "ListenSequentialPacket= in the .socket unit");
        listener->path = socket_path(fd);
        if (listener->path == NULL)
                return log_failure(ENOMEM, EVENT_SOCKET, "no memory");
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return log_failure(errno, EVENT_SOCKET, "the socket of systemd cannot be made "
                                   "non-blocking: %s", strerror(errno));
        message_refuse_descriptors(fd);
        listener->fd = fd;
        return 0;
}

static int listener_open_spare(void) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int listener_open(struct listener *ret, const struct config *config,
                  const struct listen_fds *passed) {
        struct listener listener = LISTENER_NONE;
        int r = passed->n_listening > 0 ? listener_take(&listener, passed)
                                        : listener_bind(&listener, config);

        if (r < 0) {
                listener_close(&listener);
                return r;
        }
        listener.spare = listener_open_spare();
        *ret = listener;
        return 0;
}

int listener_check(const struct config *config) {
        struct sockaddr_un address;
        struct stat status;
        int r = socket_address(config->socket, &address);

        if (r == 0 && lstat(config->socket, &status) == 0)
                r = check_is_socket(config->socket, &status);
        return r == 0 ? check_directory(config->socket) : r;
}

void listener_close(struct listener *listener) {
        struct stat status;

        /* not if another daemon's socket is there by now */
        if (listener->path != NULL && listener->inode != 0 && lstat(listener->path, &status) == 0 &&
            status.st_dev == listener->device && status.st_ino == listener->inode)
                unlink(listener->path);
        if (listener->fd >= 0)
                close(listener->fd);
        if (listener->spare >= 0)
                close(listener->spare);
        free(listener->path);
        *listener = LISTENER_NONE;
}

/* Says that it is the daemon which has no descriptor left. HELLO is taken first: left
 * unread it would make close() drop the answer. A peer whose HELLO has not arrived yet is
 * hung up on, and tries again. */
static void listener_refuse(int fd) {
        union wire_message message;

        if (message_receive(fd, &message) == 0 && message.header.type == WIRE_HELLO) {
                message.refused = (struct wire_refused){
                        .header = wire_header_of(WIRE_REFUSED, WIRE_VERSION),
                        .error = EMFILE,
                        .retry_after_ms = 1000,
                        .text = "the daemon has no file descriptor left: raise its LimitNOFILE= or "
                                "close idle clients",
                };
                (void)message_send(fd, &message, NULL, 0);
        }
        close(fd);
}

static int listener_turn_away(struct listener *listener) {
        int fd;

        if (listener->spare < 0)
                listener->spare = listener_open_spare();
        if (listener->spare < 0)
                return -ENFILE;
        close(listener->spare);
        fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
                listener_refuse(fd);
        listener->spare = listener_open_spare();
        return fd >= 0 ? -EMFILE : -ENFILE;
}

int listener_accept(struct listener *listener) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0 && !fd_reserve_spares(fd)) {
                listener_refuse(fd);
                return -EMFILE;
        }
        if (fd >= 0) {
                message_refuse_descriptors(fd);
                return fd;
        }
        if (errno == EMFILE || errno == ENFILE)
                return listener_turn_away(listener);
        return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
}
