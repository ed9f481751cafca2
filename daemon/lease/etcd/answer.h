/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an answer of etcd's gateway means, or a connection that failed. An answer counts
 * only with HTTP status 200, an object without an error, and etcd's own header: another
 * service at that address must not pass for a cluster without keys. Pure.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>

#define ETCD_MESSAGE 256u

/* 0 and the object. -EACCES: access denied; -ECANCELED: the token is no longer valid;
 * -EIO: anything else. `message` says what happened, and what to do where that is known. */
int etcd_answer_judge(long status, const char *text, json_t **ret, char message[ETCD_MESSAGE]);

/* etcd's ID of the cluster that answers; NULL: there is none. */
const char *etcd_answer_cluster(const json_t *answer);

/* What the operator can do about a connection that failed, for the end of a message: with
 * a ':' first where nothing else can help; "": check etcd. `tls`: TLS was tried. */
const char *etcd_answer_remedy(CURLcode code, bool tls, bool has_certificate);
