/* SPDX-License-Identifier: MIT */
#include "libclient/attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Maps a regular file of exactly that size. A client's page must not be able to shrink. */
static int map_part(const struct attachment *a, unsigned part, int fd, uint32_t size, bool sealed,
                    int protection) {
        void *address = (void *)((uintptr_t)a + (uintptr_t)part * ATTACHMENT_PART);
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW;
        struct stat st;
        int has;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EPROTO;
        has = sealed ? fcntl(fd, F_GET_SEALS) : seals;
        if (has < 0 || (has & seals) != seals || st.st_size != size || size > ATTACHMENT_PART)
                return -EPROTO;
        if (mmap(address, size, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) ==
            MAP_FAILED)
                return -errno;
        return 0;
}

static int map_all(const struct attachment *a, const struct wire_welcome *w,
                   const int fds[WIRE_WELCOME_FDS]) {
        int r = map_part(a, 1, fds[0], w->clock_size, false, PROT_READ);

        if (r == 0)
                r = map_part(a, 2, fds[1], w->grants_size, true, PROT_READ);
        return r < 0 ? r : map_part(a, 3, fds[2], w->cursors_size, true, PROT_READ | PROT_WRITE);
}

static int check_clock(const struct clock_segment *clock) {
        if (memcmp(clock->magic, CLOCK_MAGIC, sizeof(clock->magic)) != 0 ||
            clock->version != CLOCK_VERSION || clock->size != CLOCK_SIZE ||
            id_layout_check(&clock->layout) < 0 || id_position_bits(&clock->layout) > 32)
                return -EPROTO;
        return 0;
}

static int check_grants(const struct grants_page *grants, const struct wire_welcome *w) {
        if (memcmp(grants->magic, GRANTS_MAGIC, sizeof(grants->magic)) != 0 ||
            grants->version != PAGES_VERSION || grants->lanes != w->lanes ||
            grants->worker_counters > WORKER_COUNTERS_MAX || grants->size != w->grants_size ||
            grants->size < grants_page_size(w->lanes) || grants->cursors_size != w->cursors_size ||
            grants->cursors_size < cursors_page_size(w->lanes, grants->worker_counters))
                return -EPROTO;
        return 0;
}

static void fill_in(struct attachment *a, struct own_socket socket, uint32_t stride) {
        const struct clock_segment *clock = attachment_clock(a);
        const struct grants_page *grants = attachment_grants(a);

        a->base_tick = grants->base_tick;
        a->position_bits = id_position_bits(&clock->layout);
        a->sequence_bits = clock->layout.sequence_bits;
        a->lanes = grants->lanes;
        a->lane_mask = grants->lanes - 1;
        a->worker_first = grants->worker_first;
        a->worker_counters = grants->worker_counters;
        a->client = grants->client;
        a->socket = socket;
        a->stride = stride;
        a->reach_back_ticks = clock->reach_back_ticks;
        atomic_init(&a->generation, grants->generation);
        for (uint32_t lane = 0; lane < a->lanes; lane++)
                atomic_init(&a->hints[lane].key, HINT_NONE);
}

/* ---- addresses */

static uint32_t largest(uint32_t a, uint32_t b) {
        return a > b ? a : b;
}

/* The bytes that each part of such an attachment occupies: a power of two of pages, so that
 * no gaps are left which would keep the kernel from joining mappings. */
static uint32_t stride_of(const struct wire_welcome *w) {
        uint32_t stride = (uint32_t)sysconf(_SC_PAGESIZE);
        uint32_t hints = (uint32_t)(offsetof(struct attachment, hints) +
                                    w->lanes * sizeof(struct lane_hint));
        uint32_t most = largest(largest(hints, w->clock_size),
                                largest(w->grants_size, w->cursors_size));

        while (stride < most && stride <= ATTACHMENT_PART)
                stride *= 2;
        return stride;
}

/* Another thread may fork between any two of these stores. Its child goes on with what it finds,
 * and must not map over an attachment that it uses: at worst it leaves room unused. */
static void in_order(void) {
        atomic_signal_fence(memory_order_seq_cst);
}

static int add_block(struct attachment_space *space) {
        void *block;

        if (space->n_blocks == ATTACHMENT_BLOCKS_MAX)
                return -ENOMEM;
        block = mmap(NULL, (size_t)ATTACHMENT_PIECE << space->n_blocks, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (block == MAP_FAILED)
                return -errno;
        space->blocks[space->n_blocks] = (uintptr_t)block;
        in_order();
        space->n_blocks++;
        in_order();
        space->piece = 0;
        space->used = 0;
        return 0;
}

static int next_piece(struct attachment_space *space) {
        if (space->n_blocks == 0 || space->piece + 1 >= 1u << (space->n_blocks - 1))
                return add_block(space);
        space->piece++;
        in_order();
        space->used = 0;
        return 0;
}

/* Finds room for one more. It is taken by adding to `used`. */
static int find_room(struct attachment_space *space, uint32_t stride, struct attachment **ret) {
        uint32_t last;
        int r = 0;

        if (space->n_blocks == 0 || stride > ATTACHMENT_PART - space->used)
                r = next_piece(space);
        if (r < 0)
                return r;
        last = space->n_blocks - 1;
        *ret = (struct attachment *)(space->blocks[last] +
                                     (uintptr_t)space->piece * ATTACHMENT_PIECE + space->used);
        return 0;
}

/* Exchanges the parts from `first` on for untouched memory, in one step for each. */
static bool vacate(const struct attachment *a, unsigned first, uint32_t stride, int protection) {
        bool done = true;

        for (unsigned part = first; part < 4; part++)
                done &= mmap((void *)((uintptr_t)a + (uintptr_t)part * ATTACHMENT_PART), stride,
                             protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
                             -1, 0) != MAP_FAILED;
        return done;
}

static int build(struct attachment **ret, struct attachment_space *space,
                 const struct wire_welcome *welcome, const int fds[WIRE_WELCOME_FDS], int fd) {
        struct own_socket socket = OWN_SOCKET_NONE;
        struct attachment *a = NULL;
        uint32_t stride;
        int r = own_socket_of(fd, &socket);

        if (r < 0)
                return r;
        if (welcome->clock_size != CLOCK_SIZE || welcome->grants_size < sizeof(struct grants_page) ||
            welcome->cursors_size < sizeof(struct cursors_page) || welcome->lanes > LANES_MAX)
                return -EPROTO;
        stride = stride_of(welcome);
        if (stride > ATTACHMENT_PART)
                return -EPROTO;
        r = find_room(space, stride, &a);
        if (r < 0)
                return r;
        if (mmap(a, stride, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
                r = -errno;
        else if ((r = map_all(a, welcome, fds)) == 0 &&
                 (r = check_clock(attachment_clock(a))) == 0)
                r = check_grants(attachment_grants(a), welcome);
        if (r < 0) {
                (void)vacate(a, 0, stride, PROT_NONE);
                return r;
        }
        fill_in(a, socket, stride);
        a->number = space->attached++;
        space->used += stride;
        *ret = a;
        return 0;
}

int attachment_new(struct attachment **ret, struct attachment_space *space,
                   const struct wire_welcome *welcome, const int fds[WIRE_WELCOME_FDS],
                   int socket) {
        int r = build(ret, space, welcome, fds, socket);

        for (unsigned i = 0; i < WIRE_WELCOME_FDS; i++)
                close(fds[i]);
        return r;
}

void attachment_discard(struct attachment *a) {
        own_socket_close(a->socket);
        (void)vacate(a, 0, a->stride, PROT_NONE);
}

void attachment_space_free(struct attachment_space *space) {
        for (uint32_t i = 0; i < space->n_blocks; i++)
                munmap((void *)space->blocks[i], (size_t)ATTACHMENT_PIECE << i);
        space->n_blocks = 0;
}

static bool retire(struct attachment *a, bool (*held)(void *context, uint32_t number),
                   void *context) {
        if (atomic_load_explicit(&a->newest, memory_order_relaxed) == NULL)
                return true;
        if (held(context, a->number) || !vacate(a, 1, a->stride, PROT_READ | PROT_WRITE))
                return false;
        atomic_store_explicit(&a->newest, NULL, memory_order_relaxed);
        return true;
}

void attachments_tidy(struct attachment *a, bool (*held)(void *context, uint32_t number),
                      void *context) {
        struct attachment *newer = a, *older;
        uint32_t tidy = 1;

        /* relaxed: one thread at a time tidies, and nobody else changes `older` */
        while ((older = atomic_load_explicit(&newer->older, memory_order_relaxed)) != NULL) {
                bool retired = retire(older, held, context);

                if (retired && a->number - older->number > ATTACHMENTS_KEPT) {
                        atomic_store_explicit(
                                &newer->older,
                                atomic_load_explicit(&older->older, memory_order_relaxed),
                                memory_order_relaxed);
                        (void)vacate(older, 0, older->stride, PROT_NONE);
                        continue;
                }
                tidy &= retired;
                newer = older;
        }
        atomic_store_explicit(&a->tidy, tidy, memory_order_relaxed);
}

void attachment_follow(struct attachment *fresh, struct attachment *a) {
        int fd = fresh->socket.fd;

        atomic_store_explicit(&fresh->older, a, memory_order_relaxed);
        /* atomic: a thread that is about to send on the old connection sends on the new
         * one, and never on a number that belongs to another file */
        if (!own_socket_valid(a->socket) || dup3(fd, a->socket.fd, O_CLOEXEC) < 0)
                return;
        fresh->socket.fd = a->socket.fd;
        close(fd);
}

bool attachment_connected(const struct attachment *a) {
        char byte;
        long n;

        if (!own_socket_valid(a->socket))
                return false;
        /* by syscall(2), which is not a cancellation point */
        n = syscall(SYS_recvfrom, a->socket.fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT, NULL,
                    NULL);
        /* The daemon sends nothing after WELCOME: 0 means end of file. */
        return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

void attachment_send(const struct attachment *a, const void *message, size_t length) {
        if (own_socket_valid(a->socket))
                /* by syscall(2), as above */
                (void)syscall(SYS_sendto, a->socket.fd, message, length,
                              MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}
