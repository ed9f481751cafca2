/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a region looks like: who holds or held which worker IDs, up to which fence.
 * Reading logs what it refuses, by the key's name.
 */
#include "daemon/lease/fleet/coordinator.h"
#include "daemon/lease/fleet/record.h"

#define FLEET_KEY_MAX 80u

/* Whose a worker ID is; else the number of its owner. */
#define FLEET_NEVER_USED (-1)
#define FLEET_REFUSED (-2) /* used, and no record tells its fence */

struct fleet_owner {
        struct record_host *record;
        int64_t modified;
        bool alive;
};

/* A record that cannot be read. */
struct fleet_damaged {
        char *key;
        int64_t modified;
        int error; /* -EBADMSG, -EPROTO */
};

/* A sign of life of which no record tells: a host which lives, and whose record was
 * lost or damaged; for a session's length also of one that has begun another. */
struct fleet_stray {
        char *key, *value;
};

struct fleet_view {
        struct record_contract contract;
        int64_t contract_modified; /* 0: there is none */
        struct record_used used;
        int64_t used_modified; /* 0: there is none */
        struct fleet_owner *owners;
        size_t n_owners;
        struct fleet_damaged *damaged;
        size_t n_damaged;
        struct fleet_stray *strays;
        size_t n_strays;
        uint32_t end;                 /* worker IDs of the region */
        int32_t of_worker[WORKER_SET_MAX];
};

struct fleet_space {
        struct id_layout layout;
        uint32_t region;
};

/* -EINVAL: another contract; -EBADMSG, -EPROTO, -ENOENT: a key which a person must
 * repair; else what the coordinator said. Damaged and missing hosts alone are
 * warned of: their worker IDs are refused. */
int fleet_view_read(struct fleet_view **ret, const struct coordinator_calls *calls,
                    void *coordinator, const struct fleet_space *space);
struct fleet_view *fleet_view_free(struct fleet_view *view);

/* "region/0/host/NONCE" and so on; `name` may be "". Returns `key`. */
const char *fleet_key(char key[FLEET_KEY_MAX], uint32_t region, const char *kind,
                      const char *name);
