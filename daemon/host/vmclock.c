/* SPDX-License-Identifier: MIT */
#include "daemon/host/vmclock.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* An update is a few stores of the hypervisor, while the processors of this machine mostly
 * stand still. */
#define TRIES_MAX 1000

/* The hypervisor writes concurrently, so every field is read as a whole, by an atomic. */
struct vmclock {
        void *map;
        size_t size;
};

static uint32_t load32(const struct vmclock *vmclock, size_t offset, memory_order order) {
        const _Atomic uint32_t *word = (const void *)((const char *)vmclock->map + offset);

        return le32toh(atomic_load_explicit(word, order));
}

/* relaxed: ordered by the loads of the sequence, see read_once() */
static uint64_t load64(const struct vmclock *vmclock, size_t offset) {
        const _Atomic uint64_t *word = (const void *)((const char *)vmclock->map + offset);

        return le64toh(atomic_load_explicit(word, memory_order_relaxed));
}

static bool recognised(const struct vmclock *vmclock) {
        /* relaxed: these never change */
        uint32_t magic = load32(vmclock, offsetof(struct vmclock_page, magic),
                                memory_order_relaxed);
        uint32_t size = load32(vmclock, offsetof(struct vmclock_page, size), memory_order_relaxed);
        const uint16_t *version = (const void *)((const char *)vmclock->map +
                                                 offsetof(struct vmclock_page, version));

        /* the generation was added later: a page without it may be smaller */
        return magic == VMCLOCK_PAGE_MAGIC && le16toh(*version) == VMCLOCK_PAGE_VERSION &&
               size >= offsetof(struct vmclock_page, generation);
}

/* The driver maps exactly one page. A file, as in a test, must be as long as what is read,
 * or reading it would raise SIGBUS. */
static int map_page(struct vmclock *vmclock, int fd) {
        long page = sysconf(_SC_PAGESIZE);
        struct stat status;

        if (fstat(fd, &status) < 0)
                return -errno;
        if (S_ISREG(status.st_mode) && status.st_size < (off_t)sizeof(struct vmclock_page))
                return -EPROTO;
        if (!S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode))
                return -EPROTO;
        vmclock->size = (size_t)page;
        vmclock->map = mmap(NULL, vmclock->size, PROT_READ, MAP_SHARED, fd, 0);
        return vmclock->map == MAP_FAILED ? -errno : 0;
}

static int open_page(struct vmclock *vmclock, const char *path) {
        int r, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        r = map_page(vmclock, fd);
        close(fd);
        if (r < 0)
                return r;
        return recognised(vmclock) ? 0 : -EPROTO;
}

int vmclock_open(struct vmclock **ret, const char *path) {
        struct vmclock *vmclock = calloc(1, sizeof(*vmclock));
        int r;

        if (vmclock == NULL)
                return -ENOMEM;
        vmclock->map = MAP_FAILED;
        r = open_page(vmclock, path);
        if (r < 0) {
                vmclock_close(vmclock);
                return r;
        }
        *ret = vmclock;
        return 0;
}

struct vmclock *vmclock_close(struct vmclock *vmclock) {
        if (vmclock == NULL)
                return NULL;
        if (vmclock->map != MAP_FAILED)
                munmap(vmclock->map, vmclock->size);
        free(vmclock);
        return NULL;
}

static bool read_once(const struct vmclock *vmclock, struct vmclock_state *ret) {
        const size_t at = offsetof(struct vmclock_page, sequence);
        /* acquire: pairs with the hypervisor's barrier before it makes the sequence even */
        uint32_t sequence = load32(vmclock, at, memory_order_acquire);
        uint64_t flags = load64(vmclock, offsetof(struct vmclock_page, flags));
        uint32_t size = load32(vmclock, offsetof(struct vmclock_page, size), memory_order_relaxed);

        ret->disruption = load64(vmclock, offsetof(struct vmclock_page, disruption));
        ret->has_generation = (flags & VMCLOCK_PAGE_GENERATION) != 0 &&
                              size >= sizeof(struct vmclock_page);
        ret->generation = load64(vmclock, offsetof(struct vmclock_page, generation));
        /* acquire: the loads above come before the second load of the sequence. It pairs
         * with the hypervisor's barrier after it made the sequence odd. */
        atomic_thread_fence(memory_order_acquire);
        return (sequence & 1) == 0 && load32(vmclock, at, memory_order_relaxed) == sequence;
}

int vmclock_read(const struct vmclock *vmclock, struct vmclock_state *ret) {
        struct vmclock_state state;

        for (int i = 0; i < TRIES_MAX; i++) {
                if (!read_once(vmclock, &state))
                        continue;
                if (!state.has_generation)
                        state.generation = 0;
                *ret = state;
                return 0;
        }
        return -EAGAIN;
}
