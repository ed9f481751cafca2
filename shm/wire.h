/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Messages on the daemon's socket (AF_UNIX, SOCK_SEQPACKET). Each packet is one message
 * in host byte order and of exact length.
 *
 *   client                             daemon
 *     HELLO            ------------>
 *                      <------------   WELCOME + descriptors clock, grants, cursors
 *                                      or REFUSED
 *     WANT (a hint, one way, may be lost)  ------------>
 *     REFRESH (sfshm-stat, a hint)         ------------>
 *     ACCEPT (sfshm clock accept)          ------------>
 *                      <------------   ANSWER
 *     QUERY (the tools)                    ------------>
 *                      <------------   STATUS
 *
 * Only WANT may follow HELLO. REFRESH, ACCEPT and QUERY are each the only message of
 * their connection. The answer to REFRESH is the new contents of the statistics segment. A
 * daemon that does not know ACCEPT or QUERY closes the connection without an answer.
 */
#include <stddef.h>
#include <stdint.h>

#include "shm/id.h"

#define WIRE_MAGIC UINT32_C(0x48534653) /* "SFSH" */
/* The version that this code speaks, and the oldest one that it serves. Both sides agree
 * on a version, N-2 to N+2, by their `version_min` and `version_max`. */
#define WIRE_VERSION 1u
#define WIRE_VERSION_MIN 1u
#define WIRE_MESSAGE_MAX 512u
#define WIRE_REFUSED_TEXT 256u
#define WIRE_ANSWER_TEXT 256u
#define WIRE_STATUS_VERSION 32u
#define WIRE_STATUS_SHM 256u
#define WIRE_WELCOME_FDS 3u /* clock (read-only), grants (read-only), cursors */

enum wire_type {
        WIRE_HELLO = 1,
        WIRE_WELCOME = 2,
        WIRE_REFUSED = 3,
        WIRE_WANT = 4,
        WIRE_REFRESH = 5,
        WIRE_ACCEPT = 6,
        WIRE_ANSWER = 8, /* not 7: one bit from REFUSED, which has the same length */
        WIRE_QUERY = 9,
        WIRE_STATUS = 10,
};

struct wire_header {
        uint32_t magic;
        uint16_t version; /* the sender's; in WELCOME and REFUSED the agreed one */
        uint16_t type;
        uint32_t length; /* of the whole message */
        uint32_t reserved; /* 0 */
};

struct wire_hello {
        struct wire_header header;
        uint16_t version_min;
        uint16_t version_max;
        uint32_t lanes; /* wanted; 1 is ordered */
};

struct wire_welcome {
        struct wire_header header;
        uint64_t client;
        int64_t boot_ns; /* the daemon's CLOCK_BOOTTIME: reveals another time namespace */
        uint32_t clock_size;
        uint32_t grants_size;
        uint32_t cursors_size;
        uint32_t lanes; /* granted: a power of two, 1 <= lanes <= wanted */
};

struct wire_refused {
        struct wire_header header;
        int32_t error; /* positive errno: EDQUOT, EPROTO, ENOSPC, ... */
        uint32_t retry_after_ms; /* 0: not until something changes */
        char text[WIRE_REFUSED_TEXT]; /* a sentence, NUL-terminated */
};

struct wire_want {
        struct wire_header header;
        uint32_t lane;
        uint32_t count; /* IDs that the caller would take in one tick; 0: as many as it gets */
};

struct wire_refresh {
        struct wire_header header;
};

/* The operator accepts the wall clock: follow it. */
struct wire_accept {
        struct wire_header header;
};

struct wire_answer {
        struct wire_header header;
        int32_t error; /* 0: done; or a positive errno */
        uint32_t reserved; /* 0 */
        char text[WIRE_ANSWER_TEXT]; /* a sentence, NUL-terminated */
};

/* Who are you, do you hand out IDs, and where is your shared memory? */
struct wire_query {
        struct wire_header header;
};

struct wire_status {
        struct wire_header header;
        /* The clock, as its segment shows it. */
        uint32_t state;         /* enum clock_state, */
        uint32_t reason;        /* enum clock_reason, */
        int64_t resume_boot_ns; /* and when they end */
        int64_t boot_ns;        /* the daemon's CLOCK_BOOTTIME while answering, */
        int64_t guarded_ns;     /* the guarded time then, since the epoch; INT64_MIN: none */
        int64_t offset_ns;
        uint64_t clock_device; /* which file the segment is, */
        uint64_t clock_inode;
        uint32_t generation; /* and its generation */
        int32_t pid;
        uint32_t clients;
        uint32_t ticking; /* 1: the ticker publishes ticks; 0: it sleeps */
        uint32_t worker_first;
        uint32_t worker_count;
        struct id_layout layout;
        char daemon_version[WIRE_STATUS_VERSION]; /* NUL-terminated, */
        char shm[WIRE_STATUS_SHM];                /* as is this: daemon.shm */
};

_Static_assert(sizeof(struct wire_header) == 16, "wire: header");
_Static_assert(offsetof(struct wire_header, version) == 4, "wire: version");
_Static_assert(offsetof(struct wire_header, type) == 6, "wire: type");
_Static_assert(offsetof(struct wire_header, length) == 8, "wire: length");
_Static_assert(sizeof(struct wire_hello) == 24, "wire: hello");
_Static_assert(offsetof(struct wire_hello, version_min) == 16, "wire: version_min");
_Static_assert(offsetof(struct wire_hello, version_max) == 18, "wire: version_max");
_Static_assert(offsetof(struct wire_hello, lanes) == 20, "wire: lanes");
_Static_assert(sizeof(struct wire_welcome) == 48, "wire: welcome");
_Static_assert(offsetof(struct wire_welcome, client) == 16, "wire: client");
_Static_assert(offsetof(struct wire_welcome, boot_ns) == 24, "wire: boot_ns");
_Static_assert(offsetof(struct wire_welcome, clock_size) == 32, "wire: clock_size");
_Static_assert(offsetof(struct wire_welcome, grants_size) == 36, "wire: grants_size");
_Static_assert(offsetof(struct wire_welcome, cursors_size) == 40, "wire: cursors_size");
_Static_assert(offsetof(struct wire_welcome, lanes) == 44, "wire: welcome lanes");
_Static_assert(sizeof(struct wire_refused) == 24 + WIRE_REFUSED_TEXT, "wire: refused");
_Static_assert(offsetof(struct wire_refused, error) == 16, "wire: error");
_Static_assert(offsetof(struct wire_refused, retry_after_ms) == 20, "wire: retry_after_ms");
_Static_assert(offsetof(struct wire_refused, text) == 24, "wire: text");
_Static_assert(sizeof(struct wire_want) == 24, "wire: want");
_Static_assert(offsetof(struct wire_want, lane) == 16, "wire: want lane");
_Static_assert(offsetof(struct wire_want, count) == 20, "wire: want count");
_Static_assert(sizeof(struct wire_refresh) == 16, "wire: refresh");
_Static_assert(sizeof(struct wire_accept) == 16, "wire: accept");
_Static_assert(sizeof(struct wire_answer) == 24 + WIRE_ANSWER_TEXT, "wire: answer");
_Static_assert(offsetof(struct wire_answer, error) == 16, "wire: answer error");
_Static_assert(offsetof(struct wire_answer, reserved) == 20, "wire: answer reserved");
_Static_assert(offsetof(struct wire_answer, text) == 24, "wire: answer text");
_Static_assert(sizeof(struct wire_query) == 16, "wire: query");
_Static_assert(sizeof(struct wire_status) == 144 + WIRE_STATUS_SHM, "wire: status");
_Static_assert(offsetof(struct wire_status, state) == 16, "wire: status state");
_Static_assert(offsetof(struct wire_status, reason) == 20, "wire: status reason");
_Static_assert(offsetof(struct wire_status, resume_boot_ns) == 24, "wire: status resume_boot_ns");
_Static_assert(offsetof(struct wire_status, boot_ns) == 32, "wire: status boot_ns");
_Static_assert(offsetof(struct wire_status, guarded_ns) == 40, "wire: status guarded_ns");
_Static_assert(offsetof(struct wire_status, offset_ns) == 48, "wire: status offset_ns");
_Static_assert(offsetof(struct wire_status, clock_device) == 56, "wire: status clock_device");
_Static_assert(offsetof(struct wire_status, clock_inode) == 64, "wire: status clock_inode");
_Static_assert(offsetof(struct wire_status, generation) == 72, "wire: status generation");
_Static_assert(offsetof(struct wire_status, pid) == 76, "wire: status pid");
_Static_assert(offsetof(struct wire_status, clients) == 80, "wire: status clients");
_Static_assert(offsetof(struct wire_status, ticking) == 84, "wire: status ticking");
_Static_assert(offsetof(struct wire_status, worker_first) == 88, "wire: status worker_first");
_Static_assert(offsetof(struct wire_status, worker_count) == 92, "wire: status worker_count");
_Static_assert(offsetof(struct wire_status, layout) == 96, "wire: status layout");
_Static_assert(offsetof(struct wire_status, daemon_version) == 112, "wire: status daemon_version");
_Static_assert(offsetof(struct wire_status, shm) == 144, "wire: status shm");

union wire_message {
        struct wire_header header;
        struct wire_hello hello;
        struct wire_welcome welcome;
        struct wire_refused refused;
        struct wire_want want;
        struct wire_refresh refresh;
        struct wire_accept accept;
        struct wire_answer answer;
        struct wire_query query;
        struct wire_status status;
};

/* A header for a message of that type; its length follows from the type. */
struct wire_header wire_header_of(enum wire_type type, uint16_t version);

/* Checks magic, type, exact length and contents (lanes, order of the versions, the end of a
 * text). 0 or -EPROTO. `message` holds `length` bytes. */
int wire_check(const union wire_message *message, size_t length);

/* Sets *ret to the newest version that both sides speak. 0 or -EPROTO. */
int wire_agree(const struct wire_hello *hello, uint16_t *ret);
