/* SPDX-License-Identifier: MIT */
#include "daemon/config/keys.h"

#include <string.h>

#include "daemon/config/config.h"
#include "shm/wire.h"

#define AT(field) offsetof(struct config, field)
#define SECOND UINT64_C(1000000000)
#define MILLISECOND (SECOND / 1000)
#define MINUTE (60 * SECOND)
#define DAY (24 * 60 * MINUTE)
#define CAP_MAX UINT64_C(1000000000000)
#define SOCKET_PATH_MAX 107 /* sockaddr_un */
#define SHM_MAX (WIRE_STATUS_SHM - 1)

const struct config_key config_keys[] = {
        { "daemon.socket", KEY_PATH, AT(socket), 1, SOCKET_PATH_MAX, "/run/sfshm/sfshm.sock", false,
          KEY_RESTART, "Unix socket on which clients attach" },
        { "daemon.socket_mode", KEY_MODE, AT(socket_mode), 0, 0777, "0666", false, KEY_RESTART,
          "octal permissions of the socket, which decide who may attach" },
        { "daemon.socket_group", KEY_TEXT, AT(socket_group), 0, 64, "", false, KEY_RESTART,
          "group of the socket and of the statistics; empty: the daemon's own" },
        { "daemon.state_dir", KEY_PATH, AT(state_dir), 1, 3000, "/var/lib/sfshm", false,
          KEY_RESTART, "directory on a disk for what must survive a reboot" },
        { "daemon.shm", KEY_SHM, AT(shm), 1, SHM_MAX, "/sfshm", false, KEY_RESTART,
          "shared memory: a POSIX name, or an absolute directory on a tmpfs" },
        { "daemon.max_clients", KEY_U32, AT(max_clients), 1, 65536, "4096", false, KEY_RESTART,
          "highest number of clients attached at once" },
        { "id.epoch", KEY_EPOCH, AT(layout.epoch_unix_ms), 0, 0, "2025-01-01T00:00:00Z", false,
          KEY_RESTART, "time of tick 0; must be the same on all hosts and must never change" },
        { "id.layout", KEY_LAYOUT, AT(layout), 0, 0, "41/10/12", false, KEY_RESTART,
          "bits of tick, worker and sequence" },
        { "id.region_bits", KEY_U8, AT(layout.region_bits), 0, 32, "0", false, KEY_RESTART,
          "how many high bits of the worker field are the region" },
        { "id.region", KEY_U32, AT(region), 0, UINT32_MAX, "0", false, KEY_RESTART,
          "region of this host" },
        { "workers.backend", KEY_BACKEND, AT(backend), 1, 9, "local", false, KEY_RESTART,
          "what assigns worker IDs to this host" },
        { "workers.space", KEY_TEXT, AT(space), 0, 64, "", false, KEY_RESTART,
          "name of the ID space; daemons of one host with different names may use the same worker "
          "IDs" },
        { "workers.first", KEY_U32, AT(first), 0, UINT32_MAX, "none", true, KEY_RESTART,
          "first worker ID of this host, within its region; must differ between hosts" },
        { "workers.count", KEY_U32, AT(count), 1, UINT32_C(1) << 22, "1", false, KEY_RESTART,
          "worker IDs of this host: each gives 2^sequence IDs per millisecond" },
        { "workers.max_count", KEY_U32, AT(max_count), 1, UINT32_C(1) << 22, "workers.count", true,
          KEY_RESTART, "highest number of worker IDs to which the run may grow" },
        { "workers.recycle_delay", KEY_DURATION, AT(recycle_delay_ns), 0, 366 * DAY, "10min", false,
          KEY_LIVE, "how long a released worker ID rests" },
        { "workers.horizon", KEY_DURATION, AT(horizon_ns), SECOND, 366 * DAY, "10min", false,
          KEY_LIVE, "how far ahead of time the durable fence is kept" },
        { "etcd.endpoints", KEY_URLS, AT(etcd_endpoints), 1, 4000, "http://127.0.0.1:2379", false,
          KEY_RESTART, "URLs of the etcd cluster" },
        { "etcd.prefix", KEY_PREFIX, AT(etcd_prefix), 2, 200, "/sfshm", false, KEY_RESTART,
          "prefix of all keys; the same on all hosts" },
        { "etcd.ttl", KEY_DURATION, AT(etcd_ttl_ns), 6 * SECOND, 10 * MINUTE, "30s", false,
          KEY_RESTART, "how long a host that does not renew its lease counts as alive" },
        { "etcd.username", KEY_TEXT, AT(etcd_username), 0, 200, "", false, KEY_RESTART,
          "user name in etcd" },
        { "etcd.password_file", KEY_PATH, AT(etcd_password_file), 0, 3000, "", false, KEY_RESTART,
          "file with the password of that user" },
        { "etcd.ca_file", KEY_PATH, AT(etcd_ca_file), 0, 3000, "", false, KEY_RESTART,
          "file with the CA certificates that verify the certificate of etcd" },
        { "etcd.cert_file", KEY_PATH, AT(etcd_cert_file), 0, 3000, "", false, KEY_RESTART,
          "file with the client certificate of this host" },
        { "etcd.key_file", KEY_PATH, AT(etcd_key_file), 0, 3000, "", false, KEY_RESTART,
          "file with the private key of that certificate" },
        { "zookeeper.hosts", KEY_HOSTS, AT(zookeeper_hosts), 1, 4000, "127.0.0.1:2181", false,
          KEY_RESTART, "servers of the ZooKeeper ensemble" },
        { "zookeeper.prefix", KEY_PREFIX, AT(zookeeper_prefix), 2, 200, "/sfshm", false,
          KEY_RESTART, "znode below which all others are; the same on all hosts" },
        { "zookeeper.ttl", KEY_DURATION, AT(zookeeper_ttl_ns), 6 * SECOND, 10 * MINUTE, "30s",
          false, KEY_RESTART, "how long a host that does not renew its lease counts as alive" },
        { "zookeeper.username", KEY_USER, AT(zookeeper_username), 0, 200, "", false, KEY_RESTART,
          "user name in ZooKeeper; only this user can then read and change the znodes" },
        { "zookeeper.password_file", KEY_PATH, AT(zookeeper_password_file), 0, 3000, "", false,
          KEY_RESTART, "file with the password of that user" },
        { "clock.on_rollback", KEY_ROLLBACK, AT(clock.on_rollback), 0, GUARD_FAIL, "offset",
          false, KEY_LIVE, "what happens when the wall clock is behind" },
        { "clock.max_offset", KEY_DURATION, AT(clock.max_offset_ns), 0, 60 * MINUTE, "10s", false,
          KEY_LIVE, "how far IDs may run ahead of the wall clock before they wait" },
        { "clock.max_forward_step", KEY_DURATION, AT(clock.max_forward_step_ns), MILLISECOND, DAY,
          "1min", false, KEY_LIVE,
          "largest forward step of the wall clock that is followed; a larger one is held" },
        { "clock.max_slew", KEY_DURATION, AT(clock.max_slew_ns), MILLISECOND / 10,
          500 * MILLISECOND, "10ms", false, KEY_LIVE,
          "how much of a difference to the wall clock is slewed away each second" },
        { "clock.require_sync", KEY_YES_NO, AT(clock.require_sync), 0, 1, "no", false, KEY_LIVE,
          "whether IDs after a boot wait until the kernel's clock is synchronised" },
        { "reserve.standing", KEY_DURATION, AT(standing_ns), SECOND, 10 * MINUTE, "15s", false,
          KEY_LIVE, "how long an attached client can continue without the daemon" },
        { "reserve.elastic", KEY_DURATION, AT(elastic_ns), 20 * MILLISECOND, 10 * SECOND, "200ms",
          false, KEY_LIVE, "how far ahead reservations by demand reach" },
        { "reserve.reach_back", KEY_DURATION, AT(reach_back_ns), 0, SECOND, "0", false, KEY_RESTART,
          "how far in the past a batch wider than a tick may start" },
        { "limits.uid_clients", KEY_U32, AT(uid_clients), 0, UINT32_MAX, "1024", false, KEY_LIVE,
          "clients of a uid; 0: no limit" },
        { "limits.uid_lanes", KEY_U32, AT(uid_lanes), 0, UINT32_MAX, "1024", false, KEY_LIVE,
          "lanes of a uid; 0: no limit" },
        { "limits.uid_bytes", KEY_SIZE, AT(uid_bytes), 0, INT64_MAX, "64MiB", false, KEY_LIVE,
          "shared memory of a uid; 0: no limit" },
        { "limits.cgroup_clients", KEY_U32, AT(cgroup_clients), 0, UINT32_MAX, "0", false, KEY_LIVE,
          "clients of a cgroup within a uid; 0: no limit" },
        { "limits.cgroup_lanes", KEY_U32, AT(cgroup_lanes), 0, UINT32_MAX, "0", false, KEY_LIVE,
          "lanes of a cgroup within a uid; 0: no limit" },
        { "limits.cgroup_bytes", KEY_SIZE, AT(cgroup_bytes), 0, INT64_MAX, "0", false, KEY_LIVE,
          "shared memory of a cgroup within a uid; 0: no limit" },
        { "weights.uid.UID", KEY_RULE, AT(weights), 1, 1000, "1", true, KEY_LIVE,
          "share of a uid when there are too few positions" },
        { "weights.cgroup.PATH", KEY_RULE, AT(weights), 1, 1000, "1", true, KEY_LIVE,
          "share of a cgroup within its uid" },
        { "caps.uid.UID", KEY_RULE, AT(caps), 1, CAP_MAX, "none", true, KEY_LIVE,
          "highest number of IDs per second for a uid" },
        { "caps.cgroup.PATH", KEY_RULE, AT(caps), 1, CAP_MAX, "none", true, KEY_LIVE,
          "highest number of IDs per second for a cgroup within its uid" },
};
const size_t config_n_keys = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "origins too few");

bool config_key_is_text(const struct config_key *key) {
        return key->type <= KEY_BACKEND;
}

size_t config_key_index(const struct config_key *key) {
        return (size_t)(key - config_keys);
}

const struct config_key *config_key_find(const char *name) {
        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++) {
                /* up to and including the last dot: "weights.uid." */
                size_t prefix = (size_t)(strrchr(key->name, '.') - key->name) + 1;

                if (key->type == KEY_RULE ?
                            strncmp(name, key->name, prefix) == 0 && name[prefix] != '\0' :
                            strcmp(name, key->name) == 0)
                        return key;
        }
        return NULL;
}

size_t config_key_section_length(const struct config_key *key) {
        return strcspn(key->name, ".");
}

const struct config_key *config_section_find(const char *name, size_t length) {
        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++)
                if (config_key_section_length(key) == length &&
                    strncmp(name, key->name, length) == 0)
                        return key;
        return NULL;
}
