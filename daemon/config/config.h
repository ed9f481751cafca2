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

/* A weight or cap of a uid or cgroup: [weights] uid.1000=4, cgroup./x.slice=2 */
struct config_rule {
        bool is_uid;
        uid_t uid;
        char *cgroup; /* NULL for a uid */
        uint64_t value;
};

struct config {
        /* [daemon] */
        char *socket;          /* /run/sfshm/sfshm.sock */
        mode_t socket_mode;    /* 0666 */
        char *socket_group;    /* "": the daemon's own */
        char *state_dir;       /* /var/lib/sfshm */
        char *shm;             /* "/sfshm" (a POSIX name), or an absolute directory on a tmpfs */
        char *metrics_listen;  /* "off" (the only value yet) */
        uint32_t max_clients;  /* 4096 */
        /* [id] */
        struct id_layout layout; /* id.layout, id.epoch, id.region_bits */
        uint32_t region;
        /* [workers] */
        char *backend;          /* "local", "etcd" or "zookeeper" */
        bool has_first;
        uint32_t first;         /* within the region; no default */
        uint32_t count;         /* 1 */
        uint32_t max_count;     /* = count when not given */
        int64_t recycle_delay_ns; /* 10min */
        int64_t horizon_ns;     /* 10min; at least reserve.standing */
        /* [etcd] */
        char *etcd_endpoints;   /* "http://127.0.0.1:2379", separated by blanks or commas */
        char *etcd_prefix;      /* "/sfshm" */
        int64_t etcd_ttl_ns;    /* 30s; 6s..10min */
        char *etcd_username;    /* "", as all below: none */
        char *etcd_password_file;
        char *etcd_ca_file;
        char *etcd_cert_file;
        char *etcd_key_file;
        /* [zookeeper] */
        char *zookeeper_hosts;  /* "127.0.0.1:2181", separated by blanks or commas */
        char *zookeeper_prefix; /* "/sfshm" */
        int64_t zookeeper_ttl_ns; /* 30s; 6s..10min */
        char *zookeeper_username; /* "", as the one below: none */
        char *zookeeper_password_file;
        /* [clock] */
        struct guard_policy clock; /* offset, 10s, 1min, 10ms, no */
        /* [reserve] */
        int64_t standing_ns;    /* 15s; 1s..10min */
        int64_t elastic_ns;     /* 200ms; 20ms..10s */
        int64_t reach_back_ns;  /* 0..1s */
        /* [limits] per uid and per cgroup; 0: none. root and the daemon's uid have none */
        uint32_t uid_clients;   /* 1024 */
        uint32_t uid_lanes;     /* 1024 */
        uint64_t uid_bytes;     /* 64 MiB of shared memory */
        uint32_t cgroup_clients; /* of a cgroup within a uid; 0, as the two below */
        uint32_t cgroup_lanes;
        uint64_t cgroup_bytes;
        /* [weights] 1..1000, default 1; [caps] IDs per second, default none */
        struct config_rule *weights;
        size_t n_weights;
        struct config_rule *caps;
        size_t n_caps;
};

/* Worker IDs of the whole field: region << (worker_bits - region_bits) | first. */
uint32_t config_worker_first(const struct config *config);
