/* SPDX-License-Identifier: MIT */
#pragma once
/* A file that looks like /dev/vmclock0, and the hypervisor that writes it. */
#include "daemon/host/vmclock.h"
#include "tests/support/scratch.h"

struct vmclock_fixture {
        char path[SCRATCH_MAX];
        struct vmclock_page *page;
};

struct vmclock_fixture vmclock_fixture_new(void);
void vmclock_fixture_remove(const struct vmclock_fixture *fixture);
/* What a hypervisor does after a restore (both) or a migration (disruption alone). */
void vmclock_fixture_bump(struct vmclock_page *page, uint64_t disruption, uint64_t generation);
