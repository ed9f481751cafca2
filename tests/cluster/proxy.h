/* SPDX-License-Identifier: MIT */
#pragma once
/* A TCP proxy which delays answers and holds requests back. It ends with the test. */
#include <stdatomic.h>
#include <stdint.h>

#include "tests/cluster/net.h"

struct proxy {
        char what[32];         /* part of the requests which are meant; set at first */
        _Atomic int delay_ms;  /* of each answer */
        _Atomic int delay_all; /* or only of those to requests with `what` */
        _Atomic int hold;      /* requests with `what` wait while it is set */
        _Atomic int held;      /* how many waited so far */
        _Atomic int passed_on; /* how many of those went on */
};

/* Listens on 127.0.0.1:`port` of `where`. */
struct proxy *proxy_start(const struct net_host *where, uint16_t port, const char *to_address,
                          uint16_t to_port);
