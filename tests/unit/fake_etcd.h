/* SPDX-License-Identifier: MIT */
#pragma once
/* etcd's client against a server of the test's that says what it is told to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/calls.h"
#include "tests/support/fake_http.h"
#include "tests/unit/capture.h"

#define HEADER "\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"}"
#define LONG_NS INT64_C(60000000000) /* no speed fails a test */

static _Atomic int64_t fake_errors, fake_breakers;
static struct fake_http *fake;
static struct etcd_coordinator fake_etcd = { .prefix = "/sfshm" };
static struct etcd_http_options fake_options = { .timeout_ns = LONG_NS, .username = "",
                                                 .password_file = "", .ca_file = "",
                                                 .cert_file = "", .key_file = "",
                                                 .errors = &fake_errors,
                                                 .breakers = &fake_breakers };

static inline void fake_etcd_connect(const char *endpoints) {
        fake_options.endpoints = endpoints;
        fake_etcd.http = etcd_http_free(fake_etcd.http);
        cr_assert_eq(etcd_http_new(&fake_etcd.http, &fake_options), 0);
}

static inline void fake_etcd_begin(void) {
        capture_begin();
        fake = fake_http_new();
        fake_etcd_connect(fake_http_url(fake));
}

static inline void fake_etcd_end(void) {
        fake_etcd.http = etcd_http_free(fake_etcd.http);
        fake = fake_http_free(fake);
}

/* One call of kv/range: what it returns. */
static inline int fake_etcd_list(void) {
        struct coordinator_list list = { .n = 99 };
        int r = etcd_calls.list(&fake_etcd, "contract", &list);

        if (r == 0)
                coordinator_list_clear(&list);
        else
                cr_assert_eq(list.n, 99, "touched by a failure");
        return r;
}
