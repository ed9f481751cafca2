/* SPDX-License-Identifier: MIT */
#include "tests/support/wall_clock.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "shm/id.h"
#include "tests/support/sanitized.h"

static char preload[512], wall_file[96];

void wall_clock_find(void) {
        glob_t found;

        if (sanitized())
                cr_skip_test("libfaketime and a sanitizer's runtime both want to be loaded first");
        if (glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found) != 0)
                cr_skip_test("libfaketime is not installed: apt-get install libfaketime");
        cr_assert_not_null(getenv("REAL_TIMERS"), "set $REAL_TIMERS to the built library");
        snprintf(preload, sizeof(preload), "%s:%s", getenv("REAL_TIMERS"), found.gl_pathv[0]);
        globfree(&found);
}

int64_t wall_clock_set(const char *offset) {
        char fresh[120];
        int64_t now;
        FILE *file;

        snprintf(fresh, sizeof(fresh), "%s.new", wall_file);
        file = fopen(fresh, "we");
        cr_assert_not_null(file);
        fprintf(file, "%s\n", offset);
        fclose(file);
        now = test_monotonic_ns();
        cr_assert_eq(rename(fresh, wall_file), 0);
        return now;
}

void wall_clock_prepare(const struct private_daemon *d) {
        snprintf(wall_file, sizeof(wall_file), "%s/wall", d->directory);
        (void)wall_clock_set("+0");
}

void wall_clock_enter(void) {
        setenv("LD_PRELOAD", preload, 1);
        setenv("FAKETIME_TIMESTAMP_FILE", wall_file, 1);
        setenv("FAKETIME_NO_CACHE", "1", 1);
        setenv("DONT_FAKE_MONOTONIC", "1", 1);
        setenv("NO_FAKE_STAT", "1", 1);
        setenv("FAKETIME_FORCE_MONOTONIC_FIX", "0", 1); /* its remedy makes waits return at once */
}

/* libfaketime's own shared memory, which a process that is killed leaves behind. What it
 * has mapped by now stays mapped. */
static void unlink_faketime(pid_t pid) {
        char name[64];

        snprintf(name, sizeof(name), "/faketime_shm_%d", (int)pid);
        shm_unlink(name);
        snprintf(name, sizeof(name), "/faketime_sem_%d", (int)pid);
        sem_unlink(name);
}

void wall_clock_start(struct private_daemon *d) {
        wall_clock_enter();
        private_daemon_start(d);
        unsetenv("LD_PRELOAD");
        unlink_faketime(d->pid);
}

int64_t wall_clock_right_tick(void) {
        struct timespec ts;

        clock_gettime(CLOCK_REALTIME, &ts);
        return ts.tv_sec * 1000 + ts.tv_nsec / 1000000 - ID_DEFAULT_EPOCH_UNIX_MS;
}
