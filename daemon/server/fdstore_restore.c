/* SPDX-License-Identifier: MIT */
#include "daemon/server/fdstore_restore.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define LINES_MAX 8u /* in the log: one for each client that is not adopted */

/* The descriptors under one name. */
struct found {
        uint64_t id;
        int socket, grants, cursors;
};

static off_t file_size(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 ? st.st_size : -1;
}

/* The pages of a client are sealed, so their sizes can be trusted, but not what the
 * cursors page contains. The grants page is always the smaller one. */
static bool found_sort(const struct listen_fds_client *passed, struct found *ret) {
        struct found found = { .id = listen_fds_client_id(passed->name),
                               .socket = -1, .grants = -1, .cursors = -1 };

        if (found.id == 0 || passed->n_fds != LISTEN_FDS_PER_CLIENT)
                return false;
        for (size_t i = 0; i < LISTEN_FDS_PER_CLIENT; i++) {
                int fd = passed->fds[i];

                if (sd_is_socket_unix(fd, SOCK_SEQPACKET, 0, NULL, 0) > 0 && found.socket < 0)
                        found.socket = fd;
                else if (found.grants < 0)
                        found.grants = fd;
                else
                        found.cursors = fd;
        }
        if (found.socket < 0 || found.cursors < 0)
                return false;
        if (file_size(found.grants) > file_size(found.cursors)) {
                int fd = found.grants;

                found.grants = found.cursors;
                found.cursors = fd;
        }
        *ret = found;
        return true;
}

/* Read from memory: CLOCK_BOOTTIME at which the client attached. */
static int64_t attached_ns(const struct ledger_lane *former) {
        int64_t now_ns = time_ns(CLOCK_BOOTTIME);

        return former->attached_boot_ns >= 0 && former->attached_boot_ns <= now_ns
                       ? former->attached_boot_ns : now_ns;
}

/* -EBADMSG: they are not what a client's descriptors should be; -ENOENT: the ledger
 * knows no such client. The pages' descriptors stay the caller's, and on failure the
 * socket. */
static int restore_client(struct connections *connections, const struct found *found,
                          uint64_t now_tick) {
        struct clients *clients = connections->clients;
        const struct ledger_lane *former;
        struct client *client;
        struct peer peer;
        uint32_t n_lanes;
        int r;

        former = ledger_former(clients->ledger, found->id, &n_lanes);
        if (former == NULL)
                return -ENOENT;
        r = peer_identify(found->socket, &peer);
        if (r == 0)
                r = client_adopt(&client, found->id, n_lanes, found->grants, found->cursors);
        if (r < 0)
                return r;
        client->socket = found->socket;
        client->attached_boot_ns = attached_ns(former);
        /* its cursors count ticks from there, and it attached in the past */
        r = client_grants(client)->base_tick <= now_tick
                    ? clients_adopt(clients, client, &peer, now_tick) : -EBADMSG;
        if (r < 0) {
                client_free(client);
                return r;
        }
        r = connections_adopt(connections, client, &peer);
        if (r < 0)
                clients_abandon(clients, client);
        else
                client->stored = true;
        return r;
}

static const char *restore_failure_text(int error, bool adopted) {
        if (error != -ENOENT)
                return error == -EBADMSG ? "they are not those of a client"
                                         : strerror(-error);
        return adopted ? "the ledger knows no such client, or the clock it reads is lost"
                       : "the ledger is new";
}

/* shutdown(): the peer sees the end of the connection although the store may still have
 * the socket. */
static void restore_give_up(struct fdstore *store, const struct listen_fds_client *passed) {
        for (size_t i = 0; i < passed->n_fds; i++) {
                (void)shutdown(passed->fds[i], SHUT_RDWR);
                close(passed->fds[i]);
        }
        fdstore_remove(store, passed->name);
}

static int restore_or_remove(struct connections *connections,
                             const struct listen_fds_client *passed, uint64_t now_tick) {
        struct found found;
        int r = found_sort(passed, &found) ? restore_client(connections, &found, now_tick)
                                           : -EBADMSG;

        if (r < 0) {
                restore_give_up(connections->clients->fdstore, passed);
                return r;
        }
        close(found.grants); /* the client has its own, or a mapping */
        close(found.cursors);
        return 0;
}

void fdstore_restore(struct connections *connections, const struct listen_fds *passed, bool adopted,
                     uint64_t now_tick) {
        size_t n_odd = 0, n = passed->n_clients;

        for (size_t i = 0; i < n; i++) {
                const struct listen_fds_client *client = &passed->clients[i];
                int r = restore_or_remove(connections, client, now_tick);

                if (r < 0 && n_odd++ < LINES_MAX)
                        log_event(EVENT_NOT_ADOPTED, "the %zu descriptors "
                                  "stored as %s are closed and removed (%s): if that client is "
                                  "still there, it attaches anew", client->n_fds, client->name,
                                  restore_failure_text(r, adopted));
        }
        ledger_end_adoption(connections->clients->ledger);
        if (n > 0)
                log_event(WITH(EVENT_ADOPTED, FIELD(CLIENTS, n - n_odd)),
                          "%zu clients of the earlier daemon "
                          "continue with this one, %zu do not", n - n_odd, n_odd);
}
