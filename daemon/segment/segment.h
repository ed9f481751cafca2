/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The shared-memory segments. Named ones live under `daemon.shm`: a POSIX name
 * ("/sfshm" gives /sfshm.clock, /sfshm.ledger, /sfshm.statistics) or a
 * directory on a tmpfs (DIR/clock ...). One slash makes a POSIX name, more make
 * a directory. A named segment is adopted only when it is a regular file of the
 * daemon's uid, with exactly its mode and size, not a link; it is never
 * truncated or re-initialised in place (rule 11): one of ours whose size or
 * content does not fit stays as it is, and a new file takes its name when it is
 * published. Until then a new segment has no name at all.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct segment {
        int fd;
        void *map;
        size_t size;
        bool fresh; /* just created: all zero, to be filled in before publishing */
};
#define SEGMENT_NONE ((struct segment){ .fd = -1 })

/* What an existing segment must show to be adopted; asked with the mapping. */
typedef bool (*segment_accept_fn)(const void *map, size_t size, const void *context);

/* Opens the named segment or creates a zeroed, prefaulted one which is not yet
 * visible under its name: segment_publish() makes it so, once its header is
 * filled in. `gid` (gid_t)-1 leaves the group alone; `accept` NULL asks for
 * nothing more. A squatted name (wrong owner, mode, kind: -EEXIST) is an error
 * that names it. Logs its errors. */
int segment_open(struct segment *ret, const char *shm, const char *name, size_t size, mode_t mode,
                 gid_t gid, segment_accept_fn accept, const void *context);
/* Atomic: the name shows the old segment or the new one, never none. For an
 * adopted segment there is nothing to do. Logs its errors. */
int segment_publish(struct segment *segment, const char *shm, const char *name);
/* Whether anything stands under that name. */
bool segment_exists(const char *shm, const char *name);
void segment_close(struct segment *segment); /* unmaps and closes; the name stays */

/* Exclusive, as long as a descriptor of this opening lives. -EBUSY: somebody
 * else of our uid holds it; the caller knows who and says so. Only for a mode
 * that nobody else can open (0600): whoever can open a file can lock it. */
int segment_lock(const struct segment *segment);

/* An unnamed, sealed (SHRINK|GROW|SEAL), prefaulted, mapped memfd of mode 0600.
 * Silent: the caller knows for whom it was. */
int segment_memfd(struct segment *ret, const char *name, size_t size);

/* The same, made by an earlier daemon: `fd` is checked (kind, owner, mode, seals,
 * size) before it is mapped, and stays the caller's. -EBADMSG: it is no such
 * page. Silent. */
int segment_memfd_adopt(struct segment *ret, int fd, size_t size);

/* Drops the mapping and keeps the descriptor: for pages a client may punch. */
void segment_unmap(struct segment *segment);

/* A descriptor of the same file opened O_RDONLY; or -errno. */
int segment_reopen_readonly(const struct segment *segment);
