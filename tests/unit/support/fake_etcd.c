/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/fake_etcd.h"

#include <criterion/criterion.h>

#include "tests/support/capture.h"

_Atomic int64_t fake_etcd_errors, fake_etcd_breakers;
struct fake_http *fake_etcd_server;
struct etcd_coordinator fake_etcd = { .prefix = "/sfshm" };
struct etcd_http_options fake_etcd_options = { .timeout_ns = LONG_NS, .username = "",
                                                 .password_file = "", .ca_file = "",
                                                 .cert_file = "", .key_file = "",
                                                 .errors = &fake_etcd_errors,
                                                 .breakers = &fake_etcd_breakers };

void fake_etcd_connect(const char *endpoints) {
        fake_etcd_options.endpoints = endpoints;
        fake_etcd.http = etcd_http_free(fake_etcd.http);
        cr_assert_eq(etcd_http_new(&fake_etcd.http, &fake_etcd_options), 0);
}

void fake_etcd_begin(void) {
        capture_begin();
        fake_etcd_server = fake_http_new();
        fake_etcd_connect(fake_http_url(fake_etcd_server));
}

void fake_etcd_end(void) {
        fake_etcd.http = etcd_http_free(fake_etcd.http);
        fake_etcd_server = fake_http_free(fake_etcd_server);
}

int fake_etcd_list(void) {
        struct coordinator_list list = { .n = 99 };
        int r = etcd_calls.list(&fake_etcd, "contract", &list);

        if (r == 0)
                coordinator_list_clear(&list);
        else
                cr_assert_eq(list.n, 99, "touched by a failure");
        return r;
}
