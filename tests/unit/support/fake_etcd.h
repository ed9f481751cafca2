/* SPDX-License-Identifier: MIT */
#pragma once
/* The client of etcd against a server of the test's that answers what it is told to. */
#include <stdatomic.h>
#include <stdint.h>

#include "daemon/lease/etcd/calls.h"
#include "tests/support/fake_http.h"

#define HEADER "\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"}"
#define LONG_NS INT64_C(60000000000) /* no speed fails a test */

extern _Atomic int64_t fake_etcd_errors, fake_etcd_breakers;
extern struct fake_http *fake_etcd_server;
extern struct etcd_coordinator fake_etcd;
extern struct etcd_http_options fake_etcd_options;

void fake_etcd_begin(void);
void fake_etcd_connect(const char *endpoints);
void fake_etcd_end(void);
/* The result of one call of kv/range. */
int fake_etcd_list(void);
