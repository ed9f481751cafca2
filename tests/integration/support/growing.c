/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/growing.h"

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic int *stop;

void growing_prepare(struct private_daemon *d) {
        private_daemon_prepare(d);
        private_daemon_set(d, "id.layout=41/17/5");
        private_daemon_set(d, "id.region_bits=15");
        private_daemon_set(d, "workers.max_count=4");
        private_daemon_set(d, "reserve.standing=1s");
}

void growing_begin(void) {
        stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(stop, MAP_FAILED);
}

/* As much as there is, over any number of daemons. */
static void take(const struct private_daemon *d, struct arena *arena, size_t part) {
        const struct timespec pause = { .tv_nsec = 1000000 };
        sfshm *s = private_daemon_open(d, 0);
        uint64_t id;

        sfshm_set_timeout(s, INT64_C(1000000000));
        while (!*stop) {
                if (sfshm_next(s, &id) == 0)
                        arena_add(arena, part, id);
                else
                        nanosleep(&pause, NULL); /* no daemon */
        }
        sfshm_close(s);
        _exit(0);
}

void growing_start_takers(const struct private_daemon *d, struct arena *arena) {
        *stop = 0;
        for (size_t i = 0; i < GROWING_TAKERS; i++)
                if (fork_bound() == 0)
                        take(d, arena, i);
}

void growing_end_takers(void) {
        *stop = 1;
        expect_children(GROWING_TAKERS);
}

uint64_t growing_worker(uint64_t id) {
        return id >> 5 & 3;
}

bool growing_all_workers(void *context) {
        static size_t seen[GROWING_TAKERS];
        static unsigned found;
        const struct arena *arena = context;

        for (size_t part = 0; part < GROWING_TAKERS; part++)
                for (size_t used = arena->parts[part].used; seen[part] < used; seen[part]++)
                        found |= 1u << growing_worker(arena->parts[part].ids[seen[part]]);
        return found == (1u << GROWING_WORKERS) - 1;
}
