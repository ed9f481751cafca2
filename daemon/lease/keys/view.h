/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A region as the coordinator shows it: who holds or held which worker IDs, up to which
 * fence. Reading logs each key that it refuses, by name.
 */
#include "daemon/lease/keys/coordinator.h"
#include "daemon/lease/keys/record.h"

#define FLEET_KEY_MAX 80u

/* In of_worker[], beside the number of an owner: */
#define FLEET_NEVER_USED (-1)
#define FLEET_REFUSED (-2) /* used, but no record has its fence */

struct fleet_owner {
        struct record_brief *record;
        char *later; /* the value, if it is of the next version: see record_keep(); else NULL */
        int64_t modified;
        bool alive;
        char daemon[RECORD_DAEMON]; /* which sfshmd lives there; "": unknown */
};

/* A key which the operator may have to repair. */
struct fleet_odd_key {
        char *key, *value;
        int64_t modified;
        int error; /* of reading it: -EBADMSG, -EPROTO */
};

struct fleet_view {
        struct record_contract contract;
        int64_t contract_modified; /* 0: there is none */
        char *contract_later;      /* as in struct fleet_owner */
        struct record_used used;
        int64_t used_modified; /* 0: there is none */
        char *used_later;
        struct fleet_owner *owners;
        size_t n_owners;
        struct fleet_odd_key *damaged; /* records that cannot be read */
        size_t n_damaged;
        /* Keys alive/LIFE that no record names: the host is alive, and its record was lost
         * or damaged. Until the session expires also that of a host which has begun another. */
        struct fleet_odd_key *strays;
        size_t n_strays;
        uint32_t end;                 /* worker IDs of the region */
        int32_t of_worker[WORKER_SET_MAX];
};

struct fleet_space {
        struct id_layout layout;
        uint32_t region;
};

/* -EINVAL: another contract; -EBADMSG, -EPROTO, -ENOENT: a key which the operator must
 * repair; else the error of the coordinator. A damaged or missing record of a host is only
 * a warning: its worker IDs are refused. */
int fleet_view_read(struct fleet_view **ret, const struct coordinator_calls *calls,
                    void *coordinator, const struct fleet_space *space);
/* The contract alone, checked likewise, as a view of a region without hosts. */
int fleet_view_contract(struct fleet_view **ret, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space);
/* Was a space begun there? 0, or -ENOENT, logged. */
int fleet_view_begun(const struct fleet_view *view);
struct fleet_view *fleet_view_free(struct fleet_view *view);

/* The record of that name; NULL: the view has none. */
const struct fleet_owner *fleet_view_host(const struct fleet_view *view, const char *nonce);

/* "region/0/host/NONCE" and so on; `name` may be "". Returns `key`. */
const char *fleet_key(char key[FLEET_KEY_MAX], uint32_t region, const char *kind,
                      const char *name);
/* 0: before the epoch. */
uint64_t fleet_tick_of(const struct id_layout *layout, int64_t unix_ms);

/* For view_part.h: one key. */
int fleet_view_take_used(struct fleet_view *view, const struct coordinator_list *list,
                         const struct fleet_space *space);
/* Its worker IDs become those of view->owners[owner]. */
void fleet_view_mark(struct fleet_view *view, size_t owner);
/* There is room in `owners` and `damaged`. */
int fleet_view_take_host(struct fleet_view *view, const struct coordinator_item *item,
                         const char *nonce, const struct fleet_space *space);
