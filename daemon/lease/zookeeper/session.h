/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A session with ZooKeeper. One thread at a time. Requests of one session, see request.h,
 * are carried out in the order in which they were sent.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lease/zookeeper/handle.h"

/* The strings outlive it. Does not connect yet. Logs its errors. */
int zookeeper_session_new(struct zookeeper_session **ret, const struct zookeeper_options *options);
/* Ends the session if a server can be reached within some seconds. */
struct zookeeper_session *zookeeper_session_free(struct zookeeper_session *session);

/*
 * Makes sure of a connection, with its user: connects, or waits for the connection to come
 * back, until the deadline (CLOCK_MONOTONIC). 0, -ETIMEDOUT, -EIO, -EACCES. A session which
 * has ended is replaced by another, which has not been begun.
 */
int zookeeper_session_ready(struct zookeeper_session *session, int64_t deadline_ns);
/* The next one that is ready counts as begun once `begun` is set. Ends one that was begun
 * already. */
void zookeeper_session_renew(struct zookeeper_session *session);
