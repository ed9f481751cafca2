/* SPDX-License-Identifier: MIT */
#pragma once
/* A handle: what stays the same while attachments come and go. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"
#include "libclient/sfshm.h"

struct reattach;

struct sfshm {
        /* The newest attachment. Stored (release) when it is complete and the
         * older one's lanes are closed; loaded (acquire) at each call. */
        _Atomic(struct attachment *) attachment;
        _Atomic int64_t timeout_ns;
        _Atomic int64_t retry_at_ns; /* CLOCK_MONOTONIC */
        /* Hints: when the last was sent, and how many calls went without the
         * ticker since when. Races cost a hint more or less. */
        _Atomic int64_t hinted_boot_ns;
        _Atomic uint64_t self_clocked_tick;
        _Atomic uint32_t self_clocked;
        uint32_t lanes; /* asked for */
        struct own_socket pending; /* of a HELLO under way; see reattach.c */
        struct reattach *reattach;
        char *address;
};
