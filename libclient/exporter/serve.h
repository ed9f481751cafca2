/* SPDX-License-Identifier: MIT */
#pragma once
/* The loop of the exporter: one thread for all HTTP clients. */
#include "libclient/exporter/listen.h"
#include "libclient/observe/take.h"

/* Before there are sockets: SIGTERM and SIGINT wait until serve() takes them. */
void serve_hold_signals(void);

/* Until SIGTERM or SIGINT. Returns the exit status; says on stderr what failed. */
int serve(const struct listen *listen, const struct take_target *target);
