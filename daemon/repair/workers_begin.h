/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * sfshmd --workers --begin: the operator begins the ID space of a prefix, once for all hosts.
 * No daemon does it, so that neither a wrong address or prefix nor a coordinator that was
 * emptied makes a second space beside the first. With --above it continues a space whose
 * contract is lost or an old copy: every later claim begins above that.
 *
 * It writes the key `contract` and nothing else, on condition that it is what was read. So
 * it works while daemons run and come up.
 */
#include "daemon/lease/keys/view.h"

struct workers_begin {
        const struct coordinator_calls *calls;
        void *coordinator;
        const char *place; /* of the coordinator, for messages */
        struct fleet_space space;
        const char *remembered; /* the space of this host's state directory; "": none */
        const char *named;      /* --space; NULL: none */
        uint64_t above_tick;    /* 0: none */
        uint64_t least_tick;    /* of a space whose IDs exist; 0: any, by --force */
        uint64_t horizon_ms;    /* of this host */
        int64_t unix_ms;
        char drawn[RECORD_HEX]; /* the name of a new space: random */
};

/* 0 and what the contract is now; else what commit() says, or why not, logged: -EEXIST: the
 * space was begun; -EINVAL: --space is wrong. */
int workers_begin(const struct workers_begin *begin, struct record_contract *ret);

/* The space that the state directory remembers; "" where there is none. Logs its errors. */
int workers_begin_remembered(const char *state_dir, char ret[RECORD_HEX]);
