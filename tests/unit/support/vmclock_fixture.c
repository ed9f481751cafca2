/* SPDX-License-Identifier: MIT */
#include "tests/unit/support/vmclock_fixture.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <unistd.h>

struct vmclock_fixture vmclock_fixture_new(void) {
        struct vmclock_fixture fixture;
        int fd = scratch_file(fixture.path, "vmclock");

        cr_assert_eq(ftruncate(fd, 4096), 0);
        fixture.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        cr_assert(fixture.page != MAP_FAILED);
        close(fd);
        *fixture.page = (struct vmclock_page){
                .magic = VMCLOCK_PAGE_MAGIC,
                .size = 4096,
                .version = VMCLOCK_PAGE_VERSION,
                .sequence = 2,
                .disruption = 5,
                .flags = VMCLOCK_PAGE_GENERATION,
                .generation = 77,
        };
        return fixture;
}

void vmclock_fixture_remove(const struct vmclock_fixture *fixture) {
        unlink(fixture->path);
}

static void vmclock_fixture_sequence(struct vmclock_page *page) {
        /* both barriers of the writer's protocol in one */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void vmclock_fixture_bump(struct vmclock_page *page, uint64_t disruption, uint64_t generation) {
        vmclock_fixture_sequence(page);
        __atomic_store_n(&page->disruption, page->disruption + disruption, __ATOMIC_RELAXED);
        __atomic_store_n(&page->generation, page->generation + generation, __ATOMIC_RELAXED);
        vmclock_fixture_sequence(page);
}
