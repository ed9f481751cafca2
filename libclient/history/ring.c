/* SPDX-License-Identifier: MIT */
#include "libclient/history/ring.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/observe/segments.h"

/* Left out at the old end of the ring, where the writer comes next. */
#define MARGIN (HISTORY_EVENTS / 8)

/* history_segment up to its head */
struct ring_head {
        char magic[8];
        uint32_t version, capacity;
        uint64_t size;
        uint8_t boot_id[16];
        struct id_layout layout;
        uint64_t ring;
};
_Static_assert(sizeof(struct ring_head) == offsetof(struct history_segment, head), "as there");

/* Reads all of it. */
static int read_at(int fd, void *ret, size_t size, uint64_t offset) {
        ssize_t n;

        do
                n = pread(fd, ret, size, (off_t)offset);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t)n == size ? 0 : -ENODATA;
}

static int check(int fd, struct ring *ret) {
        struct ring_head head;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
                return -ENODATA;
        r = read_at(fd, &head, sizeof(head), 0);
        if (r < 0)
                return r;
        if (memcmp(head.magic, HISTORY_MAGIC, sizeof(head.magic)) != 0)
                return -ENODATA;
        if (head.version != HISTORY_VERSION)
                return -EPROTO;
        if (head.capacity != HISTORY_EVENTS || head.size != HISTORY_SEGMENT_SIZE ||
            (uint64_t)st.st_size != head.size || id_layout_check(&head.layout) < 0)
                return -ENODATA;
        *ret = (struct ring){ .fd = fd, .id = head.ring, .layout = head.layout };
        memcpy(ret->boot_id, head.boot_id, sizeof(ret->boot_id));
        return 0;
}

int ring_open(struct ring *ret, const char *shm) {
        int fd = segments_open(shm, "history"), r;

        if (fd < 0)
                return fd;
        r = check(fd, ret);
        if (r < 0)
                close(fd);
        return r;
}

void ring_close(struct ring *ring) {
        if (ring->fd >= 0)
                close(ring->fd);
        ring->fd = -1;
}

bool ring_is_replaced(const struct ring *ring) {
        struct stat st;

        return fstat(ring->fd, &st) < 0 || st.st_nlink == 0;
}

static int read_head(const struct ring *ring, uint64_t *ret) {
        return read_at(ring->fd, ret, sizeof(*ret), offsetof(struct history_segment, head));
}

/* Up to the end of the ring in one piece. */
static int read_events(const struct ring *ring, struct history_event *ret, size_t n) {
        uint64_t at = ring->position % HISTORY_EVENTS;
        size_t first = n < HISTORY_EVENTS - at ? n : HISTORY_EVENTS - at;
        int r = read_at(ring->fd, ret, first * sizeof(*ret),
                        offsetof(struct history_segment, events) + at * sizeof(*ret));

        if (r == 0 && n > first)
                r = read_at(ring->fd, ret + first, (n - first) * sizeof(*ret),
                            offsetof(struct history_segment, events));
        return r;
}

/* What is gone: a position that the writer never reached is of another ring. */
static uint64_t skip(struct ring *ring, uint64_t head) {
        uint64_t oldest = head > HISTORY_EVENTS ? head - HISTORY_EVENTS + MARGIN : 0, lost;

        if (ring->position <= head && head - ring->position < HISTORY_EVENTS)
                return 0;
        lost = ring->position < oldest ? oldest - ring->position : 1;
        ring->position = oldest;
        return lost;
}

/* The barriers pair with the writer's in daemon/ledger/history.c; the loads are the kernel's. */
int ring_read(struct ring *ring, struct history_event *ret, size_t max, uint64_t *ret_lost) {
        uint64_t head, after;
        size_t n;
        int r = read_head(ring, &head);

        *ret_lost = 0;
        if (r < 0)
                return r;
        atomic_thread_fence(memory_order_acquire);
        *ret_lost = skip(ring, head);
        n = head - ring->position < max ? (size_t)(head - ring->position) : max;
        n = n < INT_MAX ? n : INT_MAX;
        r = read_events(ring, ret, n);
        atomic_thread_fence(memory_order_acquire);
        if (r == 0)
                r = read_head(ring, &after);
        if (r < 0)
                return r;
        if (after - ring->position >= HISTORY_EVENTS) { /* overwritten meanwhile */
                *ret_lost += skip(ring, after);
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                if (ret[i].number != ring->position + i + 1)
                        return -EBADMSG;
        ring->position += n;
        return (int)n;
}
