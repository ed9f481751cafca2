/* SPDX-License-Identifier: MIT */
#pragma once
/* A private daemon whose coordinator is etcd. */
#include <stdint.h>

#include "tests/support/etcd_nodes.h"
#include "tests/support/private_daemon.h"

void etcd_daemon_prepare(struct private_daemon *d, const char *endpoints);
unsigned etcd_daemon_worker(uint64_t id);
/* Until each host has written its record so many times more. */
void wait_for_renewals(const struct etcd_nodes *e, unsigned long more);
