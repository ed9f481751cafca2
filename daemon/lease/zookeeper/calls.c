/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/calls.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/lease/zookeeper/commit.h"
#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/list.h"
#include "daemon/lease/zookeeper/request.h"
#include "daemon/lease/zookeeper/session.h"
#include "daemon/util/log.h"

/* Hosts without a user cannot read what a host with a user writes, so none of them could
 * claim any more. (What another user wrote we cannot read.) */
static int check_access(const struct zookeeper_coordinator *zookeeper, int64_t deadline_ns) {
        struct zookeeper_request *request;
        char *path;
        int r;

        if (!zookeeper_handle_has_user(zookeeper->session))
                return 0;
        path = zookeeper_handle_path(zookeeper, "contract");
        if (path == NULL)
                return -ENOMEM;
        request = zookeeper_request_acl(zookeeper->session, path);
        r = zookeeper_request_wait(request, deadline_ns);
        if (r == 0 && request->code != ZNONODE)
                r = zookeeper_handle_refused(request->code, path);
        if (r == 0 && request->open)
                r = log_failure(EACCES, "zookeeper-refused", "ZooKeeper's node %s is open to "
                                "everybody: the hosts of this prefix have no user, and could not "
                                "read the keys of this one; leave out zookeeper.username here, or "
                                "give another zookeeper.prefix to hosts with a user", path);
        zookeeper_request_free(request);
        free(path);
        return r;
}

/* The session in which an earlier list was read is as good as a new one if nothing was
 * written in it: the sync proves that it is alive. */
static int zookeeper_session_begin_new(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct zookeeper_coordinator *zookeeper = coordinator;
        int64_t deadline_ns = zookeeper_handle_deadline_ns(zookeeper);
        struct zookeeper_request *request;
        int r;

        (void)ttl_ns; /* the session's options have it */
        zookeeper_session_renew(zookeeper->session);
        r = zookeeper_session_ready(zookeeper->session, deadline_ns);
        if (r == 0)
                r = check_access(zookeeper, deadline_ns);
        if (r < 0)
                return r == -ESTALE ? -EIO : r;
        request = zookeeper_request_sync(zookeeper->session, zookeeper->prefix);
        r = zookeeper_request_wait(request, deadline_ns);
        if (r == 0)
                r = zookeeper_handle_refused(request->code, zookeeper->prefix);
        if (r == 0) {
                zookeeper_session_begun(zookeeper->session);
                *ret_ttl_ns = zookeeper_session_ttl_ns(zookeeper->session);
        }
        zookeeper_request_free(request);
        return r == -ESTALE ? -EIO : r;
}

/* The servers hear of the session after `sync` was sent, and count its time from then. */
static int zookeeper_session_keep(void *coordinator, int64_t *ret_ttl_ns) {
        struct zookeeper_coordinator *zookeeper = coordinator;
        int64_t deadline_ns = zookeeper_handle_deadline_ns(zookeeper);
        struct zookeeper_request *request;
        int r;

        if (!zookeeper_session_is_begun(zookeeper->session))
                return -ESTALE;
        r = zookeeper_session_ready(zookeeper->session, deadline_ns);
        if (!zookeeper_session_is_begun(zookeeper->session))
                return -ESTALE;
        if (r < 0)
                return r;
        request = zookeeper_request_sync(zookeeper->session, zookeeper->prefix);
        r = zookeeper_request_wait(request, deadline_ns);
        if (r == 0)
                r = zookeeper_handle_refused(request->code, zookeeper->prefix);
        if (r == 0)
                *ret_ttl_ns = zookeeper_session_ttl_ns(zookeeper->session);
        zookeeper_request_free(request);
        return r;
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
