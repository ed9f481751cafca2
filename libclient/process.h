/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a process must not inherit with a handle, and how a child notices that it is one.
 *
 * A child shares its parent's client and continues with it. But it must not wait for a thread
 * that only the parent has, nor take the parent's unfinished connection for its own. And it may
 * be in another time namespace, where CLOCK_BOOTTIME is another clock than the daemon's: it
 * would make IDs of the future, and leave the lane's cursor there for its relatives.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PROCESS_HOLDS 16u /* attachments whose waiting calls are told apart */

enum process_home {
        PROCESS_NEW = 0, /* not looked yet */
        PROCESS_AT_HOME,
        PROCESS_ABROAD, /* in another time namespace than where the handle was opened */
};

/*
 * A page of its own under MADV_WIPEONFORK: a child, by whatever system call it was made, finds
 * it all zero. Where the kernel or an emulator does not support that, `pid` tells parent and
 * child apart, which costs a system call in each slow call.
 */
struct process {
        _Atomic int32_t pid;   /* see process.c; unused where pages are wiped */
        _Atomic uint32_t home; /* enum process_home */
        /* Of attaching again, see reattach.c. */
        _Atomic uint32_t busy; /* a thread is in a step, where it never blocks */
        _Atomic int32_t watch; /* descriptor + 1 on which the answer will come; 0: none */
        uint32_t failures;     /* in a row */
        int32_t error;         /* of the last failure, negative errno */
        uint32_t generation;   /* of the clock at that time */
        uint32_t owner;        /* likewise */
        int64_t begun_boot_ns; /* of the HELLO on the handle's pending socket; 0: none */
        _Atomic int64_t next_ns; /* CLOCK_MONOTONIC of the next attempt */
        /* Calls that wait on an attachment, by its number modulo PROCESS_HOLDS. */
        _Atomic uint32_t holds[PROCESS_HOLDS];
};

/* Where a handle was opened: readings of clocks, some of which a time namespace shifts, and
 * what it is called. */
struct process_place {
        int64_t wall_ns;    /* CLOCK_REALTIME less CLOCK_BOOTTIME */
        int64_t awake_ns;   /* CLOCK_MONOTONIC less CLOCK_BOOTTIME */
        int64_t jiffies_ns; /* times(2) less CLOCK_MONOTONIC */
        int64_t blur_ns;    /* how long reading them took */
        uint64_t inode;     /* of /proc/self/ns/time; 0: not known */
        bool wiped;         /* the kernel clears a child's page */
};

/* The page of a new handle, and where it is opened. 0 or -errno. */
int process_new(struct process **ret, struct process_place *ret_place);
struct process *process_free(struct process *process);

/* At the beginning of each slow call: 0, or -EPROTO in another time namespace. */
int process_check(struct process *process, const struct process_place *place);
