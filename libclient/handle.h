/* SPDX-License-Identifier: MIT */
#pragma once
/* A handle: what remains while attachments change. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libclient/attachment.h"
#include "libclient/process.h"
#include "libclient/sfshm.h"

#define COUNT_WORDS (sizeof(struct sfshm_counters) / sizeof(uint64_t))
union count_words {
        struct sfshm_counters counters;
        uint64_t words[COUNT_WORDS];
};

struct sfshm {
        /* The newest attachment. Stored (seq_cst) once it is complete, see lanes_begin();
         * loaded (acquire) by each call. */
        _Atomic(struct attachment *) attachment;
        _Atomic int64_t timeout_ns;
        _Atomic int64_t retry_at_ns; /* CLOCK_MONOTONIC */
        /* When the last hint was sent, and how many calls did without the ticker since
         * which tick. A race costs one hint more or less. */
        _Atomic int64_t hinted_boot_ns;
        _Atomic uint64_t self_clocked_tick;
        _Atomic uint32_t self_clocked;
        uint32_t lanes; /* requested */
        /* Of a HELLO in progress, and until its attachment is in use; see reattach.c. */
        struct own_socket pending;
        struct id_layout layout; /* never changes */
        struct process_place place;
        struct process *process;
        struct attachment_space space;
        char *address;
        /* Of the attachments before, see count.h. `carrying` is odd while they are added to. */
        _Atomic uint32_t carrying;
        _Atomic uint64_t carried[COUNT_WORDS];
};
