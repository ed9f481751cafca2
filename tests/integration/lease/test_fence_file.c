/* SPDX-License-Identifier: MIT */
/*
 * The fence file as it may be found: torn, lost, copied, restored. What cannot be
 * trusted is refused, with what to do, and left as it is; what is older than the
 * shared memory knows is corrected, with a warning.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/collect.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(fence_file, .timeout = 240);

#define FILE_MAX 1024
#define BY_HAND "sfshm fence --above ID|TIME"

static struct private_daemon d;

static const char *path_of(const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", d.state, name);
        return path;
}

/* -1: there is none. */
static ssize_t slurp(char text[FILE_MAX]) {
        int fd = open(path_of("fence"), O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_MAX - 1);

        if (fd >= 0)
                close(fd);
        if (n >= 0)
                text[n] = '\0';
        return n;
}

static void spit(const char *name, const char *text, size_t size) {
        int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert(fd >= 0);
        cr_assert_eq(write(fd, text, size), (ssize_t)size);
        close(fd);
}

/* One character of a line is another, and the checksum is right for it: as a
 * sfshmd elsewhere would have written it. */
static void change_line(const char *line, char to) {
        char text[FILE_MAX], *at, *end;
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        cr_assert_gt(slurp(text), 0);
        at = strstr(text, line);
        end = strstr(text, "checksum ");
        cr_assert(at != NULL && end != NULL);
        at[strlen(line)] = at[strlen(line)] == to ? 'f' : to;
        for (const char *c = text; c < end; c++)
                hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
        snprintf(end, 64, "checksum %016" PRIx64 "\n", hash);
        spit("fence", text, strlen(text));
}

static void truncate_file(void) {
        char text[FILE_MAX];
        ssize_t size = slurp(text);

        spit("fence", text, (size_t)size / 2);
}
static void empty_file(void) {
        spit("fence", "", 0);
}
static void tear_file(void) {
        char text[FILE_MAX];
        ssize_t size = slurp(text);

        memset(text + size / 2, 0, (size_t)(size - size / 2));
        spit("fence", text, (size_t)size);
}
static void flip_bit(void) {
        char text[FILE_MAX];
        ssize_t size = slurp(text);

        *(strstr(text, "fence-tick ") + strlen("fence-tick ")) ^= 1;
        spit("fence", text, (size_t)size);
}
static void lengthen_file(void) {
        char text[FILE_MAX];
        ssize_t size = slurp(text);

        text[size] = '\n';
        spit("fence", text, (size_t)size + 1);
}
static void lose_file(void) {
        cr_assert_eq(unlink(path_of("fence")), 0);
}
static void leave_lock(void) {
        lose_file();
        cr_assert_eq(unlink(path_of("ledger-lineage")), 0);
}
static void leave_foreign_files(void) {
        lose_file();
        cr_assert_eq(unlink(path_of("lock")), 0);
        cr_assert_eq(unlink(path_of("ledger-lineage")), 0);
        spit("something", "x", 1);
}
static void link_file(void) {
        char target[256];

        snprintf(target, sizeof(target), "%s/elsewhere", d.directory);
        cr_assert_eq(rename(path_of("fence"), target), 0);
        cr_assert_eq(symlink(target, path_of("fence")), 0);
}
static void other_machine(void) {
        change_line("machine-id ", '0');
}
static void other_version(void) {
        change_line("sfshm-state ", '2');
}
static void change_layout(void) {
        private_daemon_set(&d, "id.layout=42/9/12");
}
static void change_region(void) {
        private_daemon_set(&d, "id.region_bits=2");
}
static void change_epoch(void) {
        private_daemon_set(&d, "id.epoch=2025-01-01T00:00:00.001Z");
}
static void give_away(void) {
        cr_assert_eq(chmod(d.state, 0777), 0);
}

static const struct {
        const char *what;
        void (*change)(void);
        const char *says, *advises;
        bool by_hand; /* sfshm fence --above is a way out, and is named */
} cases[] = {
        { "torn", tear_file, "torn or damaged", "workers.horizon from now", true },
        { "truncated", truncate_file, "torn or damaged", "Put back a good copy", true },
        { "empty", empty_file, "torn or damaged", "Put back a good copy", true },
        { "bit-flipped", flip_bit, "torn or damaged", "Put back a good copy", true },
        { "longer", lengthen_file, "torn or damaged", "Put back a good copy", true },
        { "lost", lose_file, "ledger-lineage shows that this", "Put the file back", true },
        { "all but the lock", leave_lock, "lock shows that this is no", "Put the file back", true },
        { "foreign files", leave_foreign_files, "something shows that", "Put the file back", true },
        { "a link", link_file, "cannot read", "move the file away", true },
        { "of another machine", other_machine, "on another machine", "workers.first", true },
        { "of another version", other_version, "another version", "run that version", true },
        { "another layout", change_layout, "with layout 41/10/12", "Set id.layout and", false },
        { "another region", change_region, "and 0 region bits", "id.region_bits back", false },
        { "another epoch", change_epoch, "the epoch at Unix time", "Set id.epoch back", false },
        { "writable by all", give_away, "others may write", "chmod 0700", false },
};

static void expect_refused(size_t i) {
        char before[FILE_MAX] = "", after[FILE_MAX] = "", *log;
        ssize_t size = slurp(before);

        unlink(d.log);
        cr_expect_eq(private_daemon_start_fails(&d), 3, "%s", cases[i].what);
        log = private_daemon_log(&d);
        cr_expect_not_null(strstr(log, cases[i].says), "%s: %s", cases[i].what, log);
        cr_expect_not_null(strstr(log, cases[i].advises), "%s: %s", cases[i].what, log);
        cr_expect_eq(strstr(log, BY_HAND) != NULL, cases[i].by_hand, "%s: %s", cases[i].what, log);
        cr_expect_eq(slurp(after), size, "%s: the file was changed", cases[i].what);
        cr_expect_str_eq(before, after, "%s: the file was changed", cases[i].what);
        free(log);
}

/* F1: each is refused twice with the same words. Red when one of them is let pass,
 * loses its advice, or the file is written by a start that is refused. */
Test(fence_file, F1_what_cannot_be_trusted_is_refused_and_left) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                private_daemon_prepare(&d);
                private_daemon_start(&d);
                private_daemon_stop(&d);
                private_daemon_lose_segments(&d);
                cases[i].change();
                expect_refused(i);
                expect_refused(i);
                private_daemon_remove(&d);
        }
}

static bool has_failed(void *context) {
        char *log = private_daemon_log(&d);
        bool found = strstr(log, context) != NULL;

        free(log);
        return found;
}

/* The wall clock may be wrong and set right, so the daemon stays; but nobody gets
 * an ID. Red when a tick past the end is cut to the bits there are. */
Test(fence_file, F1_past_the_end_of_the_layout_there_are_no_IDs) {
        sfshm *s = NULL;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.layout=31/20/12"); /* for 24 days of January 2025 */
        private_daemon_start(&d);
        cr_assert(wait_until(has_failed, (char *)"this ID space is used up", 20000));
        cr_assert_eq(sfshm_open(&s, d.socket, 0), -ETIME);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* In a mount namespace of our own, which the daemon inherits. */
static void mount_state(const char *options, unsigned long flags) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                cr_skip_test("needs root to mount a full disk: %s", strerror(errno));
        cr_assert_eq(mount("tmpfs", d.state, "tmpfs", flags, options), 0, "%s", strerror(errno));
}

#define FILLER "lost+found" /* which says nothing about IDs */

static void fill_disk(void) {
        int fd = open(path_of(FILLER), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        char block[512] = "";

        while (write(fd, block, sizeof(block)) > 0)
                ;
        cr_assert_eq(errno, ENOSPC);
        close(fd);
}

static void expect_no_start(const char *says, const char *advises) {
        char *log;

        unlink(d.log);
        cr_expect_eq(private_daemon_start_fails(&d), 1);
        log = private_daemon_log(&d);
        cr_expect_not_null(strstr(log, says), "%s", log);
        cr_expect_not_null(strstr(log, advises), "%s", log);
        free(log);
}

/* A start needs a disk that can be written: what it promises must be durable. Red
 * when the failure of a write is not seen, or not explained. */
Test(fence_file, F1_a_start_on_a_full_or_read_only_disk_says_so) {
        private_daemon_prepare(&d);
        cr_assert_eq(mkdir(d.state, 0700), 0);
        mount_state("size=16k,mode=0700", 0);
        fill_disk();
        expect_no_start("No space left", "make room");
        cr_assert_eq(unlink(path_of(FILLER)), 0);
        private_daemon_start(&d);
        private_daemon_stop(&d);
        private_daemon_lose_segments(&d);
        fill_disk();
        expect_no_start("No space left", "make room");
        cr_assert_eq(mount(NULL, d.state, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
        expect_no_start("Read-only file system", "mount the disk for writing");
        cr_assert_eq(umount2(d.state, MNT_DETACH), 0);
        private_daemon_remove(&d);
}

static void copy_state(const char *from, const char *to) {
        char command[512];

        snprintf(command, sizeof(command), "rm -rf %2$s/%3$s && cp -a %2$s/%1$s %2$s/%3$s", from,
                 d.directory, to);
        cr_assert_eq(system(command), 0, "%s", command);
}

static void take_for(sfshm *s, struct arena *arena, size_t part, int64_t ms) {
        int64_t until = test_monotonic_ns() + ms * 1000000;
        uint64_t id;

        while (test_monotonic_ns() < until) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                arena_add(arena, part, id);
        }
}

static bool warned(void *context) {
        char *log = private_daemon_log(&d);
        bool found = strstr(log, "event=fence-found") != NULL &&
                     strstr(log, "put back from a copy") != NULL;

        (void)context;
        free(log);
        return found;
}

static bool let_in(void *context) {
        return sfshm_open(context, d.socket, 0) == 0;
}

/* A copy of the state directory is put back while the shared memory of this boot
 * knows better. `lineage`: what becomes of that file in it. */
static void restore_a_copy(const char *lineage) {
        struct arena *arena = arena_new(2, 64 << 20);
        sfshm *old, *new = NULL;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        private_daemon_start(&d);
        private_daemon_stop(&d);
        copy_state("state", "copy");
        private_daemon_start(&d);
        cr_assert_not(warned(NULL), "after a clean stop there is nothing to warn of");
        old = private_daemon_open(&d, 0);
        while (reservation_left_ms(old) < 1200)
                take_for(old, arena, 0, 20);
        private_daemon_signal(&d, SIGKILL, true);
        copy_state("copy", "state");
        if (lineage != NULL)
                spit("ledger-lineage", lineage, strlen(lineage));
        private_daemon_start(&d);
        cr_expect(warned(NULL));
        cr_assert(wait_until(let_in, &new, 60000));
        take_for(new, arena, 1, 500);
        arena_expect_unique(arena);
        sfshm_close(new);
        sfshm_close(old);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* U1: the ledger is that of the copy as well, and is gone on with. Red without the
 * warning there; the IDs are unique by the ledger. */
Test(fence_file, U1_an_older_copy_of_the_same_lineage) {
        restore_a_copy(NULL);
}

/* U1: a copy from before the ledger was begun: its fence is far too low. Red when
 * what the shared memory knows does not count. */
Test(fence_file, U1_an_older_copy_of_another_lineage) {
        restore_a_copy("0123456789abcdef");
}
