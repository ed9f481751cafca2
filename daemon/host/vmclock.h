/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * VMClock: a page of the hypervisor, /dev/vmclock0 where there is one. Two of its numbers
 * matter here: `generation` changes when the machine resumes as a copy or from a snapshot,
 * and `disruption` also when it moved to other hardware.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMCLOCK_PATH "/dev/vmclock0"
#define VMCLOCK_PAGE_MAGIC UINT32_C(0x4b4c4356) /* "VCLK" */
#define VMCLOCK_PAGE_VERSION 1u
/* `generation` is present. The value is that of Linux's header: the prose of the
 * specification 1.0 leaves out a flag, and is off by one bit and four bytes. */
#define VMCLOCK_PAGE_GENERATION (UINT64_C(1) << 8)

/* Little-endian. The fields up to `time_type` never change; the others change between an
 * odd and an even `sequence`. */
struct vmclock_page {
        uint32_t magic;
        uint32_t size; /* of the region */
        uint16_t version;
        uint8_t counter_id;
        uint8_t time_type;
        uint32_t sequence;
        uint64_t disruption; /* changes whenever the hardware's counter may have jumped */
        uint64_t flags;
        uint8_t time[72]; /* the hypervisor's time; unused */
        uint64_t generation; /* changes when the machine was restored or cloned */
};
_Static_assert(offsetof(struct vmclock_page, size) == 4, "VMClock");
_Static_assert(offsetof(struct vmclock_page, version) == 8, "VMClock");
_Static_assert(offsetof(struct vmclock_page, counter_id) == 10, "VMClock");
_Static_assert(offsetof(struct vmclock_page, time_type) == 11, "VMClock");
_Static_assert(offsetof(struct vmclock_page, sequence) == 12, "VMClock");
_Static_assert(offsetof(struct vmclock_page, disruption) == 16, "VMClock");
_Static_assert(offsetof(struct vmclock_page, flags) == 24, "VMClock");
_Static_assert(offsetof(struct vmclock_page, time) == 32, "VMClock");
_Static_assert(offsetof(struct vmclock_page, generation) == 104, "VMClock");
_Static_assert(sizeof(struct vmclock_page) == 112, "VMClock");

/* A consistent reading of the page. */
struct vmclock_state {
        uint64_t disruption;
        uint64_t generation;
        bool has_generation;
};

struct vmclock;

/* -ENOENT: there is none. -EPROTO: it is no VMClock, or of an unknown version. Other
 * errors, such as -EACCES: it cannot be read. */
int vmclock_open(struct vmclock **ret, const char *path);
struct vmclock *vmclock_close(struct vmclock *vmclock);

/* -EAGAIN: it is being changed, and has been for too long to wait. */
int vmclock_read(const struct vmclock *vmclock, struct vmclock_state *ret);
