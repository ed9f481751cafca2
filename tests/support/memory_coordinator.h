/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A coordinator in memory, with time from the test. Below, what the coordinator does
 * when a request reaches it: good for thousands of hosts. Above that, `memory_calls`
 * for one host: what is lost, and what was lost and arrives later. One thread.
 */
#include "daemon/lease/keys/coordinator.h"
#include "shm/id.h"

struct memory_key {
        char *key, *value;
        int64_t modified;
        unsigned session; /* 0: none */
};

struct memory_session {
        unsigned id;
        int64_t ttl_ns, end_ns;
};

/* All zero: an empty one. */
struct memory_coordinator {
        struct memory_key **keys; /* in order */
        size_t n_keys, keys_size;
        struct memory_session *sessions; /* which go on, in the order of their IDs */
        size_t n_living, sessions_size;
        unsigned n_sessions;    /* ever */
        int64_t first_end_ns;   /* none ends before */
        int64_t revision;
        int64_t now_ns;
        uint64_t n_changes;     /* of keys, in any way */
        unsigned n_writes;      /* commits that were done */
        uint64_t n_refused;     /* commits that were not */
        uint64_t n_lists, n_keeps;
        uint64_t bytes_listed;  /* keys and values in answers */
        uint64_t bytes;         /* keys and values that are there */
};

/* What the calls of coordinator.h do, at this moment. */
int memory_commit(struct memory_coordinator *memory, unsigned session,
                  const struct coordinator_commit *commit);
int memory_list(struct memory_coordinator *memory, const char *prefix,
                struct coordinator_list *ret);
unsigned memory_session_begin(struct memory_coordinator *memory, int64_t ttl_ns);
int memory_session_keep(struct memory_coordinator *memory, unsigned session, int64_t *ret_ttl_ns);
void memory_session_end(struct memory_coordinator *memory, unsigned session);
/* 0: it has ended. */
int64_t memory_session_until(struct memory_coordinator *memory, unsigned session);
/* Every session has its full time again, as after a change of the leader. */
void memory_restart(struct memory_coordinator *memory);
/* Takes away what ended with its session; done by all of the above. */
void memory_expire(struct memory_coordinator *memory);

/* The first with that prefix; NULL: none. */
const struct memory_key *memory_first(const struct memory_coordinator *memory, const char *prefix);
const char *memory_get(const struct memory_coordinator *memory, const char *prefix);
/* As a person would; NULL deletes. */
void memory_put(struct memory_coordinator *memory, const char *key, const char *value);
/* As sfshm workers --begin does. */
void memory_begin_space(struct memory_coordinator *memory, const struct id_layout *layout,
                        uint64_t horizon_ms);
void memory_end(struct memory_coordinator *memory);

/* A backup: its keys, sessions and revision; to be ended. */
struct memory_coordinator memory_copy(const struct memory_coordinator *memory);
/* The coordinator starts on the backup's data: revisions come again, for other writes. Sessions
 * have their full time, and their numbers do not come again. */
void memory_put_back(struct memory_coordinator *memory, const struct memory_coordinator *copy);

/* A commit with copies of all of it; to be freed. */
struct memory_late {
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        struct coordinator_commit commit;
};
struct memory_late *memory_late_new(const struct coordinator_commit *commit);
struct memory_late *memory_late_free(struct memory_late *late);

/* ---- one host's way there */

enum memory_loss {
        MEMORY_WELL,
        MEMORY_ANSWER_LOST,  /* done, and -ETIMEDOUT */
        MEMORY_REQUEST_LATE, /* not done, -ETIMEDOUT; memory_deliver() does it */
        MEMORY_AWAY,         /* not done, -EIO */
};

struct memory_host {
        struct memory_coordinator *memory;
        unsigned session;
        enum memory_loss commit_loss; /* of the next commit alone, */
        unsigned commits_before;      /* or of the one after so many */
        bool away;                    /* everything is lost */
        struct memory_late *late;
};

extern const struct coordinator_calls memory_calls; /* of a struct memory_host */
/* The late commit arrives: as commit() returns; the host learns nothing. */
int memory_deliver(struct memory_host *host);
