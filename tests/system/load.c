/* SPDX-License-Identifier: MIT */
/*
 * load: two processes take IDs, several thousand a second each, until SIGTERM.
 * Prints "ready" when both hold standing reservations, and at the end
 *   calls=N failed=N disorder=N duplicates=N longest_us=N
 * Exit status 0 when nothing failed, all IDs rise and none came twice.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/sfshm.h"

#define PROCESSES 2u
#define IDS_MAX (4u << 20)           /* of a process */
#define READY_NS INT64_C(2000000000) /* a standing reservation comes after a second */
#define PAUSE_NS 20000

struct taker {
        uint64_t calls, failed, disorder, n;
        int64_t longest_ns;
        uint64_t ids[IDS_MAX];
};

static atomic_bool *stop; /* shared, as the takers are */

static int64_t now_ns(void) {
        struct timespec at;

        clock_gettime(CLOCK_MONOTONIC, &at);
        return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void *shared(size_t size) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (map == MAP_FAILED) {
                perror("mmap");
                exit(2);
        }
        return map;
}

static void take_one(sfshm *s, struct taker *taker) {
        int64_t begin_ns = now_ns(), ns;
        uint64_t id;
        int r = sfshm_next(s, &id);

        ns = now_ns() - begin_ns;
        taker->calls++;
        if (ns > taker->longest_ns)
                taker->longest_ns = ns;
        if (r < 0) {
                taker->failed++;
                fprintf(stderr, "call %" PRIu64 ": %s\n", taker->calls, sfshm_strerror(r));
                return;
        }
        if (taker->n > 0 && id <= taker->ids[taker->n - 1])
                taker->disorder++;
        taker->ids[taker->n++] = id;
}

static int take(struct taker *taker, int ready) {
        int64_t ready_ns = now_ns() + READY_NS;
        sfshm *s = NULL;
        int r = sfshm_open(&s, NULL, 0);

        if (r < 0) {
                fprintf(stderr, "sfshm_open: %s\n", sfshm_strerror(r));
                return 1;
        }
        while (!atomic_load(stop) && taker->n < IDS_MAX) {
                take_one(s, taker);
                nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
                if (ready >= 0 && now_ns() > ready_ns) {
                        if (write(ready, "", 1) != 1)
                                return 1;
                        close(ready);
                        ready = -1;
                }
        }
        sfshm_close(s);
        return taker->n == IDS_MAX;
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

static uint64_t duplicates_of(struct taker *const takers[], uint64_t n) {
        uint64_t *all = calloc(n + 1, sizeof(*all)), *end = all, found = 0;

        if (all == NULL)
                return UINT64_MAX;
        for (unsigned i = 0; i < PROCESSES; i++) {
                memcpy(end, takers[i]->ids, takers[i]->n * sizeof(*all));
                end += takers[i]->n;
        }
        qsort(all, n, sizeof(*all), compare);
        for (uint64_t i = 1; i < n; i++)
                found += all[i] == all[i - 1];
        free(all);
        return found;
}

static bool report(struct taker *const takers[]) {
        static struct taker sum;
        uint64_t duplicates;

        for (unsigned i = 0; i < PROCESSES; i++) {
                sum.calls += takers[i]->calls;
                sum.failed += takers[i]->failed;
                sum.disorder += takers[i]->disorder;
                sum.n += takers[i]->n;
                if (takers[i]->longest_ns > sum.longest_ns)
                        sum.longest_ns = takers[i]->longest_ns;
        }
        duplicates = duplicates_of(takers, sum.n);
        printf("calls=%" PRIu64 " failed=%" PRIu64 " disorder=%" PRIu64 " duplicates=%" PRIu64
               " longest_us=%" PRId64 "\n", sum.calls, sum.failed, sum.disorder, duplicates,
               sum.longest_ns / 1000);
        return sum.n > 0 && sum.failed == 0 && sum.disorder == 0 && duplicates == 0;
}

static bool wait_ready(int fd) {
        char byte;

        for (unsigned i = 0; i < PROCESSES; i++)
                if (read(fd, &byte, 1) != 1)
                        return false;
        puts("ready");
        return fflush(stdout) == 0;
}

int main(void) {
        struct taker *takers[PROCESSES];
        int ready[2], signal, status = 0, child;
        bool well;
        sigset_t signals;

        stop = shared(sizeof(*stop));
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        if (pipe(ready) < 0)
                return 2;
        for (unsigned i = 0; i < PROCESSES; i++) {
                takers[i] = shared(sizeof(struct taker));
                child = fork();
                if (child == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        close(ready[0]);
                        _exit(take(takers[i], ready[1]));
                }
        }
        close(ready[1]);
        well = wait_ready(ready[0]);
        while (well && sigwait(&signals, &signal) != 0)
                ;
        atomic_store(stop, true);
        while (wait(&status) > 0)
                well = well && status == 0;
        return report(takers) && well ? 0 : 1;
}
