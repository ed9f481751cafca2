/* SPDX-License-Identifier: MIT */
#include "daemon/server/clients.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ledger/gone.h"
#include "daemon/ledger/history.h"
#include "daemon/ledger/withdraw.h"
#include "daemon/server/message.h"
#include "daemon/util/time.h"
#include "shm/clock.h"
#include "shm/probe.h"

#define RETRY_MS 1000u

void clients_refuse(struct wire_refused *ret, int error, uint32_t retry_after_ms,
                    const char *format, ...) {
        va_list arguments;

        *ret = (struct wire_refused){
                .header = wire_header_of(WIRE_REFUSED, WIRE_VERSION),
                .error = error,
                .retry_after_ms = retry_after_ms,
        };
        va_start(arguments, format);
        vsnprintf(ret->text, sizeof(ret->text), format, arguments);
        va_end(arguments);
}

/* ---- charges */

/* Lanes of the peer's uid and cgroup whose clients are gone. What was withdrawn ends by itself
 * in two ticks, and is not waited for. */
static struct account_gone clients_gone(struct clients *clients, const struct peer *peer,
                                        const struct account *account) {
        const struct ledger_owner owner = { .uid = peer->uid, .pid = (uint32_t)peer->pid,
                                            .cgroup = account_cgroup_number(account) };
        struct ledger_gone gone =
                ledger_gone(clients->ledger, owner, ledger_withdrawn_by(clients->ledger));

        return (struct account_gone){ .uid_lanes = gone.uid.lanes,
                                      .cgroup_lanes = gone.cgroup.lanes };
}

/* The account of the peer, charged. */
static int clients_charge(struct clients *clients, int socket, struct peer *peer,
                          const struct account_amounts *amounts, struct account **ret,
                          struct wire_refused *ret_refusal) {
        char cgroup[PATH_MAX];
        struct account *account;
        const char *what;
        int r;

        peer_describe(socket, peer, cgroup);
        r = account_get(clients->accounts, peer->uid, cgroup, &account);
        if (r < 0) {
                clients_refuse(ret_refusal, -r, RETRY_MS, "the daemon cannot open an account: %s",
                               strerror(-r));
                return CLIENTS_E_REFUSED;
        }
        r = account_charge(account, amounts, clients_gone(clients, peer, account), &what);
        if (r < 0) {
                clients_refuse(ret_refusal, -r, RETRY_MS, "the limit on %s is reached: close idle "
                               "clients or raise it in sfshmd.conf", what);
                account_put(account);
                return CLIENTS_E_REFUSED;
        }
        *ret = account;
        return 0;
}

static void clients_discharge(struct account *account, const struct account_amounts *amounts) {
        account_discharge(account, amounts);
        account_put(account);
}

/* ---- pages and lanes */

static struct client_shape clients_shape(const struct clients *clients, uint32_t n_lanes,
                                         uint64_t now_tick) {
        const struct clock_segment *clock = clients->clock->map;
        uint32_t max_count = clients->config->max_count;

        return (struct client_shape){
                /* relaxed: no other daemon writes it while this one lives */
                .generation = atomic_load_explicit(&clock->generation, memory_order_relaxed),
                .base_tick = now_tick > 0 ? now_tick - 1 : 0,
                .n_lanes = n_lanes,
                .worker_first = lease_granted(clients->lease)->worker_first,
                /* for all worker IDs to which the run may grow */
                .worker_counters = max_count < WORKER_COUNTERS_MAX ? max_count
                                                                   : WORKER_COUNTERS_MAX,
        };
}

static void clients_close_lanes(const struct clients *clients, struct client *client) {
        for (uint32_t i = 0; i < client->n_lanes; i++)
                if (client->lanes[i].entry != NULL)
                        client->lanes[i].entry =
                                ledger_close_lane(clients->ledger, client->lanes[i].entry);
}

static int clients_open_lanes(const struct clients *clients, struct client *client) {
        struct grants_page *page = client_grants(client);

        for (uint32_t i = 0; i < client->n_lanes; i++) {
                int r = ledger_open_lane(clients->ledger, client->id, i, client->uid,
                                         (uint32_t)client->pid, page->slots[i],
                                         &client->lanes[i].entry);
                if (r < 0)
                        return r;
                /* plain store: for the next daemon, when this one is dead */
                client->lanes[i].entry->record->attached_boot_ns = client->attached_boot_ns;
                client->lanes[i].entry->record->cgroup = account_cgroup_number(client->account);
        }
        return 0;
}

static void clients_identify(struct client *client, const struct peer *peer) {
        client->pid = peer->pid;
        client->uid = peer->uid;
        client->start_unix_ms = peer->start_unix_ms;
        memcpy(client->comm, peer->comm, sizeof(client->comm));
}

static int clients_build(struct clients *clients, struct client_shape *shape, int socket,
                         const struct peer *peer, struct account *account, struct client **ret,
                         struct wire_refused *ret_refusal) {
        struct client *client;
        uint32_t records, gone;
        int r;

        shape->id = ledger_number_client(clients->ledger);
        r = client_new(&client, shape);
        if (r < 0) {
                clients_refuse(ret_refusal, -r, RETRY_MS, "the daemon cannot make shared memory "
                               "for a client: %s", strerror(-r));
                return CLIENTS_E_REFUSED;
        }
        client->socket = socket;
        client->account = account;
        clients_identify(client, peer);
        client->attached_boot_ns = time_ns(CLOCK_BOOTTIME);
        *ret = client;
        r = clients_open_lanes(clients, client);
        if (r == 0)
                return 0;
        records = ledger_records(clients->ledger, &gone);
        clients_refuse(ret_refusal, -r, RETRY_MS, "the ledger has no records left for %" PRIu32
                       " lanes: of %" PRIu32 ", %" PRIu32 " are of clients that are gone, and "
                       "are free when their reservations have run out; close idle clients",
                       shape->n_lanes, records, gone);
        return CLIENTS_E_REFUSED;
}

/* Pages and lanes of a client that is in no list; NULL allowed. */
static void clients_discard(struct clients *clients, struct client *client) {
        if (client != NULL)
                clients_close_lanes(clients, client);
        client_free(client);
}

/* ---- coming */

/* The first reservations. */
static int clients_reserve(struct clients *clients, struct client *client, uint64_t now_tick,
                           struct wire_refused *ret_refusal) {
        int r = reserve_attach(clients->reserve, client, now_tick);

        if (r == 0)
                return 0;
        if (r == -EAGAIN)
                return CLIENTS_E_WAITING;
        if (r == -EDQUOT)
                clients_refuse(ret_refusal, EDQUOT, RETRY_MS, "%s",
                               reserve_refusal(clients->reserve));
        else if (r == -ENOSPC)
                clients_refuse(ret_refusal, ENOSPC, RETRY_MS, "%" PRIu32 " lanes more would leave "
                               "less than half of the positions for bursts: close idle clients or "
                               "raise workers.count", client->n_lanes);
        else
                clients_refuse(ret_refusal, -r, RETRY_MS, "the daemon cannot reserve for %" PRIu32
                               " lanes; see its log", client->n_lanes);
        return CLIENTS_E_REFUSED;
}

void clients_tell(const struct clients *clients, const struct client *client) {
        history_client(clients->history, &(struct history_client){
                .client = client->id, .pid = (uint32_t)client->pid, .uid = client->uid,
                .start_unix_ms = client->start_unix_ms, .comm = client->comm,
                .cgroup = account_cgroup(client->account) });
}

/* Before WELCOME, so before it makes IDs. */
static void clients_list(struct clients *clients, struct client *client) {
        clients->n++;
        clients->totals.bytes += client->amounts.of[ACCOUNT_BYTES];
        clients->changed = true;
        cds_list_add_rcu(&client->link, &clients->list);
        clients_tell(clients, client);
}

int clients_attach(struct clients *clients, int socket, struct peer *peer, uint32_t n_lanes,
                   uint64_t now_tick, struct client **ret, struct wire_refused *ret_refusal) {
        struct client_shape shape = clients_shape(clients, n_lanes, now_tick);
        struct account_amounts amounts = client_shape_amounts(&shape);
        struct client *client = NULL;
        struct account *account;
        int r;

        if (clients->n >= clients->config->max_clients) {
                clients_refuse(ret_refusal, EDQUOT, RETRY_MS, "the daemon has all the clients it "
                               "may have (daemon.max_clients = %" PRIu32 "): close idle ones or "
                               "raise it in sfshmd.conf", clients->config->max_clients);
                return CLIENTS_E_REFUSED;
        }
        r = clients_charge(clients, socket, peer, &amounts, &account, ret_refusal);
        if (r != 0)
                return r;
        r = clients_build(clients, &shape, socket, peer, account, &client, ret_refusal);
        if (r == 0) {
                client->attached_tick = now_tick;
                r = clients_reserve(clients, client, now_tick, ret_refusal);
        }
        if (r == CLIENTS_E_REFUSED) {
                clients_discard(clients, client);
                clients_discharge(account, &amounts);
                return r;
        }
        clients_list(clients, client);
        *ret = client;
        return r;
}

static int clients_adopt_lanes(const struct clients *clients, struct client *client) {
        struct grants_page *page = client_grants(client);
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < client->n_lanes; i++)
                r = ledger_adopt_lane(clients->ledger, client->id, i, page->slots[i],
                                      &client->lanes[i].entry);
        return r;
}

int clients_adopt(struct clients *clients, struct client *client, struct peer *peer,
                  uint64_t now_tick) {
        char cgroup[PATH_MAX];
        int r = clients_adopt_lanes(clients, client);

        if (r == 0) {
                peer_describe(client->socket, peer, cgroup);
                r = account_get(clients->accounts, peer->uid, cgroup, &client->account);
        }
        if (r == 0) {
                clients_identify(client, peer);
                account_restore(client->account, &client->amounts);
                r = reserve_adopt(clients->reserve, client, now_tick);
                if (r < 0)
                        clients_discharge(client->account, &client->amounts);
        }
        if (r < 0) {
                clients_close_lanes(clients, client);
                return r;
        }
        statistics_adopt(clients->statistics, client);
        clients_list(clients, client);
        return 0;
}

/* ---- staying */

/* After WELCOME, a mapping of the grants page is enough: a descriptor less for each
 * client, unless the client will be stored. */
static void clients_keep(struct clients *clients, struct client *client) {
        if (!fdstore_keep(clients->fdstore, client)) {
                close(client->grants.fd);
                client->grants.fd = -1;
        }
        clients->totals.attaches++;
}

int clients_welcome(struct clients *clients, struct client *client, uint16_t version) {
        int fds[WIRE_WELCOME_FDS] = { segment_reopen_readonly(clients->clock),
                                      segment_reopen_readonly(&client->grants),
                                      client->cursors.fd };
        int r = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
        union wire_message message = { .welcome = {
                .header = wire_header_of(WIRE_WELCOME, version),
                .client = client->id,
                .boot_ns = time_ns(CLOCK_BOOTTIME),
                .clock_size = (uint32_t)clients->clock->size,
                .grants_size = (uint32_t)client->grants.size,
                .cursors_size = (uint32_t)client->cursors.size,
                .lanes = client->n_lanes,
        } };

        if (r == 0)
                r = message_send(client->socket, &message, fds, WIRE_WELCOME_FDS);
        for (unsigned i = 0; i < 2; i++)
                if (fds[i] >= 0)
                        close(fds[i]);
        if (r == 0)
                clients_keep(clients, client);
        PROBE4(attach, client->id, client->pid, client->uid, r);
        return r;
}

void clients_want(struct clients *clients, struct client *client, uint32_t lane, uint32_t count,
                  uint64_t now_tick) {
        reserve_want(clients->reserve, client, lane, count, now_tick);
        clients->changed = true;
}

/* ---- leaving */

void clients_leave(struct clients *clients, struct client *client) {
        PROBE2(leave, client->id, client->pid);
        reserve_detach(clients->reserve, client);
        statistics_retire(clients->statistics, client);
        cds_list_del_rcu(&client->link);
        clients->n--;
        clients->totals.bytes -= client->amounts.of[ACCOUNT_BYTES];
        clients->changed = true;
        clients_discharge(client->account, &client->amounts);
        client->account = NULL;
        client->socket = -1;
        client_free_later(client);
}

void clients_abandon(struct clients *clients, struct client *client) {
        clients_close_lanes(clients, client);
        fdstore_forget(clients->fdstore, client);
        clients_leave(clients, client);
}

void clients_end(struct clients *clients, struct client *client) {
        reserve_withdraw(clients->reserve, client);
        /* Relatives may have kept the mapping, and sleep on it. The socket was closed before:
         * they find the connection dead, and attach anew instead of waiting for a grant. */
        client_wake(client);
        clients_abandon(clients, client);
}
