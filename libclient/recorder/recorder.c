/* SPDX-License-Identifier: MIT */
#include "libclient/recorder/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libclient/observe/interval.h"
#include "libclient/observe/print.h"

#define EVENTS_AT_ONCE 4096u
/* The ring holds half a minute of a busy host: a recorder that is killed and started again in
 * time loses nothing. */
#define WRITE_NS INT64_C(5000000000)
#define LOOK_NS INT64_C(1000000000) /* for a newer ring */
#define HELD_MAX 60000u             /* reservations in memory; then it writes at once */

static void fill_header(struct recorder *recorder) {
        struct block_header *header = &recorder->header;

        memset(header, 0, sizeof(*header));
        (void)gethostname(header->host, sizeof(header->host) - 1);
}

/* Known of the ring that is read now. */
static void take_ring(struct recorder *recorder) {
        struct block_header *header = &recorder->header;

        header->ring = recorder->ring.id;
        header->position = recorder->ring.position;
        header->layout = recorder->ring.layout;
        memcpy(header->boot_id, recorder->ring.boot_id, sizeof(header->boot_id));
}

int recorder_begin(struct recorder *recorder, const char *shm, const char *directory,
                   uint64_t max_bytes, int64_t max_age_ns) {
        struct block_header last;
        int r;

        *recorder = (struct recorder){ .shm = shm, .store = STORE_NONE, .ring = RING_NONE };
        r = store_open(&recorder->store, directory, max_bytes, max_age_ns);
        if (r < 0)
                return print_error("cannot record in %s: %s", directory,
                                   r == -EBUSY ? "another recorder does" : strerror(-r));
        if (picture_init(&recorder->picture) < 0)
                return print_error("out of memory");
        fill_header(recorder);
        if (store_resume(&recorder->store, &recorder->picture, &last, &recorder->damaged_bytes)) {
                recorder->header.ring = last.ring;
                recorder->header.position = last.position;
        }
        if (recorder->damaged_bytes > 0)
                print_error("the newest file of %s ends with %" PRIu64 " bytes that are no whole "
                            "block, as after a crash: they are dropped", directory,
                            recorder->damaged_bytes);
        return 0;
}

/* Events of another ring are not those that follow. */
static void open_ring(struct recorder *recorder) {
        if (ring_open(&recorder->ring, recorder->shm) < 0)
                return;
        if (recorder->ring.id == recorder->header.ring)
                recorder->ring.position = recorder->header.position;
        else
                picture_lose(&recorder->picture, PICTURE_LOST);
}

static void look_for_ring(struct recorder *recorder, int64_t now_ns) {
        if (now_ns - recorder->looked_ns < LOOK_NS && recorder->looked_ns != 0)
                return;
        recorder->looked_ns = now_ns;
        if (recorder->ring.fd >= 0 && ring_is_replaced(&recorder->ring)) {
                take_ring(recorder);
                ring_close(&recorder->ring);
        }
        if (recorder->ring.fd < 0)
                open_ring(recorder);
}

static void read_ring(struct recorder *recorder) {
        static struct history_event events[EVENTS_AT_ONCE];
        uint64_t lost;
        int n;

        do {
                n = ring_read(&recorder->ring, events, EVENTS_AT_ONCE, &lost);
                if (n < 0) {
                        ring_close(&recorder->ring);
                        picture_lose(&recorder->picture, PICTURE_LOST);
                        return;
                }
                recorder->lost += lost;
                if (lost > 0)
                        picture_lose(&recorder->picture, PICTURE_LOST);
                for (int i = 0; i < n; i++)
                        picture_apply(&recorder->picture, &events[i]);
                recorder->events += (uint64_t)n;
        } while (n == (int)EVENTS_AT_ONCE);
}

/* For the operator; nothing depends on it. */
static void write_status(const struct recorder *recorder) {
        const struct store *store = &recorder->store;
        char text[512];
        int n, fd = openat(store->directory, "status.new",
                           O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

        if (fd < 0)
                return;
        n = snprintf(text, sizeof(text),
                     "events %" PRIu64 "\nevents_lost %" PRIu64 "\nblocks %" PRIu64
                     "\nbytes %" PRIu64 "\nwrite_failures %" PRIu64 "\nlast_error %s\n"
                     "damaged_bytes %" PRIu64 "\nreservations %zu\nclients %zu\n",
                     recorder->events, recorder->lost, store->written, store->bytes,
                     store->failures, store->error < 0 ? strerror(-store->error) : "-",
                     recorder->damaged_bytes, recorder->picture.n_held,
                     recorder->picture.n_clients);
        if (write(fd, text, (size_t)n) == n)
                (void)renameat(store->directory, "status.new", store->directory, "status");
        close(fd);
}

static void write_record(struct recorder *recorder, int64_t now_ns) {
        uint64_t failures = recorder->store.failures;

        recorder->written_ns = now_ns;
        if (recorder->ring.fd < 0 || recorder->ring.position == recorder->header.position)
                return;
        take_ring(recorder);
        store_write(&recorder->store, &recorder->picture, &recorder->header);
        if (recorder->store.failures == 1 && failures == 0)
                print_error("cannot write the record: %s; it goes on, and what is lost is counted",
                            strerror(-recorder->store.error));
        write_status(recorder);
}

int recorder_turn(struct recorder *recorder, int64_t now_ns) {
        look_for_ring(recorder, now_ns);
        if (recorder->ring.fd >= 0)
                read_ring(recorder);
        if (recorder->picture.failed)
                return print_error("out of memory");
        if (now_ns - recorder->written_ns >= WRITE_NS || recorder->picture.n_held > HELD_MAX)
                write_record(recorder, now_ns);
        return 0;
}

void recorder_end(struct recorder *recorder) {
        if (recorder->ring.fd >= 0)
                read_ring(recorder);
        write_record(recorder, interval_now_ns());
        ring_close(&recorder->ring);
        store_close(&recorder->store);
        picture_fini(&recorder->picture);
}
