/* SPDX-License-Identifier: MIT */
#pragma once
/* Clients which take IDs all the time, and the comparison of all that they got. */
#include "tests/cluster/cluster.h"

/* What a client tells; shared memory. */
struct client_report {
        _Atomic unsigned errors;
        _Atomic int error; /* of the last call */
};

#define CLIENT_TIMEOUT_NS INT64_C(200000000)

void clients_prepare(struct cluster *c);
/* No ID twice, and no tick of a worker with IDs of two hosts. */
void clients_check(const struct cluster *c);
void clients_free(struct cluster *c);
