/* SPDX-License-Identifier: MIT */
/*
 * U3: a daemon killed at any step of a fence write leaves the old fence or the
 * new one, whole, and the new one for certain once the write has returned.
 * Built with the kill points armed; each is visited.
 *
 * Red when fence_file_write() writes the file in place, or renames it before it
 * is written.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/lease/state/fence_file.h"
#include "tests/support/scratch.h"

/* unlink, create, write, sync, rename, sync of the directory */
#define STEPS_OF_A_FENCE_WRITE 6u
#define OLD_FENCE UINT64_C(1000)
#define NEW_FENCE UINT64_C(2000)

static char directory[SCRATCH_MAX];
static int dir_fd;

static void set_up(void) {
        scratch_directory(directory, "fence");
        dir_fd = open(directory, O_RDONLY | O_DIRECTORY);
        cr_assert_geq(dir_fd, 0);
}

static void tear_down(void) {
        unlinkat(dir_fd, FENCE_FILE_NAME, 0);
        unlinkat(dir_fd, FENCE_FILE_NEW_NAME, 0);
        close(dir_fd);
        rmdir(directory);
}

TestSuite(U3, .init = set_up, .fini = tear_down, .timeout = 60);

static int write_state(uint64_t fence_tick) {
        struct fence_state state = { .layout = id_layout_default, .worker_count = 1,
                                     .fence_tick = fence_tick };

        return fence_file_write(dir_fd, &state, &small_file_kernel);
}

/* Writes the new fence in a child that dies at its `at`-th step; was it killed? */
static bool killed_at(unsigned at) {
        pid_t child = fork();
        int status = 0;

        cr_assert_geq(child, 0);
        if (child == 0) {
                char text[16];

                snprintf(text, sizeof(text), "%u", at);
                setenv("SFSHM_FAULT_AT", text, 1);
                _exit(write_state(NEW_FENCE) != 0);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        if (WIFEXITED(status))
                cr_assert_eq(WEXITSTATUS(status), 0);
        return WIFSIGNALED(status);
}

Test(U3, killed_at_every_step_of_a_fence_write) {
        unsigned at = 1, news = 0;
        bool killed = true;

        for (; killed; at++) {
                struct fence_state found;

                cr_assert_eq(write_state(OLD_FENCE), 0);
                killed = killed_at(at);
                cr_assert_eq(fence_file_read(dir_fd, &found), 0, "torn at step %u", at);
                cr_assert(found.fence_tick == OLD_FENCE || found.fence_tick == NEW_FENCE);
                cr_assert(killed || found.fence_tick == NEW_FENCE);
                news += found.fence_tick == NEW_FENCE;
        }
        cr_expect_eq(at - 2, STEPS_OF_A_FENCE_WRITE, "%u kill points", at - 2);
        cr_expect_eq(news, 3, "the new fence counts from the rename on");
}
