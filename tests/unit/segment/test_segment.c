/* SPDX-License-Identifier: MIT */
/* Segments. What needs root is skipped without it, and says so. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/ids.h"
#include "tests/support/capture.h"
#include "tests/unit/support/segment_fixture.h"

TestSuite(segment, .init = segment_fixture_begin, .fini = segment_fixture_remove_all,
          .timeout = 120);

static bool all_zero(const struct segment *segment) {
        const unsigned char *bytes = segment->map;

        for (size_t i = 0; i < segment->size; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}

static void new_then_adopted(const char *where, const char *path) {
        struct segment a, b;

        umask(077); /* must have no say */
        a = segment_fixture_make(where, "clock", 0644);
        cr_assert(a.fresh && a.size == SEGMENT_SIZE && all_zero(&a));
        cr_assert_neq(access(path, F_OK), 0, "visible before it was published");
        strcpy(a.map, "hello");
        cr_assert_eq(segment_publish(&a, where, "clock"), 0);
        segment_fixture_check_file(path, 0644);
        b = segment_fixture_make(where, "clock", 0644);
        cr_assert(!b.fresh);
        cr_assert_str_eq(b.map, "hello");
        cr_assert_eq(segment_publish(&b, where, "clock"), 0);
        strcpy(b.map, "again");
        cr_assert_str_eq(a.map, "again");
        segment_close(&a);
        segment_close(&b);
        cr_assert(b.fd == -1 && !b.map);
        cr_assert_eq(access(path, F_OK), 0);
        cr_assert_str_eq(capture_take(), "");
}

Test(segment, a_new_one_is_zero_prefaulted_and_then_adopted) {
        char path[128];

        new_then_adopted(segment_fixture.directory, segment_fixture_in("clock"));
        snprintf(path, sizeof(path), "/dev/shm%s.clock", segment_fixture.shm);
        new_then_adopted(segment_fixture.shm, path);
}

/* Everybody who is not the daemon finds the POSIX name with shm_open(). */
Test(segment, a_posix_name_is_found_by_shm_open) {
        struct segment segment = segment_fixture_make(segment_fixture.shm, "clock", 0644);
        char name[80];
        int fd;

        snprintf(name, sizeof(name), "%s.clock", segment_fixture.shm);
        cr_assert_eq(segment_publish(&segment, segment_fixture.shm, "clock"), 0);
        fd = shm_open(name, O_RDONLY, 0);
        cr_assert(fd >= 0);
        close(fd);
        segment_close(&segment);
}

static bool accepts(const void *map, size_t size, const void *context) {
        return size == SEGMENT_SIZE && strcmp(map, context) == 0;
}

static struct segment open_wanting(const char *text, size_t size) {
        struct segment segment = SEGMENT_NONE;

        cr_assert_eq(segment_open(&segment, segment_fixture.directory, "ledger", size, 0600,
                                  (gid_t)-1, accepts, text),
                     0);
        return segment;
}

/* Rule 11: who has the old one mapped keeps it, whole and unchanged. */
Test(segment, rule_11_one_that_does_not_fit_is_replaced_not_changed) {
        struct segment old = segment_fixture_make(segment_fixture.directory, "ledger", 0600), new,
                       larger, found;
        struct stat st;

        strcpy(old.map, "old");
        cr_assert_eq(segment_publish(&old, segment_fixture.directory, "ledger"), 0);
        new = open_wanting("new", SEGMENT_SIZE);
        cr_assert(new.fresh && all_zero(&new));
        cr_assert_contains(capture_take(), "a new one takes its place");
        strcpy(new.map, "new");
        cr_assert_eq(segment_publish(&new, segment_fixture.directory, "ledger"), 0);
        cr_assert_str_eq(old.map, "old");
        found = open_wanting("new", SEGMENT_SIZE);
        cr_assert(!found.fresh);
        larger = open_wanting("new", SEGMENT_SIZE * 2);
        cr_assert(larger.fresh);
        cr_assert_contains(capture_take(), "(12288 bytes)");
        cr_assert(fstat(found.fd, &st) == 0 && st.st_size == SEGMENT_SIZE);
        cr_assert_str_eq(found.map, "new");
        segment_close(&old);
        segment_close(&new);
        segment_close(&larger);
        segment_close(&found);
}

/* Without a name there is nothing to clean up after a crash. */
Test(segment, a_new_one_that_is_never_published_leaves_nothing) {
        struct segment segment = segment_fixture_make(segment_fixture.directory, "clock", 0644);

        segment_close(&segment);
        cr_assert_eq(rmdir(segment_fixture.directory), 0, "%m");
}

Test(segment, squatted_names_are_refused_by_name) {
        char target[128];
        const char *says;

        strcpy(target, segment_fixture_in("target"));
        segment_fixture_touch(target, 0644, SEGMENT_SIZE);
        cr_assert_eq(symlink(target, segment_fixture_in("clock")), 0);
        says = segment_fixture_refused(segment_fixture.directory, "clock", 0644, -EEXIST);
        cr_assert_contains(says, segment_fixture_in("clock"));
        cr_assert_contains(says, "taken by a symbolic link of uid");
        cr_assert_eq(symlink("/nowhere", segment_fixture_in("dangling")), 0);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "dangling", 0644, -EEXIST),
                "symbolic link");
        cr_assert_eq(mkdir(segment_fixture_in("dir"), 0700), 0);
        cr_assert_contains(segment_fixture_refused(segment_fixture.directory, "dir", 0644, -EEXIST),
                           "taken by a directory");
        cr_assert_eq(mkfifo(segment_fixture_in("fifo"), 0644), 0);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "fifo", 0644, -EEXIST),
                "taken by a special file");
        cr_assert_eq(link(target, segment_fixture_in("linked")), 0);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "linked", 0644, -EEXIST),
                "2 links");
        segment_fixture_touch(segment_fixture_in("open"), 0666, SEGMENT_SIZE);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "open", 0644, -EEXIST),
                "mode 0666 and 1 links instead of mode 0644");
}

Test(segment, another_uids_file_is_refused_even_by_root) {
        char path[128];
        const char *says;

        segment_fixture_need_root();
        snprintf(path, sizeof(path), "/dev/shm%s.clock", segment_fixture.shm);
        segment_fixture_touch(path, 0644, SEGMENT_SIZE);
        cr_assert_eq(chown(path, STRANGER, STRANGER), 0);
        says = segment_fixture_refused(segment_fixture.shm, "clock", 0644, -EEXIST);
        cr_assert_contains(says, path);
        cr_assert_contains(says, "a file of uid 65534");
        cr_assert_contains(says, "set another daemon.shm");
}

Test(segment, directories_that_cannot_be_trusted_are_refused) {
        char target[128];

        cr_assert_contains(segment_fixture_refused("sfshm", "clock", 0644, -EINVAL),
                           "sfshm cannot hold");
        cr_assert_contains(segment_fixture_refused("/", "clock", 0644, -EINVAL), "cannot hold");
        strcpy(target, segment_fixture_in("none"));
        cr_assert_contains(segment_fixture_refused(target, "clock", 0644, -ENOENT), target);
        cr_assert_eq(symlink(segment_fixture.directory, target), 0);
        cr_assert_contains(segment_fixture_refused(target, "clock", 0644, -ENOTDIR), "not a link");
        cr_assert_eq(chmod(segment_fixture.directory, 0777), 0);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "clock", 0644, -EPERM),
                "set its sticky bit");
        cr_assert_eq(chmod(segment_fixture.directory, 0770), 0);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "clock", 0644, -EPERM),
                "mode 0770");
        cr_assert_contains(segment_fixture_refused("/proc/sys", "clock", 0644, -EINVAL),
                           "not on a tmpfs");
        if (geteuid() == 0) {
                cr_assert_eq(chmod(segment_fixture.directory, 0700), 0);
                cr_assert_eq(chown(segment_fixture.directory, STRANGER, STRANGER), 0);
                cr_assert_contains(
                        segment_fixture_refused(segment_fixture.directory, "clock", 0644, -EPERM),
                        "belongs to uid 65534");
        }
}

Test(segment, the_group_is_as_asked_for_also_when_adopted) {
        struct segment a = SEGMENT_NONE, b = SEGMENT_NONE;
        struct stat st;

        segment_fixture_need_root();
        cr_assert_eq(segment_open(&a, segment_fixture.directory, "statistics", SEGMENT_SIZE, 0640,
                                  4, NULL, NULL),
                     0);
        cr_assert_eq(segment_publish(&a, segment_fixture.directory, "statistics"), 0);
        cr_assert_eq(stat(segment_fixture_in("statistics"), &st), 0);
        cr_assert(st.st_gid == 4 && (st.st_mode & 07777) == 0640);
        cr_assert_eq(segment_open(&b, segment_fixture.directory, "statistics", SEGMENT_SIZE, 0640,
                                  5, NULL, NULL),
                     0);
        cr_assert(!b.fresh);
        cr_assert_eq(stat(segment_fixture_in("statistics"), &st), 0);
        cr_assert(st.st_gid == 5 && (st.st_mode & 07777) == 0640);
        segment_close(&a);
        segment_close(&b);
}

/* A tmpfs of its own, in a mount namespace of this test's process. */
Test(segment, a_full_file_system_is_named_with_what_is_needed) {
        const char *says;

        segment_fixture_need_root();
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                segment_fixture_skip("this kernel or container allows no mount namespace");
        cr_assert_eq(mount("none", segment_fixture.directory, "tmpfs", 0, "size=8k,mode=755"), 0);
        says = segment_fixture_refused(segment_fixture.directory, "clock", 0644, -ENOSPC);
        cr_assert_contains(says, segment_fixture.directory);
        cr_assert_contains(says, "is full: clock needs 12288 bytes, 8192 are free");
        cr_assert_eq(umount(segment_fixture.directory), 0);
}

Test(segment, only_one_opening_holds_the_lock) {
        struct segment a = segment_fixture_make(segment_fixture.directory, "ledger", 0600), b;

        cr_assert_eq(segment_publish(&a, segment_fixture.directory, "ledger"), 0);
        b = segment_fixture_make(segment_fixture.directory, "ledger", 0600);
        cr_assert_eq(segment_lock(&a), 0);
        cr_assert_eq(segment_lock(&a), 0);
        cr_assert_eq(segment_lock(&b), -EBUSY);
        segment_close(&a);
        cr_assert_eq(segment_lock(&b), 0);
        segment_close(&b);
        cr_assert_eq(segment_lock(&b), -EBADF);
}

Test(segment, a_memfd_is_sealed_prefaulted_and_private) {
        struct segment segment = SEGMENT_NONE;
        const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        struct stat st;

        umask(0);
        cr_assert_eq(segment_memfd(&segment, "test", SEGMENT_SIZE), 0);
        cr_assert(segment.fresh && all_zero(&segment));
        cr_assert_eq(fcntl(segment.fd, F_GET_SEALS) & wanted, wanted);
        cr_assert_eq(fcntl(segment.fd, F_GET_SEALS) & F_SEAL_WRITE, 0);
        cr_assert(fcntl(segment.fd, F_GETFD) & FD_CLOEXEC);
        cr_assert_eq(fstat(segment.fd, &st), 0);
        cr_assert(st.st_size == SEGMENT_SIZE && st.st_blocks * 512 == SEGMENT_SIZE);
        cr_assert_eq(st.st_mode & 07777, 0600);
        cr_assert(ftruncate(segment.fd, 0) < 0 && errno == EPERM);
        cr_assert(fcntl(segment.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
        segment_unmap(&segment);
        cr_assert(!segment.map && segment.fd >= 0 && segment.size == SEGMENT_SIZE);
        cr_assert_eq(pwrite(segment.fd, "x", 1, SEGMENT_SIZE - 1), 1);
        segment_close(&segment);
        segment_close(&segment);
}

Test(segment, a_reopened_descriptor_reads_the_same_pages_and_cannot_write) {
        struct segment segment = SEGMENT_NONE;
        char *map;
        int fd;

        cr_assert_eq(segment_memfd(&segment, "test", SEGMENT_SIZE), 0);
        fd = segment_reopen_readonly(&segment);
        cr_assert(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
        cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        map = mmap(NULL, SEGMENT_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        cr_assert(map != MAP_FAILED);
        strcpy(segment.map, "shared");
        cr_assert_str_eq(map, "shared");
        cr_assert_eq(mmap(NULL, SEGMENT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
        munmap(map, SEGMENT_SIZE);
        close(fd);
        segment_close(&segment);
        cr_assert_eq(segment_reopen_readonly(&segment), -ENOENT);
}

Test(segment, without_descriptors_it_says_so) {
        struct rlimit limit, none;
        struct segment segment = SEGMENT_NONE;

        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        cr_assert_eq(segment_memfd(&segment, "test", SEGMENT_SIZE), -EMFILE);
        cr_assert_eq(segment.fd, -1);
        cr_assert_contains(
                segment_fixture_refused(segment_fixture.directory, "clock", 0644, -EMFILE),
                "Too many open files");
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void read_hex(const char *path, uint8_t expected[16]) {
        FILE *file = fopen(path, "r");
        int c;

        cr_assert_not_null(file);
        for (unsigned n = 0; n < 32 && (c = fgetc(file)) != EOF;) {
                char digit[2] = { (char)c, '\0' };

                if (c == '-')
                        continue;
                if (n % 2 == 0)
                        expected[n / 2] = (uint8_t)(strtoul(digit, NULL, 16) << 4);
                else
                        expected[n / 2] |= (uint8_t)strtoul(digit, NULL, 16);
                n++;
        }
        fclose(file);
}

Test(segment, the_boots_id_is_the_kernels) {
        uint8_t id[16] = { 0 }, expected[16] = { 0 };

        cr_assert_eq(ids_boot(id), 0);
        read_hex("/proc/sys/kernel/random/boot_id", expected);
        cr_assert_eq(memcmp(id, expected, 16), 0);
}

static int machine_id_of(const char *text, uint8_t id[16]) {
        FILE *file = fopen(segment_fixture_in("machine-id"), "w");
        int r;

        cr_assert_not_null(file);
        fputs(text, file);
        fclose(file);
        cr_assert_eq(
                mount(segment_fixture_in("machine-id"), "/etc/machine-id", NULL, MS_BIND, NULL), 0);
        r = ids_machine(id);
        cr_assert_eq(umount("/etc/machine-id"), 0);
        return r;
}

Test(segment, a_machine_id_is_read_or_named_missing_or_bad) {
        static const uint8_t expected[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                              0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88 };
        uint8_t id[16] = { 42 };

        segment_fixture_need_root();
        if (access("/etc/machine-id", F_OK) != 0)
                segment_fixture_skip("there is no /etc/machine-id to mount over");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                segment_fixture_skip("this kernel or container allows no mount namespace");
        cr_assert_eq(machine_id_of("", id), -ENOENT);
        cr_assert_eq(machine_id_of("\n", id), -ENOENT);
        cr_assert_eq(machine_id_of("uninitialized\n", id), -ENOENT);
        cr_assert_eq(machine_id_of("0123456789abcdefffeeddccbbaa998\n", id), -EBADMSG);
        cr_assert_eq(machine_id_of("0123456789abcdefffeeddccbbaa99888\n", id), -EBADMSG);
        cr_assert_eq(machine_id_of("0123456789abcdefffeeddccbbaa998g\n", id), -EBADMSG);
        cr_assert_eq(id[0], 42);
        cr_assert_eq(machine_id_of("0123456789abcdefffeeddccbbaa9988\n", id), 0);
        cr_assert_eq(memcmp(id, expected, 16), 0);
}
