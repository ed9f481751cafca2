/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/door.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* So many before those inside are looked at again. */
#define ADMIT_AT_ONCE 32
/* Of the process: standard ones, sockets it listens on, events, and those of a sample. */
#define OTHER_DESCRIPTORS 32

/* Guests leave the descriptors that a sample of the daemon needs: it would look dead. */
static unsigned most_guests(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
            limit.rlim_cur >= DOOR_PLACES + OTHER_DESCRIPTORS)
                return DOOR_GUESTS;
        return limit.rlim_cur > DOOR_LEAVING + OTHER_DESCRIPTORS
                       ? (unsigned)limit.rlim_cur - DOOR_LEAVING - OTHER_DESCRIPTORS
                       : 1;
}

void door_begin(struct door *door) {
        *door = (struct door){ .most = most_guests() };
        for (unsigned i = 0; i < DOOR_PLACES; i++)
                door->guests[i].fd = -1;
}

static struct door_guest *find(struct door *door, int fd) {
        for (unsigned i = 0; i < DOOR_PLACES; i++)
                if (door->guests[i].fd == fd)
                        return &door->guests[i];
        return NULL;
}

void door_notify(void *context, struct MHD_Connection *connection, void **socket_context,
                 enum MHD_ConnectionNotificationCode code) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct door_guest *guest = *socket_context;

        if (code == MHD_CONNECTION_NOTIFY_STARTED)
                *socket_context = find(context, info->connect_fd);
        else if (guest != NULL)
                guest->fd = -1; /* its socket is closed after this */
}

void door_set_waiting(struct MHD_Connection *connection, bool waiting) {
        struct door_guest *guest =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
                        ->socket_context;

        if (guest != NULL)
                guest->waiting = waiting;
}

/* libmicrohttpd notices, and closes the socket. */
static void send_away(struct door_guest *guest) {
        (void)shutdown(guest->fd, SHUT_RDWR);
        guest->leaving = true;
}

/* The one to go, or NULL: all wait for us, or have just come. */
static struct door_guest *oldest_to_go(struct door *door, int64_t now_ns) {
        struct door_guest *oldest = NULL;

        for (unsigned i = 0; i < DOOR_PLACES; i++) {
                struct door_guest *guest = &door->guests[i];

                if (guest->fd >= 0 && !guest->leaving && !guest->waiting &&
                    (oldest == NULL || guest->since_ns < oldest->since_ns))
                        oldest = guest;
        }
        return oldest != NULL && now_ns - oldest->since_ns >= DOOR_STAY_NS ? oldest : NULL;
}

static unsigned count(const struct door *door, bool leaving_too) {
        unsigned n = 0;

        for (unsigned i = 0; i < DOOR_PLACES; i++)
                n += door->guests[i].fd >= 0 && (leaving_too || !door->guests[i].leaving);
        return n;
}

static bool is_full(const struct door *door) {
        return count(door, false) >= door->most;
}

bool door_has_room(struct door *door, int64_t now_ns) {
        bool exhausted = door->exhausted;

        door->exhausted = false;
        return !exhausted && count(door, true) < DOOR_PLACES &&
               (!is_full(door) || oldest_to_go(door, now_ns) != NULL);
}

static bool make_room(struct door *door, int64_t now_ns) {
        if (!door_has_room(door, now_ns))
                return false;
        if (is_full(door))
                send_away(oldest_to_go(door, now_ns));
        return true;
}

static void admit(struct door *door, int fd, const struct sockaddr_storage *address,
                  socklen_t length, int64_t now_ns) {
        struct door_guest *guest = find(door, -1);

        *guest = (struct door_guest){ .fd = fd, .since_ns = now_ns };
        if (MHD_add_connection(door->daemon, fd, (const struct sockaddr *)address, length) !=
            MHD_YES)
                guest->fd = -1; /* it was closed */
}

/* Out of descriptors or memory: the oldest gives one back. */
static void give_back(struct door *door, int64_t now_ns) {
        struct door_guest *guest = oldest_to_go(door, now_ns);

        door->exhausted = true;
        if (guest != NULL)
                send_away(guest);
}

void door_admit(struct door *door, int listen_fd, int64_t now_ns) {
        for (unsigned i = 0; i < ADMIT_AT_ONCE && make_room(door, now_ns); i++) {
                struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
                socklen_t length = sizeof(address);
                int fd = accept4(listen_fd, (struct sockaddr *)&address, &length,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd < 0) {
                        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                                give_back(door, now_ns);
                        return;
                }
                admit(door, fd, &address, length, now_ns);
        }
}

int64_t door_expire(struct door *door, int64_t now_ns) {
        int64_t next_ns = INT64_MAX;

        for (unsigned i = 0; i < DOOR_PLACES; i++) {
                struct door_guest *guest = &door->guests[i];

                if (guest->fd < 0 || guest->leaving)
                        continue;
                if (guest->since_ns + DOOR_LIFE_NS <= now_ns)
                        send_away(guest);
                else if (guest->since_ns + DOOR_LIFE_NS < next_ns)
                        next_ns = guest->since_ns + DOOR_LIFE_NS;
        }
        return next_ns;
}
