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

static void fill_in(struct attachment *a, struct own_socket socket) {
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
        a->reach_back_ticks = clock->reach_back_ticks;
        atomic_init(&a->generation, grants->generation);
        for (uint32_t lane = 0; lane < LANES_MAX; lane++)
                atomic_init(&a->hints[lane].key, HINT_NONE);
}

static int build(struct attachment **ret, const struct wire_welcome *welcome,
                 const int fds[WIRE_WELCOME_FDS], int fd) {
        struct own_socket socket = OWN_SOCKET_NONE;
        struct attachment *a;
        int r = own_socket_of(fd, &socket);

        if (r < 0)
                return r;
        if (welcome->clock_size != CLOCK_SIZE || welcome->grants_size < sizeof(struct grants_page) ||
            welcome->cursors_size < sizeof(struct cursors_page))
                return -EPROTO;
        a = mmap(NULL, 4 * ATTACHMENT_PART, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (a == MAP_FAILED)
                return -errno;
        if (mprotect(a, ATTACHMENT_PART, PROT_READ | PROT_WRITE) < 0)
                r = -errno;
        else if ((r = map_all(a, welcome, fds)) == 0 &&
                 (r = check_clock(attachment_clock(a))) == 0)
                r = check_grants(attachment_grants(a), welcome);
        if (r < 0) {
                munmap(a, 4 * ATTACHMENT_PART);
                return r;
        }
        fill_in(a, socket);
        *ret = a;
        return 0;
}

int attachment_new(struct attachment **ret, const struct wire_welcome *welcome,
                   const int fds[WIRE_WELCOME_FDS], int socket) {
        int r = build(ret, welcome, fds, socket);

        for (unsigned i = 0; i < WIRE_WELCOME_FDS; i++)
                close(fds[i]);
        return r;
}

struct attachment *attachment_free(struct attachment *a) {
        while (a != NULL) {
                struct attachment *older = a->older;

                own_socket_close(a->socket); /* of the newest; older ones have the same number */
                munmap(a, 4 * ATTACHMENT_PART);
                a = older;
        }
        return NULL;
}

void attachment_follow(struct attachment *fresh, struct attachment *a) {
        int fd = fresh->socket.fd;

        fresh->older = a;
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
