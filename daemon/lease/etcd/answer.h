/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an answer of etcd's gateway means. It counts only with HTTP status 200, an object
 * without an error, and etcd's own header: another service at that address must not pass
 * for a cluster without keys. Pure.
 */
#include <jansson.h>

#include "daemon/lease/etcd/foreign.h"

/* 0 and the object. -EACCES: access denied; -ECANCELED: the token is no longer valid;
 * -EAGAIN: the revision or the etcd lease is gone, and nothing was done; -EIO: anything else.
 * `message` says what happened, and what to do. */
int etcd_answer_judge(const struct etcd_answer *answer, json_t **ret, char message[ETCD_MESSAGE]);

/* etcd's ID of the cluster that answers; NULL: there is none. */
const char *etcd_answer_cluster(const json_t *answer);
