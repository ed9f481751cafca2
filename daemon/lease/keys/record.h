/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The values in the coordinator: JSON objects which the operator can read and repair, see
 * KEYS.md. Each has a version. A field that is missing, of the wrong type, unknown or out
 * of range makes the whole value damaged (-EBADMSG); another version is -EPROTO. Pure.
 *
 * A release reads the next version before any release writes it: of version 2, which has
 * the fields of version 1 and others, it takes those that it knows, and record_keep()
 * leaves the others as they are. If it does not have them, it is -EPROTO.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lease/keys/worker_set.h"
#include "shm/id.h"

#define RECORD_VERSION 1      /* as written */
#define RECORD_VERSION_NEXT 2 /* read as well */
#define RECORD_HEX 33u /* 16 bytes in hex, NUL */
#define RECORD_NAME 65u
#define RECORD_DAEMON 16u /* the version of an sfshmd */

/* `contract`: what all hosts have in common, and which regions are in use. */
struct record_contract {
        int version; /* as it was read, as below */
        char space[RECORD_HEX]; /* the name of this ID space, drawn by its first host */
        struct id_layout layout;
        struct worker_set regions;
        /* of an operator's or a surviving host's recovery from an old copy; 0: none was */
        int64_t recovered_unix_ms; /* orders the copies of a space: the later one has more */
        uint64_t not_before_tick;  /* every claim begins above it */
        /* what was claimed between then and the recovery came from an old copy; 0: nothing */
        int64_t claims_since_unix_ms;
        uint64_t horizon_ms; /* a fence of any host is at most so far ahead of now */
};

/* `region/R/used`: every claim writes it, so claims of a region happen one after the other. */
struct record_used {
        int version;
        struct worker_set workers; /* IDs of these may exist */
        uint64_t claims;
};

/* Who a host is: one machine, one boot, one state directory. */
struct record_identity {
        char host[RECORD_NAME];
        char machine_id[RECORD_HEX];
        char boot_id[RECORD_HEX];
        char directory[RECORD_NAME]; /* device:inode of the state directory */
        int64_t pid;
};

/* `region/R/host/NONCE`: a host's lease, with its fence. */
struct record_host {
        int version;
        char nonce[RECORD_HEX];
        char life[RECORD_HEX]; /* of the session: the host lives while region/R/alive/LIFE exists */
        bool released;             /* by a clean stop */
        bool freed; /* by the operator: its workers rest only until their fence has passed */
        struct record_identity who;
        int64_t since_unix_ms;
        struct worker_set workers; /* within the region */
        uint64_t fence_tick;
        uint64_t grown_tick; /* others had what the run has grown by, up to this tick; 0: none */
        uint64_t renewals;
};

/* The same as a list of its region keeps it: a set has 8 KiB, and the hosts may be 65,536. */
struct record_brief {
        int version;
        char nonce[RECORD_HEX], life[RECORD_HEX];
        bool released, freed;
        struct record_identity who;
        int64_t since_unix_ms;
        uint64_t fence_tick, grown_tick, renewals;
        uint32_t first, count; /* of `workers`: the lowest, and how many */
        char workers[];        /* as worker_set_text() writes it */
};

char *record_contract_text(const struct record_contract *contract); /* malloc'ed, as all; or NULL */
int record_contract_parse(const char *text, struct record_contract *ret);
/* So that a fence so far ahead is not further than that says: in steps, so that it is seldom
 * written. */
void record_contract_raise_horizon(struct record_contract *contract, uint64_t ahead_ms);
char *record_used_text(const struct record_used *used);
/* `end`: worker IDs of the region. */
int record_used_parse(const char *text, uint32_t end, struct record_used *ret);
/* `layout` is for the time of the fence, which is for the reader only. */
char *record_host_text(const struct record_host *host, const struct id_layout *layout);
int record_host_parse(const char *text, const struct id_layout *layout, const char *nonce,
                      struct record_host *ret);
/* malloc'ed; NULL: no memory. */
struct record_brief *record_brief_new(const struct record_host *record);
void record_brief_expand(const struct record_brief *brief, struct record_host *ret);
bool record_brief_has_any(const struct record_brief *brief, const struct worker_set *set);
char *record_alive_text(const struct record_host *host);
/* Which sfshmd has written that; "": it does not say. */
void record_alive_daemon(const char *text, char ret[RECORD_DAEMON]);
/* `text`, in place of the value `old`, which is of the next version: with the version of that
 * and its fields that this release does not know. `old` NULL: `text`. Frees `text`. */
char *record_keep(const char *old, char *text);

/* How many worker IDs a region of that layout has. */
uint32_t record_region_end(const struct id_layout *layout);
