/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration as one checked struct. keys.h has the table of all keys, load.h
 * reads them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/clock/guard.h"
#include "shm/id.h"

/* Weights or caps: [weights] uid.1000=4, cgroup./x.slice=2 */
struct config_rules {
        struct config_rule {
                char *cgroup; /* NULL: a rule for `uid` */
                uid_t uid;
                uint64_t value;
        } *list;
        size_t n;
};

/* In the order of the manual page. Ranges and defaults are in the table of keys. */
struct config {
        /* [daemon] */
        char *socket;
        mode_t socket_mode;
        char *socket_group; /* "": the daemon's own */
        char *state_dir;
        char *shm; /* a POSIX name, or an absolute directory on a tmpfs */
        uint32_t max_clients;
        /* [id] */
        struct id_layout layout; /* id.layout, id.epoch, id.region_bits */
        uint32_t region;
        /* [workers] */
        char *backend;
        char *space; /* a name; IDs of two spaces may be equal */
        bool has_first; /* workers.first is set */
        uint32_t first; /* within the region */
        uint32_t count;
        uint32_t max_count;
        int64_t recycle_delay_ns;
        int64_t horizon_ns; /* at least standing_ns */
        /* [etcd]; "": none */
        char *etcd_endpoints; /* see addresses.h */
        char *etcd_prefix;
        int64_t etcd_ttl_ns;
        char *etcd_username;
        char *etcd_password_file;
        char *etcd_ca_file;
        char *etcd_cert_file;
        char *etcd_key_file;
        /* [zookeeper]; "": none */
        char *zookeeper_hosts; /* see addresses.h */
        char *zookeeper_prefix;
        int64_t zookeeper_ttl_ns;
        char *zookeeper_username;
        char *zookeeper_password_file;
        /* [clock] */
        struct guard_policy clock;
        /* [reserve] */
        int64_t standing_ns;
        int64_t elastic_ns;
        int64_t reach_back_ns;
        /* [limits], 0: none. They do not apply to root and the daemon's own user. */
        uint32_t uid_clients;
        uint32_t uid_lanes;
        uint64_t uid_bytes;
        uint32_t cgroup_clients; /* of a cgroup within a uid, like the two below */
        uint32_t cgroup_lanes;
        uint64_t cgroup_bytes;
        /* [weights], default 1; [caps] in IDs per second, default none */
        struct config_rules weights;
        struct config_rules caps;
};

/* workers.first in the whole worker field: region << (worker_bits - region_bits) | first. */
static inline uint32_t config_worker_first(const struct config *config) {
        unsigned shift = config->layout.worker_bits - config->layout.region_bits;

        /* in 64 bits: without region bits the shift can be 32 */
        return (uint32_t)((uint64_t)config->region << shift) | config->first;
}

/* The group that daemon.socket_group names; (gid_t)-1 when it names none. Logs its errors. */
int config_group(const struct config *config, gid_t *ret);
