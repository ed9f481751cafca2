/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The shared-memory segments. Named ones are under `daemon.shm`: a POSIX name ("/sfshm"
 * gives /sfshm.clock, /sfshm.ledger and /sfshm.statistics) or a directory on a tmpfs
 * (DIR/clock and so on). A name with one slash is a POSIX name, one with more a directory.
 * A named segment is adopted only if it is a regular file, not a link, of the daemon's uid
 * with exactly its mode and size. It is never truncated or re-initialised in place (rule
 * 11): one of ours whose size or content does not fit stays unchanged, and a new file takes
 * its name when that is published. Until then a new segment has no name at all.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct segment {
        int fd;
        void *map;
        size_t size;
        bool fresh; /* just created: all zero, to be filled in before it is published */
};
#define SEGMENT_NONE ((struct segment){ .fd = -1 })

/* May the segment with this mapping be adopted? */
typedef bool (*segment_accept_fn)(const void *map, size_t size, const void *context);

/* Opens the named segment, or creates a zeroed, prefaulted one. A new one gets its name by
 * segment_publish(), once its header is filled in. A `gid` of (gid_t)-1 leaves the group
 * unchanged; without `accept` any content is adopted. -EEXIST: a file of the wrong owner,
 * mode or kind has the name. Logs its errors. */
int segment_open(struct segment *ret, const char *shm, const char *name, size_t size, mode_t mode,
                 gid_t gid, segment_accept_fn accept, const void *context);
/* Atomic: the name always shows the old segment or the new one. Does nothing for an adopted
 * segment. Logs its errors. */
int segment_publish(struct segment *segment, const char *shm, const char *name);
void segment_close(struct segment *segment); /* unmaps and closes; the name stays */

/* Locks it as long as a descriptor of this opening lives. -EBUSY: another process of our
 * uid holds the lock; the caller knows which and logs it. Only for a mode with which no other
 * user can open it (0600): a user who can open a file can lock it. */
int segment_lock(const struct segment *segment);

/* An unnamed, sealed (SHRINK|GROW|SEAL), prefaulted, mapped memfd of mode 0600. Silent: the
 * caller knows for which client it was. */
int segment_memfd(struct segment *ret, const char *name, size_t size);

/* The same for a memfd of an earlier daemon: kind, owner, mode, seals and size of `fd` are
 * checked before it is mapped. `fd` stays the caller's. -EBADMSG: it is no such page.
 * Silent. */
int segment_memfd_adopt(struct segment *ret, int fd, size_t size);

/* Drops the mapping and keeps the descriptor, for pages in which a client may punch
 * holes. */
void segment_unmap(struct segment *segment);

/* A descriptor of the same file opened O_RDONLY; or -errno. */
int segment_reopen_readonly(const struct segment *segment);
