/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/calls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/request.h"
#include "daemon/lease/zookeeper/session.h"
#include "daemon/util/log.h"

#define TIMEOUTS_IN_TTL 6 /* a renewal is two calls, and may be tried twice */

/* Hosts without a user cannot read what a host with a user writes, so none of them could
 * claim any more. (What another user wrote we cannot read.) */
static int check_access(const struct zookeeper_coordinator *zookeeper, int64_t deadline_ns) {
        struct zookeeper_request *request;
        char *path;
        int r;

        if (!zookeeper_handle_has_user(zookeeper->session))
                return 0;
        path = zookeeper_path(zookeeper->prefix, "contract");
        if (path == NULL)
                return -ENOMEM;
        request = zookeeper_request_read(zookeeper->session, ZOOKEEPER_ACL, path);
        r = zookeeper_request_wait(request, deadline_ns);
        if (r == 0 && request->code != ZNONODE)
                r = zookeeper_handle_refused(zookeeper->session, request->code, path);
        if (r == 0 && request->open)
                r = zookeeper_handle_refuse(zookeeper->session, path, "it is open to everybody",
                                            ": the hosts of this prefix have no user, and could "
                                            "not read the keys of this one; leave out "
                                            "zookeeper.username here, or give another "
                                            "zookeeper.prefix to hosts with a user");
        zookeeper_request_free(request);
        free(path);
        return r;
}

/* The servers hear of the session after `sync` was sent, and count its time from then. */
static int sync_session(struct zookeeper_coordinator *zookeeper, int64_t deadline_ns,
                        int64_t *ret_ttl_ns) {
        struct zookeeper_request *request =
                zookeeper_request_read(zookeeper->session, ZOOKEEPER_SYNC, zookeeper->prefix);
        int r = zookeeper_request_wait(request, deadline_ns);

        if (r == 0)
                r = zookeeper_handle_refused(zookeeper->session, request->code, zookeeper->prefix);
        if (r == 0)
                *ret_ttl_ns = zookeeper->session->ttl_ns;
        zookeeper_request_free(request);
        return r;
}

/* The session in which an earlier list was read is as good as a new one if nothing was
 * written in it: the sync proves that it is alive. */
static int zookeeper_session_begin_new(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct zookeeper_coordinator *zookeeper = coordinator;
        int64_t deadline_ns = zookeeper_handle_deadline_ns(zookeeper);
        int r;

        (void)ttl_ns; /* the session's options have it */
        zookeeper_session_renew(zookeeper->session);
        r = zookeeper_session_ready(zookeeper->session, deadline_ns);
        if (r == 0)
                r = check_access(zookeeper, deadline_ns);
        if (r == 0)
                r = sync_session(zookeeper, deadline_ns, ret_ttl_ns);
        if (r == 0)
                zookeeper->session->begun = true;
        return r == -ESTALE ? -EIO : r;
}

static int zookeeper_session_keep(void *coordinator, int64_t *ret_ttl_ns) {
        struct zookeeper_coordinator *zookeeper = coordinator;
        int64_t deadline_ns = zookeeper_handle_deadline_ns(zookeeper);
        int r = -ESTALE;

        if (zookeeper->session->begun)
                r = zookeeper_session_ready(zookeeper->session, deadline_ns);
        if (!zookeeper->session->begun)
                return -ESTALE;
        return r < 0 ? r : sync_session(zookeeper, deadline_ns, ret_ttl_ns);
}

static int zookeeper_session_end(void *coordinator) {
        zookeeper_session_renew(((struct zookeeper_coordinator *)coordinator)->session);
        return 0;
}

const struct coordinator_calls zookeeper_calls = {
        .list = zookeeper_list,
        .commit = zookeeper_commit,
        .session_begin = zookeeper_session_begin_new,
        .session_keep = zookeeper_session_keep,
        .session_end = zookeeper_session_end,
};

/* ---- the backend */

static int zookeeper_connect(const struct config *config, struct lease_counters *counters,
                             struct fleet_connection *ret) {
        const struct zookeeper_options options = {
                .hosts = config->zookeeper_hosts,
                .ttl_ns = config->zookeeper_ttl_ns,
                .username = config->zookeeper_username,
                .password_file = config->zookeeper_password_file,
                .errors = &counters->coordinator_errors,
        };
        struct zookeeper_coordinator *zookeeper = calloc(1, sizeof(*zookeeper));

        ret->calls = &zookeeper_calls;
        ret->coordinator = zookeeper;
        ret->ttl_ns = config->zookeeper_ttl_ns;
        if (asprintf(&ret->place, "zookeeper %s%s", config->zookeeper_hosts,
                     config->zookeeper_prefix) < 0)
                ret->place = NULL; /* undefined after a failure */
        if (zookeeper == NULL || ret->place == NULL)
                return log_failure(ENOMEM, EVENT_ZOOKEEPER, "no memory for the zookeeper backend");
        zookeeper->prefix = config->zookeeper_prefix;
        zookeeper->timeout_ns = config->zookeeper_ttl_ns / TIMEOUTS_IN_TTL;
        return zookeeper_session_new(&zookeeper->session, &options);
}

static void zookeeper_disconnect(struct fleet_connection *connection) {
        struct zookeeper_coordinator *zookeeper = connection->coordinator;

        if (zookeeper != NULL)
                zookeeper_session_free(zookeeper->session);
        free(zookeeper);
        free(connection->place);
}

static void zookeeper_refresh(struct fleet_connection *connection) {
        ((struct zookeeper_coordinator *)connection->coordinator)->session->doubt = true;
}

static void zookeeper_hurry(struct fleet_connection *connection, int64_t until_ns) {
        ((struct zookeeper_coordinator *)connection->coordinator)->until_ns = until_ns;
}

const struct fleet_kind fleet_kind_zookeeper = {
        .name = "zookeeper",
        .claim_event = &EVENT_ZOOKEEPER_CLAIM,
        .access_event = &EVENT_ZOOKEEPER_ACCESS,
        .access_remedy = "correct zookeeper.username and zookeeper.password_file, or the ACL of "
                         "its nodes (zkCli: getAcl)",
        .remedy = "check ZooKeeper and the network to it; sfshmd retries by itself",
        .connect = zookeeper_connect,
        .disconnect = zookeeper_disconnect,
        .refresh = zookeeper_refresh,
        .hurry = zookeeper_hurry,
};
