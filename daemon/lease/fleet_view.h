/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a region looks like: who holds or held which worker IDs, up to which fence.
 * And which run a claim takes. Reading logs what it refuses, by the key's name.
 */
#include "daemon/lease/coordinator.h"
#include "daemon/lease/record.h"

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
        int32_t of_worker[WORKERS_MAX];
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

/* The first tick at which the worker IDs of that record may be claimed, once its
 * session is over. Pure. */
uint64_t fleet_free_tick(const struct record_host *record, uint64_t recycle_ticks);

struct fleet_choice {
        uint32_t first;
        uint64_t fence_tick; /* the highest of all in the run */
};
/* The free run of `count` which rests longest, never used ones first. -EBUSY:
 * there is none. Pure. */
int fleet_choose(const struct fleet_view *view, uint32_t count, uint64_t now_tick,
                 uint64_t recycle_ticks, struct fleet_choice *ret);
/* How many worker IDs in a row from `first` on, `most` at most, are free; those which `who`
 * has released itself rest only until their fence has passed. Pure. */
uint32_t fleet_extent(const struct fleet_view *view, uint32_t first, uint32_t most,
                      uint64_t now_tick, uint64_t recycle_ticks,
                      const struct record_identity *who, uint64_t *ret_fence);
/* For the message that there is none: how many worker IDs are what. Pure. */
struct fleet_census {
        uint32_t held, resting, refused, free;
        uint64_t first_free_tick; /* when the first of those resting may be claimed */
};
struct fleet_census fleet_census(const struct fleet_view *view, uint64_t now_tick,
                                 uint64_t recycle_ticks);

/* "region/0/host/NONCE" and so on; `name` may be "". Returns `key`. */
const char *fleet_key(char key[FLEET_KEY_MAX], uint32_t region, const char *kind,
                      const char *name);
