/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an answer of etcd's gateway means. It is one only with HTTP status 200, an
 * object, no error in it and etcd's own header: whatever else listens at that
 * address must not pass for a cluster without keys. Pure.
 */
#include <jansson.h>

#define ETCD_MESSAGE 256u

/* 0 and the object. -EACCES: not let in; -ECANCELED: the token is not good any more;
 * -EIO: anything else; and what happened, with what to do where that is known. */
int etcd_answer_judge(long status, const char *text, json_t **ret, char message[ETCD_MESSAGE]);

/* etcd's ID of the cluster that answers; NULL: there is none. */
const char *etcd_answer_cluster(const json_t *answer);
