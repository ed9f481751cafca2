/* SPDX-License-Identifier: MIT */
#include "libclient/process.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <unistd.h>

#include "libclient/clock.h"

#define PAGE_BYTES 4096u
#define READINGS 8
#define SHARP_NS INT64_C(20000)   /* readings closer together than that are good enough */
#define SAME_NS INT64_C(50000)    /* clocks that were not shifted differ by less */
#define JIFFIES_NS INT64_C(50000000) /* times(2) counts in 10 ms */

/* ---- another time namespace? */

static uint64_t namespace_inode(void) {
        struct stat st;

        return stat("/proc/self/ns/time", &st) == 0 ? st.st_ino : 0;
}

/* The sharpest of several readings. */
static void read_place(struct process_place *ret) {
        int64_t clocks_per_second = sysconf(_SC_CLK_TCK);

        ret->blur_ns = INT64_MAX;
        for (int i = 0; i < READINGS && ret->blur_ns > SHARP_NS; i++) {
                int64_t begun = clock_boottime_ns(), wall = clock_ns(CLOCK_REALTIME);
                int64_t awake = clock_monotonic_ns(), blur = clock_boottime_ns() - begun;

                if (blur >= ret->blur_ns)
                        continue;
                ret->blur_ns = blur;
                ret->wall_ns = wall - begun;
                ret->awake_ns = awake - begun;
                ret->jiffies_ns = (int64_t)times(NULL) * (NS_PER_SECOND / clocks_per_second) - awake;
        }
}

static bool near(int64_t a, int64_t b, int64_t tolerance_ns) {
        return a - b <= tolerance_ns && b - a <= tolerance_ns;
}

/*
 * A time namespace shifts CLOCK_BOOTTIME and CLOCK_MONOTONIC against the wall clock and
 * against times(2), which no namespace shifts. The wall clock alone decides unless it was
 * set; then the namespaces' inodes do. Without /proc the other two clocks remain:
 * CLOCK_MONOTONIC must count as times(2) does, and CLOCK_BOOTTIME must not have moved against
 * it. (A suspend since then moves it as well; such a child is refused, since it cannot be told
 * from one that would make IDs of the future.)
 */
static bool at_home(const struct process_place *home) {
        struct process_place here = { 0 };
        int64_t tolerance;

        read_place(&here);
        tolerance = SAME_NS + home->blur_ns + here.blur_ns;
        if (near(here.wall_ns, home->wall_ns, tolerance))
                return true;
        here.inode = namespace_inode();
        if (here.inode != 0 && home->inode != 0)
                return here.inode == home->inode;
        return near(here.awake_ns, home->awake_ns, tolerance) &&
               near(here.jiffies_ns, home->jiffies_ns, tolerance + JIFFIES_NS);
}

/* ---- the page */

/* Without MADV_WIPEONFORK a child clears the page itself, at its first slow call. `pid` is the
 * process whose page it is; negative: one of its threads is clearing it. */
static void clear_once(struct process *p, int32_t pid) {
        /* acquire: pairs with the release below */
        int32_t seen = atomic_load_explicit(&p->pid, memory_order_acquire);

        while (seen != pid) {
                if (seen == -pid) {
                        (void)sched_yield();
                        seen = atomic_load_explicit(&p->pid, memory_order_acquire);
                } else if (atomic_compare_exchange_weak_explicit(&p->pid, &seen, -pid,
                                                                 memory_order_acquire,
                                                                 memory_order_acquire)) {
                        memset((char *)p + sizeof(p->pid), 0, sizeof(*p) - sizeof(p->pid));
                        atomic_store_explicit(&p->pid, pid, memory_order_release);
                        return;
                }
        }
}

int process_new(struct process **ret, struct process_place *ret_place) {
        struct process *process = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (process == MAP_FAILED)
                return -errno;
        read_place(ret_place);
        ret_place->inode = namespace_inode();
        ret_place->wiped = madvise(process, PAGE_BYTES, MADV_WIPEONFORK) == 0;
        if (!ret_place->wiped)
                atomic_init(&process->pid, (int32_t)syscall(SYS_getpid));
        atomic_init(&process->home, PROCESS_AT_HOME);
        *ret = process;
        return 0;
}

struct process *process_free(struct process *process) {
        if (process != NULL)
                munmap(process, PAGE_BYTES);
        return NULL;
}

int process_check(struct process *process, const struct process_place *place) {
        uint32_t home;

        if (!place->wiped)
                clear_once(process, (int32_t)syscall(SYS_getpid));
        /* relaxed: all threads of a process find the same */
        home = atomic_load_explicit(&process->home, memory_order_relaxed);
        if (home == PROCESS_NEW) {
                home = at_home(place) ? PROCESS_AT_HOME : PROCESS_ABROAD;
                atomic_store_explicit(&process->home, home, memory_order_relaxed);
        }
        return home == PROCESS_AT_HOME ? 0 : -EPROTO;
}
