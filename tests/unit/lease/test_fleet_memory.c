/* SPDX-License-Identifier: MIT */
/* What a host remembers of its coordinator: the file `fleet`. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/state/fleet_memory.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

TestSuite(fleet_memory);

static const struct fleet_memory some = {
        .space = "0123456789abcdef0123456789abcdef",
        .nonce = "fedcba9876543210fedcba9876543210",
        .since_unix_ms = UINT64_C(1764547200000),
        .renewals = UINT64_MAX,
        .fence_tick = UINT64_MAX,
        .boot_id = "00112233445566778899aabbccddeeff",
        .directory = "65025:18446744073709551615",
        .region = 7,
        .first = 65535,
        .count = 65536,
        .grown_tick = 99,
        .recovered_unix_ms = 7,
        .claims = UINT64_MAX,
};

static bool same(const struct fleet_memory *a, const struct fleet_memory *b) {
        return strcmp(a->space, b->space) == 0 && strcmp(a->nonce, b->nonce) == 0 &&
               a->since_unix_ms == b->since_unix_ms && a->renewals == b->renewals &&
               a->fence_tick == b->fence_tick &&
               strcmp(a->boot_id, b->boot_id) == 0 && strcmp(a->directory, b->directory) == 0 &&
               a->region == b->region && a->first == b->first && a->count == b->count &&
               a->grown_tick == b->grown_tick && a->recovered_unix_ms == b->recovered_unix_ms &&
               a->claims == b->claims;
}

Test(fleet_memory, what_is_written_is_read) {
        char text[FLEET_MEMORY_TEXT_MAX];
        struct fleet_memory read, none = some;

        cr_assert_eq(fleet_memory_decode(text, fleet_memory_encode(&some, text), &read), 0);
        cr_assert(same(&read, &some));
        fleet_memory_forget_record(&none);
        cr_assert_eq(fleet_memory_decode(text, fleet_memory_encode(&none, text), &read), 0);
        cr_assert(same(&read, &none));
        cr_assert_eq(read.fence_tick, 0);
        cr_assert_neq(read.nonce[0], '\0', "and still there was one");
}

/* Red without the comparison of the texts. */
Test(fleet_memory, f1_each_changed_and_each_missing_byte_is_found) {
        char text[FLEET_MEMORY_TEXT_MAX];
        size_t size = fleet_memory_encode(&some, text);
        struct fleet_memory read;

        for (size_t i = 0; i < size; i++) {
                cr_assert_eq(fleet_memory_decode(text, i, &read), -EBADMSG, "torn at %zu", i);
                for (unsigned bit = 0; bit < 8; bit++) {
                        int r;

                        text[i] ^= (char)(1 << bit);
                        r = fleet_memory_decode(text, size, &read);
                        cr_assert(r == -EBADMSG || r == -EPROTO, "byte %zu, bit %u", i, bit);
                        text[i] ^= (char)(1 << bit);
                }
        }
        cr_assert_eq(fleet_memory_decode("sfshm-fleet 2\nwhatever\n", 23, &read), -EPROTO);
}

static void put(int dir_fd, const char *name, const char *text) {
        int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
        close(fd);
}

/* Two files of an earlier release are read, and replaced. Red when they stay: then a daemon
 * of that release would believe them. */
Test(fleet_memory, earlier_files_are_taken_over) {
        char directory[SCRATCH_MAX], line[FLEET_MEMORY_HEX + 1];
        struct fleet_memory read;
        int fd;

        scratch_directory(directory, "fleet-memory");
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_eq(fleet_memory_read(fd, &read), 0);
        cr_assert_eq(read.nonce[0], '\0', "a first start");
        snprintf(line, sizeof(line), "%s\n", some.space);
        put(fd, "fleet-space", line);
        snprintf(line, sizeof(line), "%s\n", some.nonce);
        put(fd, "fleet-nonce", line);
        cr_assert_eq(fleet_memory_read(fd, &read), 0);
        cr_assert_str_eq(read.space, some.space);
        cr_assert_str_eq(read.nonce, some.nonce);
        cr_assert_eq(read.claims, 0);
        put(fd, "fleet-nonce", "mistyped\n");
        cr_assert_eq(fleet_memory_read(fd, &read), -EBADMSG);
        cr_assert_eq(fleet_memory_write(fd, &some), 0);
        cr_assert_eq(faccessat(fd, "fleet-nonce", F_OK, 0), -1);
        cr_assert_eq(faccessat(fd, "fleet-space", F_OK, 0), -1);
        cr_assert_eq(fleet_memory_read(fd, &read), 0);
        cr_assert(same(&read, &some));
        close(fd);
        remove_tree(directory);
}
