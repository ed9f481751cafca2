/* SPDX-License-Identifier: MIT */
#pragma once
/* etcd as a coordinator: coordinator.h over its JSON gateway; and the backend `etcd`. */
#include "daemon/lease/etcd/http.h"
#include "daemon/lease/fleet/backend.h"

struct etcd_coordinator {
        struct etcd_http *http;
        const char *prefix; /* "/sfshm" */
        int64_t lease;      /* etcd's ID of the session; 0: none */
        char cluster[24];   /* etcd's ID of it; the rest is of this one */
        unsigned clusters;  /* how many there were */
        int64_t revision;   /* etcd's, at the last answer */
};

/* Of a struct etcd_coordinator. */
extern const struct coordinator_calls etcd_calls;
extern const struct fleet_kind fleet_kind_etcd;
