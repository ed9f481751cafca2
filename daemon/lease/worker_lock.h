/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Keeps two daemons of one host from handing out the same worker IDs, whatever their
 * users, state directories, segments and namespaces, as long as they see the same
 * /dev/shm. Only IDs of one space can be equal: of one epoch, one layout, and one name
 * (workers.space) and prefix in a coordinator. Daemons of different spaces ignore each
 * other.
 *
 * Each daemon has an empty file /dev/shm/sfshm-workers.SPACE.PID.INODE of its own, and a
 * write lock (F_OFD_SETLK) on one byte of it for each worker ID. The kernel drops the
 * lock when the process ends, however it ends.
 *   - The file has mode 0644: only its owner and root can write-lock it, so its owner is
 *     who holds the worker IDs. Read locks, which anybody can take, do not count.
 *   - It is locked before it gets its name. Nobody can lock it first, and a file that is
 *     not locked belongs to a daemon that is dead.
 *   - It gets its name before its owner looks for the files of others, so of two daemons
 *     that start at once at least one sees the other.
 *   - /dev/shm is sticky: no other user can remove or replace it.
 * So another user can make a file which keeps a daemon from starting, and the daemon then
 * names its owner. He cannot make two daemons overlook each other.
 */
#include <stdint.h>
#include <sys/types.h>

#include "daemon/config/config.h"

struct worker_lock;

/* Locks `count` worker IDs from `first` (of the whole worker field) on. -EEXIST: another
 * daemon has one of them. Logs its errors. *ret is NULL, which all calls take, on a system
 * without /dev/shm. */
int worker_lock_new(struct worker_lock **ret, const struct config *config, uint32_t first,
                    uint32_t count);
/* Makes them `count`. -EEXIST: another daemon has one of those that are new, and nothing
 * has changed. Logs its errors. */
int worker_lock_resize(struct worker_lock *lock, uint32_t count);
uint32_t worker_lock_count(const struct worker_lock *lock); /* UINT32_MAX: of NULL */
struct worker_lock *worker_lock_free(struct worker_lock *lock); /* returns NULL */

/* Would worker_lock_new() refuse them? `except`: a process that does not matter. Changes
 * nothing. 0 or -errno, logged. */
int worker_lock_check(const struct config *config, uint32_t first, uint32_t count, pid_t except);
