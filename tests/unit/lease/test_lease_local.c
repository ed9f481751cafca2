/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/lease/backends.h"
#include "daemon/lease/local.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/segment/segment.h"
#include "tests/support/capture.h"
#include "tests/support/until.h"
#include "tests/unit/support/state_fixture.h"

TestSuite(lease_local, .init = state_fixture_begin, .fini = state_fixture_end);

/* Opens, expects success, and closes at once, without a release. */
static struct lease_grant open_and_crash(uint64_t raise_to) {
        struct lease_grant grant;
        void *backend = NULL;

        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), 0);
        cr_assert_eq(lease_local.claim(backend, &grant), 0);
        if (raise_to != 0)
                cr_assert_eq(lease_local.write_fence(backend, raise_to), 0);
        lease_local.close(backend);
        return grant;
}

static void expect_refused(int error, const char *part, const char *advice) {
        void *backend = NULL;
        const char *text;

        capture_begin();
        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), error);
        text = capture_take();
        cr_assert_contains(text, part);
        cr_assert_contains(text, advice);
        cr_assert_null(backend);
}

static size_t slurp(const char *path, char *text, size_t capacity) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        cr_assert(fd >= 0);
        n = read(fd, text, capacity);
        cr_assert(n >= 0);
        close(fd);
        return (size_t)n;
}

static void spit(const char *path, const char *text, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert(fd >= 0);
        cr_assert_eq(write(fd, text, size), (ssize_t)size);
        close(fd);
}

Test(lease_local, a_first_start_makes_a_private_directory) {
        struct lease_grant grant;
        struct stat st;

        capture_begin();
        umask(0);
        grant = open_and_crash(0);
        cr_assert(grant.first_start);
        cr_assert_eq(grant.fence_tick, 0);
        cr_assert_eq(grant.worker_first, 3);
        cr_assert_eq(grant.worker_count, 2);
        cr_assert_contains(capture_take(), "created state directory");
        cr_assert_eq(stat(state_fixture.dir, &st), 0);
        cr_assert_eq(st.st_mode & 07777u, 0700);
}

/* Red when both first starts are told in the same words: an empty directory that
 * was there may be a mount point without its disk. */
Test(lease_local, a_first_start_in_an_empty_directory_says_so) {
        cr_assert_eq(mkdir(state_fixture.dir, 0700), 0);
        capture_begin();
        cr_assert(open_and_crash(0).first_start);
        cr_assert_contains(capture_take(), "is empty: this is the first start");
}

/* F1: a typo or a disk that is not mounted is no first start. Red when the whole
 * chain of missing directories is made. */
Test(lease_local, a_directory_above_that_is_missing_is_an_error) {
        struct stat st;

        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/typo/state/",
                 state_fixture.base);
        expect_refused(-ENOENT, "the directory above it does not exist", "correct daemon");
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/typo", state_fixture.base);
        cr_assert_neq(stat(state_fixture.dir, &st), 0);
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/slash//", state_fixture.base);
        cr_assert(open_and_crash(0).first_start);
}

/* U3: what was written is what the next owner reads. */
Test(lease_local, U3_the_fence_survives_a_crash) {
        struct lease_grant grant;

        open_and_crash(123456789);
        grant = open_and_crash(0);
        cr_assert_eq(grant.fence_tick, 123456789);
        cr_assert_not(grant.first_start);
        cr_assert_eq(open_and_crash(0).fence_tick, 123456789);
}

Test(lease_local, a_second_daemon_is_told_who_holds_the_state) {
        void *backend = NULL;
        char holder[64];

        cr_assert_eq(lease_local.open(&backend, NULL, &state_fixture.config), 0);
        snprintf(holder, sizeof(holder), "held by another sfshmd (pid %d)", getpid());
        expect_refused(-EBUSY, holder, "--set daemon.state_dir");
        lease_local.close(backend);
        open_and_crash(0);
}

Test(lease_local, a_killed_holder_holds_nothing) {
        int ready[2], status;
        pid_t child;
        char byte;

        cr_assert_eq(pipe(ready), 0);
        child = fork();
        if (child == 0) {
                void *backend = NULL;

                prctl(PR_SET_PDEATHSIG, SIGKILL); /* not to outlive a test that failed */
                if (lease_local.open(&backend, NULL, &state_fixture.config) < 0 ||
                    write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        pause();
        }
        cr_assert_eq(read(ready[0], &byte, 1), 1);
        expect_refused(-EBUSY, "held by another sfshmd", "stop it");
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert_not(open_and_crash(0).first_start);
}

Test(lease_local, without_workers_first_it_does_not_start) {
        state_fixture.config.has_first = false;
        expect_refused(-EINVAL, "workers.first is not set", "--set workers.first=0");
}

Test(lease_local, a_directory_which_others_may_write_is_refused) {
        open_and_crash(0);
        cr_assert_eq(chmod(state_fixture.dir, 0770), 0);
        expect_refused(-EPERM, "others may write", "chmod 0700");
        cr_assert_eq(chmod(state_fixture.dir, 0702), 0);
        expect_refused(-EPERM, "others may write", state_fixture.dir);
}

/* Red when root is told to change the owner: the daemon could not start then. */
Test(lease_local, a_directory_of_another_uid_is_refused) {
        if (geteuid() != 0)
                cr_skip_test("needs root to give the directory away");
        open_and_crash(0);
        cr_assert_eq(chown(state_fixture.dir, 65534, (gid_t)-1), 0);
        expect_refused(-EPERM, "belongs to uid 65534", "run it as that user: '");
}

Test(lease_local, a_directory_that_cannot_be_made_is_named) {
        cr_assert_eq(mkdir(state_fixture.base, 0700) == 0 || errno == EEXIST, true);
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/file", state_fixture.base);
        spit(state_fixture.dir, "", 0);
        expect_refused(-ENOTDIR, state_fixture.dir, "a directory");
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s/file/below", state_fixture.base);
        expect_refused(-ENOTDIR, state_fixture.dir, "daemon.state_dir");
}

/* Red when first_start() does not look for evidence. */
Test(lease_local, a_lost_state_is_no_first_start) {
        open_and_crash(5000);
        cr_assert_eq(unlink(state_fixture_file("fence")), 0);
        expect_refused(-ENOENT, "no first start", "sfshm fence --above");
        /* refused again, until somebody has done something about it */
        expect_refused(-ENOENT, "no first start", "Put the file back");
        cr_assert_eq(unlink(state_fixture_file("lock")), 0);
        cr_assert(open_and_crash(0).first_start);
}

Test(lease_local, a_directory_with_foreign_files_is_no_first_start) {
        cr_assert_eq(mkdir(state_fixture.base, 0700) == 0 || errno == EEXIST, true);
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s", state_fixture.base);
        spit(state_fixture_file("something"), "x", 1);
        expect_refused(-ENOENT, "something", "no first start");
}

/* A crash in the middle of the very first start leaves an unsigned lock and a
 * half-written file: still a first start. */
Test(lease_local, a_first_start_that_crashed_may_be_repeated) {
        snprintf(state_fixture.dir, sizeof(state_fixture.dir), "%s", state_fixture.base);
        spit(state_fixture_file("lock"), "", 0);
        spit(state_fixture_file("fence.new"), "sfshm-st", 8);
        cr_assert(open_and_crash(0).first_start);
        cr_assert_not(open_and_crash(0).first_start);
}

/* Every truncation and every flipped bit is an error. Red when the checksum or
 * the comparison of the re-encoding is left out. */
Test(lease_local, no_damage_goes_unnoticed) {
        char good[FENCE_FILE_TEXT_MAX], bad[FENCE_FILE_TEXT_MAX];
        struct fence_state state = { .fence_tick = 1 };
        size_t size;

        open_and_crash(987654321);
        size = slurp(state_fixture_file("fence"), good, sizeof(good));
        cr_assert_eq(fence_file_decode(good, size, &state), 0);
        cr_assert_eq(state.fence_tick, 987654321);
        state.fence_tick = 1;
        for (size_t cut = 0; cut < size; cut++)
                cr_assert_eq(fence_file_decode(good, cut, &state), -EBADMSG, "cut at %zu", cut);
        for (size_t bit = 0; bit < size * 8; bit++) {
                int r;

                memcpy(bad, good, size);
                bad[bit / 8] = (char)(bad[bit / 8] ^ 1 << bit % 8);
                r = fence_file_decode(bad, size, &state);
                cr_assert(r == -EBADMSG || r == -EPROTO, "bit %zu: %d", bit, r);
        }
        memcpy(bad, good, size);
        bad[size] = '\n';
        cr_assert_eq(fence_file_decode(bad, size + 1, &state), -EBADMSG);
        cr_assert_eq(state.fence_tick, 1);

        bad[size / 2] ^= 1;
        spit(state_fixture_file("fence"), bad, size);
        expect_refused(-EBADMSG, "torn or damaged", "Put back a good copy");
        spit(state_fixture_file("fence"), "", 0);
        expect_refused(-EBADMSG, "torn or damaged", state_fixture_file("fence"));
}

/* Rewrites the state as somebody else would have written it. */
static void change_state(void (*change)(struct fence_state *state)) {
        struct fence_state state;
        char text[FENCE_FILE_TEXT_MAX];

        cr_assert_eq(fence_file_decode(text, slurp(state_fixture_file("fence"), text, sizeof(text)),
                                       &state),
                     0);
        change(&state);
        spit(state_fixture_file("fence"), text, fence_file_encode(&state, text));
}

static void other_machine(struct fence_state *state) {
        state->machine_id[5] ^= 1;
}
static void other_layout(struct fence_state *state) {
        state->layout.tick_bits = 42;
        state->layout.worker_bits = 9;
}
static void other_region_bits(struct fence_state *state) {
        state->layout.region_bits = 2;
}
static void other_epoch(struct fence_state *state) {
        state->layout.epoch_unix_ms++;
}

Test(lease_local, a_state_of_another_machine_is_refused) {
        open_and_crash(0);
        change_state(other_machine);
        expect_refused(-EXDEV, "another machine", "workers.first");
}

Test(lease_local, a_state_of_another_layout_or_epoch_is_refused) {
        open_and_crash(0);
        change_state(other_layout);
        expect_refused(-EINVAL, "layout 42/9/12", "Set id.layout");
        change_state(other_region_bits);
        expect_refused(-EINVAL, "2 region bits", "id.region_bits back");
        state_fixture.config.layout.tick_bits = 42;
        state_fixture.config.layout.worker_bits = 9;
        state_fixture.config.layout.region_bits = 2;
        change_state(other_epoch);
        expect_refused(-EINVAL, "epoch at Unix time 1735689600001 ms", "Set id.epoch back");
}

Test(lease_local, a_state_of_another_version_is_refused) {
        open_and_crash(0);
        spit(state_fixture_file("fence"), "sfshm-state 2\nwhatever\n", 23);
        expect_refused(-EPROTO, "another version", "run that version");
}

/* The fence is one number for whatever run this directory's daemons held. */
Test(lease_local, another_worker_run_keeps_the_fence) {
        struct lease_grant grant;

        open_and_crash(77777);
        state_fixture.config.first = 9;
        state_fixture.config.count = state_fixture.config.max_count = 1;
        capture_begin();
        grant = open_and_crash(0);
        cr_assert_contains(capture_take(), "from 3+2 to 9+1");
        cr_assert_eq(grant.fence_tick, 77777);
        cr_assert_eq(grant.worker_first, 9);
        cr_assert_eq(grant.worker_count, 1);
}

Test(lease_local, an_unknown_backend_is_named) {
        struct lease *lease = NULL;

        state_fixture.config.backend = (char *)"etcetera";
        capture_begin();
        cr_assert_eq(backends_lease_new(&lease, &state_fixture.config), -EINVAL);
        cr_assert_contains(capture_take(), "workers.backend=etcetera");
        cr_assert_null(lease);
}

static uint64_t fence_on_disk(void) {
        struct fence_state state;
        char text[FENCE_FILE_TEXT_MAX];

        cr_assert_eq(fence_file_decode(text, slurp(state_fixture_file("fence"), text, sizeof(text)),
                                       &state),
                     0);
        return state.fence_tick;
}

/* The whole way: raise, durable before it is shown, released to the last promise. */
Test(lease_local, U3_a_raised_fence_is_on_disk_before_it_counts) {
        struct lease *lease = NULL;

        cr_assert_eq(backends_lease_new(&lease, &state_fixture.config), 0);
        cr_assert_eq(lease_fence(lease), 0);
        for (uint64_t fence = 1000; fence <= 20000; fence += 1000) {
                lease_raise(lease, fence);
                UNTIL(lease_fence(lease) >= fence);
                cr_assert(fence_on_disk() >= fence);
        }
        cr_assert_eq(lease_error(lease), 0);
        cr_assert_null(lease_release(lease, 12345));
        cr_assert_eq(fence_on_disk(), 12345);
}

/* A daemon that promised nothing must not lower what it found. Red when
 * lower_fence() writes last_tick as it is. */
Test(lease_local, U3_a_release_without_a_promise_keeps_the_fence_found) {
        struct lease *lease = NULL;

        open_and_crash(5555);
        cr_assert_eq(backends_lease_new(&lease, &state_fixture.config), 0);
        cr_assert_eq(lease_fence(lease), 5555);
        lease_raise(lease, 9999);
        UNTIL(lease_fence(lease) == 9999);
        cr_assert_null(lease_release(lease, 0));
        cr_assert_eq(fence_on_disk(), 5555);
        cr_assert_null(lease_release(NULL, 1));
}
