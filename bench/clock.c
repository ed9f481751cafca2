/* SPDX-License-Identifier: MIT */
/*
 * From a step of the wall clock to the state in the clock segment, with one busy
 * caller, so that the ticker runs. Starts the daemon itself, under libfaketime,
 * which sets its wall clock by a file; the kernel tells of no such step, so this
 * is the ticker's look at each tick. What the kernel tells by itself (timerfd) is
 * not measured: that would need the machine's clock. Its arguments are the
 * daemon's command line with daemon.shm=NAME in it; $SFSHM_SOCKET is the socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/support/bars.h"
#include "bench/support/measure.h"
#include "bench/support/own_daemon.h"
#include "shm/clock.h"

#define STEPS 100u /* of each kind */
#define LIMIT_NS (15 * NS_PER_S)

static char wall_file[160];
static _Atomic bool stop;

static void *call(void *handle) {
        uint64_t id;

        while (!atomic_load_explicit(&stop, memory_order_relaxed))
                (void)sfshm_next(handle, &id); /* fails while the clock stands */
        return NULL;
}

/* What the daemon's wall clock is off by, in seconds. When it was set. */
static int64_t set_wall(const char *offset) {
        char fresh[170];
        FILE *file;
        int64_t now;

        snprintf(fresh, sizeof(fresh), "%s.new", wall_file);
        file = fopen(fresh, "we");
        if (file == NULL || fprintf(file, "%s\n", offset) < 0 || fclose(file) != 0)
                fail("cannot write the file of the wall clock", -errno);
        now = now_ns();
        if (rename(fresh, wall_file) < 0)
                fail("cannot rename the file of the wall clock", -errno);
        return now;
}

static const struct clock_segment *map_clock(char *const command[]) {
        const char *shm = NULL;
        char name[160];
        void *map;
        int fd;

        for (size_t i = 0; command[i] != NULL; i++)
                if (strncmp(command[i], "daemon.shm=", strlen("daemon.shm=")) == 0)
                        shm = command[i] + strlen("daemon.shm=");
        if (shm == NULL)
                fail("no daemon.shm=NAME among the arguments", 0);
        snprintf(name, sizeof(name), "%s.clock", shm);
        fd = shm_open(name, O_RDONLY, 0);
        map = fd < 0 ? MAP_FAILED : mmap(NULL, CLOCK_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                fail("cannot open the clock segment", -errno);
        close(fd);
        return map;
}

static uint32_t reason_in(const struct clock_segment *clock) {
        return atomic_load_explicit(&clock->reason, memory_order_acquire);
}

/* In ms; does not sleep meanwhile. */
static double step(const struct clock_segment *clock, const char *offset, uint32_t reason) {
        int64_t begun = set_wall(offset), now;

        do
                now = now_ns();
        while (reason_in(clock) != reason && now - begun < LIMIT_NS);
        if (reason_in(clock) != reason)
                fail("the daemon does not notice a step; see its log", 0);
        return (double)(now - begun) / 1e6;
}

/* Right again, and let go; not in step with the ticks. */
static void set_right(const struct clock_segment *clock, unsigned n) {
        int64_t limit = set_wall("+0") + LIMIT_NS;

        while (atomic_load_explicit(&clock->state, memory_order_acquire) != CLOCK_STATE_RUNNING ||
               reason_in(clock) == CLOCK_REASON_HELD) {
                if (now_ns() > limit)
                        fail("the daemon does not go on; see its log", 0);
                sleep_ns(NS_PER_MS);
        }
        sleep_ns(20 * NS_PER_MS + n * INT64_C(7919) % 1000 * 1000);
}

static void report_steps(const char *what, double *values) {
        char name[80];

        bars_print(what, values, STEPS);
        snprintf(name, sizeof(name), "%s, p50 of %u", what, STEPS);
        report(name, percentile(values, STEPS, 0.5), "ms", TARGET_NONE);
        snprintf(name, sizeof(name), "%s, p99", what);
        report(name, percentile(values, STEPS, 0.99), "ms", TARGET_NONE);
        snprintf(name, sizeof(name), "%s, max", what);
        report_values(name, percentile(values, STEPS, 1), "ms", TARGET_BELOW(5), values, STEPS);
}

/* As far as the library can tell; without it nothing is measured. */
static bool find_library(char *ret, size_t size) {
        glob_t found;

        if (glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found) != 0) {
                printf("  not measured: libfaketime is not installed\n");
                return false;
        }
        snprintf(ret, size, "%s", found.gl_pathv[0]);
        globfree(&found);
        return true;
}

static void prepare_wall(void) {
        const char *socket = getenv("SFSHM_SOCKET");

        if (socket == NULL)
                fail("set $SFSHM_SOCKET to the socket of the command line", 0);
        snprintf(wall_file, sizeof(wall_file), "%s.wall", socket);
        (void)set_wall("+0");
        setenv("FAKETIME_TIMESTAMP_FILE", wall_file, 1);
        setenv("FAKETIME_NO_CACHE", "1", 1);
        setenv("DONT_FAKE_MONOTONIC", "1", 1);
        setenv("NO_FAKE_STAT", "1", 1);
        setenv("FAKETIME_FORCE_MONOTONIC_FIX", "0", 1);
}

int main(int argc, char **argv) {
        static double back[STEPS], forward[STEPS];
        const struct clock_segment *clock;
        char library[256];
        pthread_t caller;
        sfshm *s;
        pid_t pid;

        if (argc < 2)
                fail("usage: bench-clock SFSHMD [ARGUMENT]...", 0);
        report_title("clock", "a step of the wall clock to the state in shared memory, busy");
        if (!find_library(library, sizeof(library)))
                return 0;
        prepare_wall();
        pid = own_daemon_start(argv + 1, library, NULL);
        s = own_daemon_open();
        clock = map_clock(argv + 1);
        sfshm_set_timeout(s, 10 * NS_PER_MS);
        if (pthread_create(&caller, NULL, call, s) != 0)
                fail("cannot start a thread", 0);
        sleep_ns(NS_PER_S);
        for (unsigned i = 0; i < STEPS; i++) {
                back[i] = step(clock, "-30", CLOCK_REASON_ROLLBACK);
                set_right(clock, i);
                forward[i] = step(clock, "+3600", CLOCK_REASON_HELD);
                set_right(clock, i);
        }
        atomic_store_explicit(&stop, true, memory_order_relaxed);
        pthread_join(caller, NULL);
        sfshm_close(s);
        own_daemon_end(pid, SIGTERM);
        report_steps("back 30 s to held, ms", back);
        report_steps("forward an hour to held, ms", forward);
        return 0;
}
