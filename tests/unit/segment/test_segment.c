/* SPDX-License-Identifier: MIT */
/* Segments. What needs root is skipped without it, and says so. */
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "daemon/host/ids.h"
#include "tests/unit/segment_fixture.h"

TestSuite(segment, .init = set_up, .fini = remove_all, .timeout = 120);

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
        a = make(where, "clock", 0644);
        cr_assert(a.fresh && a.size == SIZE && all_zero(&a));
        cr_assert_neq(access(path, F_OK), 0, "visible before it was published");
        strcpy(a.map, "hello");
        cr_assert_eq(segment_publish(&a, where, "clock"), 0);
        check_file(path, 0644);
        b = make(where, "clock", 0644);
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

        new_then_adopted(directory, in_directory("clock"));
        snprintf(path, sizeof(path), "/dev/shm%s.clock", shm);
        new_then_adopted(shm, path);
}

/* Everybody who is not the daemon finds the POSIX name with shm_open(). */
Test(segment, a_posix_name_is_found_by_shm_open) {
        struct segment segment = make(shm, "clock", 0644);
        char name[80];
        int fd;

        snprintf(name, sizeof(name), "%s.clock", shm);
        cr_assert_eq(segment_publish(&segment, shm, "clock"), 0);
        fd = shm_open(name, O_RDONLY, 0);
        cr_assert(fd >= 0);
        close(fd);
        segment_close(&segment);
}

static bool accepts(const void *map, size_t size, const void *context) {
        return size == SIZE && strcmp(map, context) == 0;
}

static struct segment open_wanting(const char *text, size_t size) {
        struct segment segment = SEGMENT_NONE;

        cr_assert_eq(segment_open(&segment, directory, "ledger", size, 0600, (gid_t)-1, accepts,
                                  text),
                     0);
        return segment;
}

/* Rule 11: who has the old one mapped keeps it, whole and unchanged. */
Test(segment, rule_11_one_that_does_not_fit_is_replaced_not_changed) {
        struct segment old = make(directory, "ledger", 0600), new, larger, found;
        struct stat st;

        strcpy(old.map, "old");
        cr_assert_eq(segment_publish(&old, directory, "ledger"), 0);
        new = open_wanting("new", SIZE);
        cr_assert(new.fresh && all_zero(&new));
        cr_assert_contains(capture_take(), "a new one takes its place");
        strcpy(new.map, "new");
        cr_assert_eq(segment_publish(&new, directory, "ledger"), 0);
        cr_assert_str_eq(old.map, "old");
        found = open_wanting("new", SIZE);
        cr_assert(!found.fresh);
        larger = open_wanting("new", SIZE * 2);
        cr_assert(larger.fresh);
        cr_assert_contains(capture_take(), "(12288 bytes)");
        cr_assert(fstat(found.fd, &st) == 0 && st.st_size == SIZE);
        cr_assert_str_eq(found.map, "new");
        segment_close(&old);
        segment_close(&new);
        segment_close(&larger);
        segment_close(&found);
}

/* Without a name there is nothing to clean up after a crash. */
Test(segment, a_new_one_that_is_never_published_leaves_nothing) {
        struct segment segment = make(directory, "clock", 0644);

        segment_close(&segment);
        cr_assert_eq(rmdir(directory), 0, "%m");
}

Test(segment, squatted_names_are_refused_by_name) {
        char target[128];
        const char *says;

        strcpy(target, in_directory("target"));
        touch(target, 0644, SIZE);
        cr_assert_eq(symlink(target, in_directory("clock")), 0);
        says = refused(directory, "clock", 0644, -EEXIST);
        cr_assert_contains(says, in_directory("clock"));
        cr_assert_contains(says, "taken by a symbolic link of uid");
        cr_assert_eq(symlink("/nowhere", in_directory("dangling")), 0);
        cr_assert_contains(refused(directory, "dangling", 0644, -EEXIST), "symbolic link");
        cr_assert_eq(mkdir(in_directory("dir"), 0700), 0);
        cr_assert_contains(refused(directory, "dir", 0644, -EEXIST), "taken by a directory");
        cr_assert_eq(mkfifo(in_directory("fifo"), 0644), 0);
        cr_assert_contains(refused(directory, "fifo", 0644, -EEXIST), "taken by a special file");
        cr_assert_eq(link(target, in_directory("linked")), 0);
        cr_assert_contains(refused(directory, "linked", 0644, -EEXIST), "2 links");
        touch(in_directory("open"), 0666, SIZE);
        cr_assert_contains(refused(directory, "open", 0644, -EEXIST),
                           "mode 0666 and 1 links instead of mode 0644");
}

Test(segment, another_uids_file_is_refused_even_by_root) {
        char path[128];
        const char *says;

        need_root();
        snprintf(path, sizeof(path), "/dev/shm%s.clock", shm);
        touch(path, 0644, SIZE);
        cr_assert_eq(chown(path, STRANGER, STRANGER), 0);
        says = refused(shm, "clock", 0644, -EEXIST);
        cr_assert_contains(says, path);
        cr_assert_contains(says, "a file of uid 65534");
        cr_assert_contains(says, "set another daemon.shm");
}

Test(segment, directories_that_cannot_be_trusted_are_refused) {
        char target[128];

        cr_assert_contains(refused("sfshm", "clock", 0644, -EINVAL), "sfshm cannot hold");
        cr_assert_contains(refused("/", "clock", 0644, -EINVAL), "cannot hold");
        strcpy(target, in_directory("none"));
        cr_assert_contains(refused(target, "clock", 0644, -ENOENT), target);
        cr_assert_eq(symlink(directory, target), 0);
        cr_assert_contains(refused(target, "clock", 0644, -ENOTDIR), "not a link");
        cr_assert_eq(chmod(directory, 0777), 0);
        cr_assert_contains(refused(directory, "clock", 0644, -EPERM), "set its sticky bit");
        cr_assert_eq(chmod(directory, 0770), 0);
        cr_assert_contains(refused(directory, "clock", 0644, -EPERM), "mode 0770");
        cr_assert_contains(refused("/proc/sys", "clock", 0644, -EINVAL), "not on a tmpfs");
        if (geteuid() == 0) {
                cr_assert_eq(chmod(directory, 0700), 0);
                cr_assert_eq(chown(directory, STRANGER, STRANGER), 0);
                cr_assert_contains(refused(directory, "clock", 0644, -EPERM),
                                   "belongs to uid 65534");
        }
}

Test(segment, the_group_is_as_asked_for_also_when_adopted) {
        struct segment a = SEGMENT_NONE, b = SEGMENT_NONE;
        struct stat st;

        need_root();
        cr_assert_eq(segment_open(&a, directory, "statistics", SIZE, 0640, 4, NULL, NULL), 0);
        cr_assert_eq(segment_publish(&a, directory, "statistics"), 0);
        cr_assert_eq(stat(in_directory("statistics"), &st), 0);
        cr_assert(st.st_gid == 4 && (st.st_mode & 07777) == 0640);
        cr_assert_eq(segment_open(&b, directory, "statistics", SIZE, 0640, 5, NULL, NULL), 0);
        cr_assert(!b.fresh);
        cr_assert_eq(stat(in_directory("statistics"), &st), 0);
        cr_assert(st.st_gid == 5 && (st.st_mode & 07777) == 0640);
        segment_close(&a);
        segment_close(&b);
}

/* A tmpfs of its own, in a mount namespace of this test's process. */
Test(segment, a_full_file_system_is_named_with_what_is_needed) {
        const char *says;

        need_root();
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip("this kernel or container allows no mount namespace");
        cr_assert_eq(mount("none", directory, "tmpfs", 0, "size=8k,mode=755"), 0);
        says = refused(directory, "clock", 0644, -ENOSPC);
        cr_assert_contains(says, directory);
        cr_assert_contains(says, "is full: clock needs 12288 bytes, 8192 are free");
        cr_assert_eq(umount(directory), 0);
}

Test(segment, only_one_opening_holds_the_lock) {
        struct segment a = make(directory, "ledger", 0600), b;

        cr_assert_eq(segment_publish(&a, directory, "ledger"), 0);
        b = make(directory, "ledger", 0600);
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
        cr_assert_eq(segment_memfd(&segment, "test", SIZE), 0);
        cr_assert(segment.fresh && all_zero(&segment));
        cr_assert_eq(fcntl(segment.fd, F_GET_SEALS) & wanted, wanted);
        cr_assert_eq(fcntl(segment.fd, F_GET_SEALS) & F_SEAL_WRITE, 0);
        cr_assert(fcntl(segment.fd, F_GETFD) & FD_CLOEXEC);
        cr_assert_eq(fstat(segment.fd, &st), 0);
        cr_assert(st.st_size == SIZE && st.st_blocks * 512 == SIZE);
        cr_assert_eq(st.st_mode & 07777, 0600);
        cr_assert(ftruncate(segment.fd, 0) < 0 && errno == EPERM);
        cr_assert(fcntl(segment.fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
        segment_unmap(&segment);
        cr_assert(!segment.map && segment.fd >= 0 && segment.size == SIZE);
        cr_assert_eq(pwrite(segment.fd, "x", 1, SIZE - 1), 1);
        segment_close(&segment);
        segment_close(&segment);
}

Test(segment, a_reopened_descriptor_reads_the_same_pages_and_cannot_write) {
        struct segment segment = SEGMENT_NONE;
        char *map;
        int fd;

        cr_assert_eq(segment_memfd(&segment, "test", SIZE), 0);
        fd = segment_reopen_readonly(&segment);
        cr_assert(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
        cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
        map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
        cr_assert(map != MAP_FAILED);
        strcpy(segment.map, "shared");
        cr_assert_str_eq(map, "shared");
        cr_assert_eq(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        munmap(map, SIZE);
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
        cr_assert_eq(segment_memfd(&segment, "test", SIZE), -EMFILE);
        cr_assert_eq(segment.fd, -1);
        cr_assert_contains(refused(directory, "clock", 0644, -EMFILE), "Too many open files");
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
        FILE *file = fopen(in_directory("machine-id"), "w");
        int r;

        cr_assert_not_null(file);
        fputs(text, file);
        fclose(file);
        cr_assert_eq(mount(in_directory("machine-id"), "/etc/machine-id", NULL, MS_BIND, NULL), 0);
        r = ids_machine(id);
        cr_assert_eq(umount("/etc/machine-id"), 0);
        return r;
}

Test(segment, a_machine_id_is_read_or_named_missing_or_bad) {
        static const uint8_t expected[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                              0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88 };
        uint8_t id[16] = { 42 };

        need_root();
        if (access("/etc/machine-id", F_OK) != 0)
                skip("there is no /etc/machine-id to mount over");
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip("this kernel or container allows no mount namespace");
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
