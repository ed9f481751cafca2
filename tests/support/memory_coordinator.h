/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A coordinator in memory, with time from the test: sessions end, answers and
 * requests are lost, and what was lost can arrive later. One thread.
 */
#include "daemon/lease/coordinator.h"

#define MEMORY_KEYS 64
#define MEMORY_SESSIONS 64

enum memory_loss {
        MEMORY_WELL,
        MEMORY_ANSWER_LOST,  /* done, and -ETIMEDOUT */
        MEMORY_REQUEST_LATE, /* not done, -ETIMEDOUT; memory_deliver() does it */
        MEMORY_AWAY,         /* not done, -EIO */
};

struct memory_key {
        char *key, *value;
        int64_t modified;
        unsigned session; /* 0: none */
};

struct memory_coordinator {
        struct memory_key keys[MEMORY_KEYS];
        size_t n_keys;
        int64_t revision;
        int64_t now_ns;
        int64_t session_end_ns[MEMORY_SESSIONS];
        unsigned n_sessions;
        unsigned n_writes; /* commits that were done */
};

/* What one host sees of it. */
struct memory_host {
        struct memory_coordinator *memory;
        unsigned session;
        int64_t ttl_ns;
        enum memory_loss commit_loss; /* of the next commit alone */
        bool away;                    /* everything is lost */
        /* a commit that is late, with copies of all of it */
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        struct coordinator_commit late;
};

extern const struct coordinator_calls memory_calls; /* of a struct memory_host */
/* The late commit arrives: as commit() returns; the host learns nothing. */
int memory_deliver(struct memory_host *host);
/* NULL when there is none. */
const char *memory_get(const struct memory_coordinator *memory, const char *prefix);
/* As a person would; NULL deletes. */
void memory_put(struct memory_coordinator *memory, const char *key, const char *value);
void memory_end(struct memory_coordinator *memory);
