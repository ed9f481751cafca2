/* SPDX-License-Identifier: MIT */
/* The ring beside its writer: a reader gets whole events in order, and knows how many it lost. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/ledger/history.h"
#include "libclient/history/ring.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

#define EVENTS (8 * HISTORY_EVENTS)

static char directory[SCRATCH_MAX];
static struct history_segment *segment;
static struct history history;

static void begin(void) {
        char path[SCRATCH_MAX + 16];
        int fd;

        scratch_directory(directory, "ring");
        snprintf(path, sizeof(path), "%s/history", directory);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        cr_assert(fd >= 0 && ftruncate(fd, HISTORY_SEGMENT_SIZE) == 0);
        segment = mmap(NULL, HISTORY_SEGMENT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        cr_assert_neq(segment, MAP_FAILED);
        close(fd);
        memcpy(segment->magic, HISTORY_MAGIC, sizeof(segment->magic));
        segment->version = HISTORY_VERSION;
        segment->capacity = HISTORY_EVENTS;
        segment->size = HISTORY_SEGMENT_SIZE;
        segment->layout = id_layout_default;
        segment->ring = 7;
        history = (struct history){ .segment = segment };
}

static void end(void) {
        munmap(segment, HISTORY_SEGMENT_SIZE);
        remove_tree(directory);
}

TestSuite(history_ring, .init = begin, .fini = end);

static void write_some(uint64_t from, uint64_t n) {
        for (uint64_t i = from; i < from + n; i++) {
                struct history_event event = { .kind = HISTORY_HELD };

                history.tick = event.client = i;
                for (unsigned word = 0; word < 4; word++)
                        event.words[word] = i;
                history_write(&history, event);
        }
}

static bool is_whole(const struct history_event *event) {
        return event->tick + 1 == event->number && event->client == event->tick &&
               event->words[0] == event->tick && event->words[3] == event->tick;
}

Test(history_ring, tells_what_was_written_and_what_was_lost) {
        static struct history_event events[HISTORY_EVENTS];
        struct ring ring;
        uint64_t lost;

        write_some(0, 10);
        cr_assert_eq(ring_open(&ring, directory), 0);
        cr_expect_eq(ring.id, 7);
        cr_assert_eq(ring_read(&ring, events, HISTORY_EVENTS, &lost), 10);
        cr_expect_eq(lost, 0);
        for (unsigned i = 0; i < 10; i++)
                cr_expect(is_whole(&events[i]) && events[i].tick == i);
        cr_expect_eq(ring_read(&ring, events, HISTORY_EVENTS, &lost), 0);
        write_some(10, HISTORY_EVENTS + 5);
        cr_assert_gt(ring_read(&ring, events, HISTORY_EVENTS, &lost), 0);
        cr_expect_gt(lost, 0);
        cr_expect_eq(events[0].tick, 10 + lost);
        ring_close(&ring);
}

/* A position that the writer never reached, as of another ring or a damaged block. */
Test(history_ring, a_position_ahead_is_a_loss) {
        struct history_event event;
        struct ring ring;
        uint64_t lost;

        write_some(0, 3);
        cr_assert_eq(ring_open(&ring, directory), 0);
        ring.position = UINT64_MAX - 1;
        cr_expect_eq(ring_read(&ring, &event, 1, &lost), 1);
        cr_expect_eq(lost, 1);
        cr_expect_eq(event.tick, 0);
        ring_close(&ring);
}

Test(history_ring, what_is_no_ring_is_refused) {
        struct ring ring;

        segment->version++;
        cr_expect_eq(ring_open(&ring, directory), -EPROTO);
        segment->version--;
        segment->capacity /= 2;
        cr_expect_eq(ring_open(&ring, directory), -ENODATA);
        segment->magic[0] = 'x';
        cr_expect_eq(ring_open(&ring, directory), -ENODATA);
}

static void *write_all(void *context) {
        (void)context;
        write_some(0, EVENTS);
        return NULL;
}

/* Red without the second look at the head, or with a margin of none. */
Test(history_ring, beside_a_writer_that_overruns) {
        static struct history_event events[512];
        uint64_t next = 0, lost, n_lost = 0;
        struct ring ring;
        pthread_t writer;
        int n;

        cr_assert_eq(ring_open(&ring, directory), 0);
        cr_assert_eq(pthread_create(&writer, NULL, write_all, NULL), 0);
        while (next < EVENTS) {
                n = ring_read(&ring, events, 512, &lost);
                cr_assert_geq(n, 0);
                next += lost;
                n_lost += lost;
                for (int i = 0; i < n; i++)
                        cr_assert(is_whole(&events[i]) && events[i].tick == next++);
        }
        pthread_join(writer, NULL);
        cr_expect_eq(next, EVENTS, "%llu lost", (unsigned long long)n_lost);
        ring_close(&ring);
}
