/* SPDX-License-Identifier: MIT */
#include "daemon/server/fdstore_restore.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/util/log.h"

#define LINES_MAX 8u /* one for each odd client, but not thousands */

/* What is under one name, told apart. */
struct found {
        uint64_t id;
        int socket, grants, cursors;
};

static off_t size_of(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 ? st.st_size : -1;
}

/* The pages of a client are sealed, so their sizes are the daemon's word; what is
 * in the cursors page is not. Grants are always the smaller page. */
static bool tell_apart(const struct listen_fds_client *passed, struct found *ret) {
        struct found found = {
                .id = listen_fds_client_id(passed->name), .socket = -1, .grants = -1, .cursors = -1
        };

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
        if (size_of(found.grants) > size_of(found.cursors)) {
                int fd = found.grants;

                found.grants = found.cursors;
                found.cursors = fd;
        }
        *ret = found;
        return true;
}

static void close_lanes(struct ledger *ledger, struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++)
                client->lanes[i].entry = ledger_close_lane(ledger, client->lanes[i].entry);
}

static int adopt_lanes(struct ledger *ledger, struct client *client) {
        struct grants_page *page = client_grants(client);

        for (uint32_t i = 0; i < client->n_lanes; i++) {
                int r = ledger_adopt_lane(ledger, client->id, i, page->slots[i],
                                          &client->lanes[i].entry);
                if (r < 0) {
                        close_lanes(ledger, client);
                        return r;
                }
        }
        return 0;
}

/* Takes the client over in any case; on failure its socket stays the caller's. */
static int join(struct connections *connections, struct client *client, uint64_t now_tick) {
        struct attach *attach = connections->attach;
        int r = adopt_lanes(attach->parts->ledger, client);

        if (r == 0) {
                r = attach_adopt(attach, client, now_tick);
                if (r < 0)
                        close_lanes(attach->parts->ledger, client);
        }
        if (r < 0) {
                client_free(client);
                return r;
        }
        r = connections_adopt(connections, client);
        if (r < 0)
                attach_end(attach, client);
        else
                client->stored = true;
        return r;
}

/* -EBADMSG: they are not what a client's descriptors should be; -ENOENT: the
 * ledger knows no such client. The pages' descriptors stay the caller's, and on
 * failure the socket. */
static int take(struct connections *connections, const struct found *found, uint64_t now_tick) {
        const struct server_parts *parts = connections->attach->parts;
        const struct ledger_lane *former;
        struct client *client;
        uint32_t lanes;
        int r;

        former = ledger_former(parts->ledger, found->id, &lanes);
        if (former == NULL)
                return -ENOENT;
        r = client_adopt(&client, found->id, lanes, found->grants, found->cursors);
        if (r < 0)
                return r;
        client->socket = found->socket;
        client->attached_boot_ns = former->attached_boot_ns;
        return join(connections, client, now_tick);
}

static const char *reason(int error, const struct server_parts *parts) {
        if (error != -ENOENT)
                return error == -EBADMSG ? "they are not what a client's should be"
                                         : strerror(-error);
        return parts->adopted ? "the ledger knows no such client, or the clock it reads is lost"
                              : "the ledger is new";
}

/* Its peer sees the end of the connection, though the store may have it still. */
static void give_up(struct connections *connections, const struct listen_fds_client *passed) {
        for (size_t i = 0; i < passed->n_fds; i++) {
                (void)shutdown(passed->fds[i], SHUT_RDWR);
                close(passed->fds[i]);
        }
        fdstore_remove(connections->attach->fdstore, passed->name);
}

static int take_one(struct connections *connections, const struct listen_fds_client *passed,
                    uint64_t now_tick) {
        struct found found;
        int r = tell_apart(passed, &found) ? take(connections, &found, now_tick) : -EBADMSG;

        if (r < 0) {
                give_up(connections, passed);
                return r;
        }
        close(found.grants); /* it has its own, or a mapping */
        close(found.cursors);
        return 0;
}

void takeover(struct connections *connections, uint64_t now_tick) {
        const struct server_parts *parts = connections->attach->parts;
        size_t n_odd = 0, n = parts->passed->n_clients;

        for (size_t i = 0; i < n; i++) {
                const struct listen_fds_client *passed = &parts->passed->clients[i];
                int r = take_one(connections, passed, now_tick);

                if (r < 0 && n_odd++ < LINES_MAX)
                        log_event(LOG_LEVEL_NOTICE, "not-taken-over", "the %zu descriptors which "
                                  "were stored as %s are closed and removed (%s): if that client "
                                  "is still there it attaches anew", passed->n_fds, passed->name,
                                  reason(r, parts));
        }
        ledger_end_adoption(parts->ledger);
        if (n > 0)
                log_event(LOG_LEVEL_INFO, "taken-over", "%zu clients of the daemon before go on "
                          "with this one, %zu do not", n - n_odd, n_odd);
}
