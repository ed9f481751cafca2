/* SPDX-License-Identifier: MIT */
#include "daemon/server/attach.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/server/message.h"
#include "daemon/server/peer.h"
#include "daemon/util/time.h"

#define RETRY_MS 1000u

void attach_refuse(struct attach_refusal *ret, int error, uint32_t retry_after_ms,
                   const char *format, ...) {
        va_list arguments;

        ret->error = error;
        ret->retry_after_ms = retry_after_ms;
        va_start(arguments, format);
        vsnprintf(ret->text, sizeof(ret->text), format, arguments);
        va_end(arguments);
}

static int charge(struct account *account, const struct account_amounts *amounts,
                  struct attach_refusal *refusal) {
        const char *what = NULL;
        int r = account_charge(account, amounts, &what);

        if (r < 0)
                attach_refuse(refusal, -r, RETRY_MS, "the limit on %s is reached: close idle "
                              "clients or raise it in sfshmd.conf", what);
        return r;
}

static struct client_shape shape_of(const struct server_parts *parts,
                                    const struct wire_hello *hello, uint64_t now_tick) {
        const struct lease_grant *granted = lease_granted(parts->lease);
        struct clock_segment *clock = parts->clock->map;

        return (struct client_shape){
                /* relaxed: no daemon writes it while this one lives */
                .generation = atomic_load_explicit(&clock->generation, memory_order_relaxed),
                .base_tick = now_tick > 0 ? now_tick - 1 : 0,
                .n_lanes = hello->lanes,
                .worker_first = granted->worker_first,
                /* as far as the run may grow */
                .worker_counters = parts->config->max_count < WORKER_COUNTERS_MAX
                                           ? parts->config->max_count : WORKER_COUNTERS_MAX,
        };
}

static void close_lanes(const struct server_parts *parts, struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++)
                if (client->lanes[i].entry != NULL)
                        client->lanes[i].entry =
                                ledger_close_lane(parts->ledger, client->lanes[i].entry);
}

static int open_lanes(const struct server_parts *parts, struct client *client) {
        struct grants_page *page = client_grants(client);

        for (uint32_t i = 0; i < client->n_lanes; i++) {
                int r = ledger_open_lane(parts->ledger, client->id, i, client->uid,
                                         (uint32_t)client->pid, page->slots[i],
                                         &client->lanes[i].entry);
                if (r < 0)
                        return r;
                /* plain: for the next daemon, when this one is dead */
                client->lanes[i].entry->record->attached_boot_ns = client->attached_boot_ns;
        }
        return 0;
}

/* Pages and lanes for a peer that was charged for them. */
static int build(struct attach *attach, struct client_shape *shape, const struct peer *peer,
                 int socket, uint64_t now_tick, struct client **ret,
                 struct attach_refusal *refusal) {
        const struct server_parts *parts = attach->parts;
        struct client *client;
        int r;

        /* relaxed: this thread alone counts; the number is in the journal for good */
        shape->id = atomic_fetch_add_explicit(&parts->ledger_segment->next_client, 1,
                                              memory_order_relaxed);
        r = client_new(&client, shape);
        if (r < 0) {
                attach_refuse(refusal, -r, RETRY_MS, "the daemon cannot make shared memory for a "
                              "client: %s", strerror(-r));
                return r;
        }
        client->socket = socket;
        client->pid = peer->pid;
        client->uid = peer->uid;
        memcpy(client->comm, peer->comm, sizeof(client->comm));
        client->attached_boot_ns = time_ns(CLOCK_BOOTTIME);
        client->attached_tick = now_tick;
        r = open_lanes(parts, client);
        if (r < 0) {
                close_lanes(parts, client);
                client_free(client);
                attach_refuse(refusal, r == -ENOSPC ? ENOSPC : -r, RETRY_MS,
                              "the ledger has no record left for %" PRIu32 " lanes: close idle "
                              "clients, or wait until the reservations of closed ones have run out",
                              shape->n_lanes);
                return r;
        }
        *ret = client;
        return 0;
}

static void count_in(struct attach *attach, const struct client *client, int sign) {
        struct statistics_inputs *inputs = attach->parts->inputs;

        /* relaxed: numbers to look at */
        atomic_fetch_add_explicit(&inputs->memory_bytes,
                                  sign * (int64_t)client->amounts.of[ACCOUNT_BYTES],
                                  memory_order_relaxed);
        attach->n_clients += (uint32_t)sign;
}

/* Asks for the first reservations and makes the client known. */
static int reserve(struct attach *attach, struct client *client, uint64_t now_tick,
                   struct attach_refusal *refusal) {
        int r = reserve_attach(attach->reserve, client, now_tick);

        if (r == -EDQUOT) {
                attach_refuse(refusal, EDQUOT, RETRY_MS, "%s", reserve_refusal(attach->reserve));
                return r;
        }
        if (r < 0 && r != -EAGAIN) {
                attach_refuse(refusal, -r, RETRY_MS,
                              r == -ENOSPC ? "%" PRIu32 " lanes more would leave less than half of "
                                             "the positions for bursts: close idle clients or "
                                             "raise workers.count"
                                           : "the daemon cannot reserve for %" PRIu32 " lanes; see "
                                             "its log",
                              client->n_lanes);
                return r;
        }
        count_in(attach, client, 1);
        cds_list_add_rcu(&client->link, attach->parts->clients);
        return r;
}

static int build_charged(struct attach *attach, struct account *account,
                         struct client_shape *shape, const struct peer *peer, int socket,
                         uint64_t now_tick, struct client **ret, struct attach_refusal *refusal) {
        struct client *client = NULL;
        int r = build(attach, shape, peer, socket, now_tick, &client, refusal);

        if (r < 0)
                return r;
        client->account = account;
        r = reserve(attach, client, now_tick, refusal);
        if (r < 0 && r != -EAGAIN) {
                close_lanes(attach->parts, client);
                client_free(client);
                return r;
        }
        *ret = client;
        return r;
}

int attach_new(struct attach *attach, int socket, const struct wire_hello *hello, uint64_t now_tick,
               struct client **ret, struct attach_refusal *ret_refusal) {
        const struct config *config = attach->parts->config;
        struct client_shape shape = shape_of(attach->parts, hello, now_tick);
        struct account *account;
        struct peer peer;
        struct account_amounts amounts;
        int r;

        if (attach->n_clients >= config->max_clients) {
                attach_refuse(ret_refusal, EDQUOT, RETRY_MS, "the daemon has all the clients it "
                              "may have (daemon.max_clients = %" PRIu32 "): close idle ones or "
                              "raise it in sfshmd.conf", config->max_clients);
                return -EDQUOT;
        }
        r = peer_identify(socket, &peer);
        if (r == 0) {
                peer_describe(socket, &peer);
                r = account_get(attach->accounts, peer.uid, peer.cgroup, &account);
        }
        if (r < 0) {
                attach_refuse(ret_refusal, -r, RETRY_MS, "the daemon cannot open an account: %s",
                              strerror(-r));
                return r;
        }
        amounts = client_shape_amounts(&shape);
        r = charge(account, &amounts, ret_refusal);
        if (r == 0) {
                r = build_charged(attach, account, &shape, &peer, socket, now_tick, ret,
                                  ret_refusal);
                if (r < 0 && r != -EAGAIN)
                        account_discharge(account, &amounts);
        }
        if (r < 0 && r != -EAGAIN)
                account_put(account);
        return r;
}

int attach_adopt(struct attach *attach, struct client *client, uint64_t now_tick) {
        struct peer peer;
        int r = peer_identify(client->socket, &peer);

        if (r < 0)
                return r;
        peer_describe(client->socket, &peer);
        r = account_get(attach->accounts, peer.uid, peer.cgroup, &client->account);
        if (r < 0)
                return r;
        client->pid = peer.pid;
        client->uid = peer.uid;
        memcpy(client->comm, peer.comm, sizeof(client->comm));
        account_restore(client->account, &client->amounts);
        r = reserve_adopt(attach->reserve, client, now_tick);
        if (r < 0) {
                account_discharge(client->account, &client->amounts);
                client->account = account_put(client->account);
                return r;
        }
        statistics_adopt(attach->parts->statistics, client);
        count_in(attach, client, 1);
        cds_list_add_rcu(&client->link, attach->parts->clients);
        return 0;
}

void attach_leave(struct attach *attach, struct client *client) {
        const struct server_parts *parts = attach->parts;

        reserve_detach(attach->reserve, client);
        statistics_retire(parts->statistics, client);
        cds_list_del_rcu(&client->link);
        count_in(attach, client, -1);
        account_discharge(client->account, &client->amounts);
        client->account = account_put(client->account);
        client->socket = -1;
        client_free_later(client);
}

void attach_end(struct attach *attach, struct client *client) {
        close_lanes(attach->parts, client);
        fdstore_forget(attach->fdstore, client);
        attach_leave(attach, client);
}

int attach_send_welcome(struct attach *attach, struct client *client, uint16_t version) {
        const struct segment *clock = attach->parts->clock;
        union wire_message message = { 0 };
        int fds[WIRE_WELCOME_FDS] = { -1, -1, -1 }, r = 0;

        fds[0] = segment_reopen_readonly(clock);
        fds[1] = segment_reopen_readonly(&client->grants);
        fds[2] = client->cursors.fd;
        if (fds[0] < 0 || fds[1] < 0)
                r = fds[0] < 0 ? fds[0] : fds[1];
        message.welcome = (struct wire_welcome){
                .header = wire_header_of(WIRE_WELCOME, version),
                .client = client->id,
                .boot_ns = time_ns(CLOCK_BOOTTIME),
                .clock_size = (uint32_t)clock->size,
                .grants_size = (uint32_t)client->grants.size,
                .cursors_size = (uint32_t)client->cursors.size,
                .lanes = client->n_lanes,
        };
        if (r == 0)
                r = packet_send(client->socket, &message, fds, WIRE_WELCOME_FDS);
        for (unsigned i = 0; i < 2; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        if (r < 0)
                return r;
        if (!fdstore_keep(attach->fdstore, client)) {
                /* the mapping is enough from here on: a descriptor less per client */
                close(client->grants.fd);
                client->grants.fd = -1;
        }
        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(&attach->parts->inputs->attaches, 1, memory_order_relaxed);
        log_event(LOG_LEVEL_DEBUG, "attach", "client %" PRIu64 ": pid %d (%s), uid %u, %" PRIu32
                  " lanes", client->id, (int)client->pid, client->comm, (unsigned)client->uid,
                  client->n_lanes);
        return 0;
}

int attach_send_refusal(struct attach *attach, int socket, const struct attach_refusal *refusal) {
        union wire_message message = { 0 };

        message.refused = (struct wire_refused){
                .header = wire_header_of(WIRE_REFUSED, WIRE_VERSION),
                .error = refusal->error,
                .retry_after_ms = refusal->retry_after_ms,
        };
        snprintf(message.refused.text, sizeof(message.refused.text), "%s", refusal->text);
        /* relaxed: a number to look at */
        atomic_fetch_add_explicit(&attach->parts->inputs->refusals, 1, memory_order_relaxed);
        return packet_send(socket, &message, NULL, 0);
}
