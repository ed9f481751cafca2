/* SPDX-License-Identifier: MIT */
#pragma once
/* A daemon under a service manager, and what its clients hold. */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/handle.h"
#include "tests/support/private_daemon.h"
#include "tests/support/service_manager.h"

#define FDS_OF_A_CLIENT 3u
#define LIMIT_MS 60000

extern struct fdstore_world {
        struct private_daemon daemon;
        struct service_manager manager;
} fdstore;

void fdstore_begin(void);
void fdstore_end(void);
/* The end of the shortest standing reservation of all lanes. */
uint64_t fdstore_promised(const sfshm *s);
void fdstore_expect_extended(const sfshm *s, uint64_t beyond);
uint64_t fdstore_client(const sfshm *s);
/* It never attached anew, and has no reason to. */
bool fdstore_goes_on(const sfshm *s);
/* What sfshm-stat shows of a client, or of the host for client 0; UINT64_MAX: no
 * such thing. */
uint64_t fdstore_shown(uint64_t client, const char *key);
