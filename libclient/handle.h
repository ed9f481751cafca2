/* SPDX-License-Identifier: MIT */
#pragma once
/* A handle: what remains while attachments change. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"
#include "libclient/sfshm.h"

struct reattach;

struct sfshm {
        /* The newest attachment. Stored (release) once it is complete and the older one's
         * lanes are closed; loaded (acquire) by each call. */
        _Atomic(struct attachment *) attachment;
        _Atomic int64_t timeout_ns;
        _Atomic int64_t retry_at_ns; /* CLOCK_MONOTONIC */
        /* When the last hint was sent, and how many calls did without the ticker since
         * which tick. A race costs one hint more or less. */
        _Atomic int64_t hinted_boot_ns;
        _Atomic uint64_t self_clocked_tick;
        _Atomic uint32_t self_clocked;
        uint32_t lanes; /* requested */
        struct own_socket pending; /* of a HELLO in progress; see reattach.c */
        struct reattach *reattach;
        char *address;
};
