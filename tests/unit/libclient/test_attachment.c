/* SPDX-License-Identifier: MIT */
/* The addresses of attachments, with pages made by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libclient/attachment.h"

#define SIZE 4096u

static struct attachment_space space;
static int pages[WIRE_WELCOME_FDS], sockets[2];

static int page(const void *contents, size_t size) {
        int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        cr_assert_eq(ftruncate(fd, SIZE), 0);
        cr_assert_eq(write(fd, contents, size), (ssize_t)size);
        cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        return fd;
}

static void make_pages(void) {
        struct clock_segment clock = { .magic = CLOCK_MAGIC, .version = CLOCK_VERSION,
                                       .size = CLOCK_SIZE,
                                       .layout = { .tick_bits = 41, .worker_bits = 10,
                                                   .sequence_bits = 12 } };
        struct grants_page grants = { .magic = GRANTS_MAGIC, .version = PAGES_VERSION,
                                      .size = SIZE, .lanes = 1, .worker_counters = 1,
                                      .cursors_size = SIZE };

        pages[0] = page(&clock, sizeof(clock));
        pages[1] = page(&grants, sizeof(grants));
        pages[2] = page("", 0);
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
        space = (struct attachment_space){ .n_blocks = 0 };
}

static void free_space(void) {
        attachment_space_free(&space);
}

TestSuite(attachment, .init = make_pages, .fini = free_space);

static int attach(struct attachment **ret) {
        const struct wire_welcome welcome = { .clock_size = CLOCK_SIZE, .grants_size = SIZE,
                                              .cursors_size = SIZE, .lanes = 1 };
        int fds[WIRE_WELCOME_FDS];

        for (unsigned i = 0; i < WIRE_WELCOME_FDS; i++)
                fds[i] = dup(pages[i]);
        return attachment_new(ret, &space, &welcome, fds, sockets[0]);
}

static bool inside(const struct attachment *a) {
        for (uint32_t i = 0; i < space.n_blocks; i++)
                if ((uintptr_t)a - space.blocks[i] < (uintptr_t)ATTACHMENT_PIECE << i)
                        return true;
        return false;
}

static rlim_t address_space(void) {
        unsigned long n = 0;
        FILE *file = fopen("/proc/self/statm", "re");

        cr_assert_not_null(file);
        cr_assert_eq(fscanf(file, "%lu", &n), 1);
        (void)fclose(file);
        return (rlim_t)n * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Each block is refused at first. Red when a block that could not be had is used. */
Test(attachment, no_address_space_for_a_while) {
        struct attachment *a, *before = NULL;
        struct rlimit all, none;
        unsigned refused = 0;

        cr_assert_eq(getrlimit(RLIMIT_AS, &all), 0);
        for (unsigned i = 0; i < 200; i++) {
                int r;

                none = (struct rlimit){ .rlim_cur = address_space(), .rlim_max = all.rlim_max };
                cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
                r = attach(&a);
                cr_assert_eq(setrlimit(RLIMIT_AS, &all), 0);
                cr_assert(r == 0 || r == -ENOMEM, "%d", r);
                refused += r < 0;
                if (r < 0)
                        cr_assert_eq(attach(&a), 0);
                cr_assert(inside(a), "attachment %u is at %p", i, (void *)a);
                cr_assert_neq(a, before);
                before = a;
        }
        cr_expect_geq(refused, 3);
}
