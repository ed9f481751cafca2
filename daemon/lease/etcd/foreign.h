/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What answers in the place of etcd's gateway, or does not answer: a proxy, another program,
 * an etcd without its gateway, TLS where there is none. Pure.
 */
#include <curl/curl.h>
#include <stdbool.h>

#define ETCD_MESSAGE 640u

struct etcd_answer {
        long status;          /* of HTTP */
        const char *text;     /* the body, NUL-terminated */
        const char *type;     /* Content-Type; "": none */
        const char *redirect; /* where it points to; "": nowhere */
};

/* -EACCES: a login is wanted; else -EIO. `message` says what answers, and what to do.
 * `object`: it is a JSON object. */
int etcd_foreign_explain(const struct etcd_answer *answer, bool object,
                         char message[ETCD_MESSAGE]);

/* What the operator can do about a connection that failed, for the end of a message: with
 * a ':' first where nothing else can help; "": check etcd. `tls`: TLS was tried. */
const char *etcd_foreign_remedy(CURLcode code, bool tls, bool has_certificate);
