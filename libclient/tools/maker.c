/* SPDX-License-Identifier: MIT */
#include "libclient/tools/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 4096u

static const char *const gap_reasons[PICTURE_WHYS] = {
        [PICTURE_BEGIN] = "nothing was recorded at that time: the record begins later",
        [PICTURE_LOST] = "the record has a gap there: the recorder did not run, or was too slow",
        [PICTURE_RESTART] = "the daemon began anew at that time, and had not told yet who holds what",
        [PICTURE_DAMAGED] = "the daemon found its memory damaged at that time",
};

/* Those of the newest file's layout. */
static int read_files(struct maker *maker) {
        uint64_t *numbers = NULL;
        size_t n = 0;
        int r = archive_list(maker->directory, &numbers, &n);

        if (r < 0)
                return r;
        maker->files = calloc(n + 1, sizeof(maker->files[0]));
        for (size_t i = n; maker->files != NULL && i-- > 0;) {
                struct maker_file file = { .number = numbers[i] };

                if (archive_look(maker->directory, numbers[i], &file.first) < 0)
                        continue;
                if (maker->n_files == 0)
                        maker->layout = file.first.layout;
                if (memcmp(&maker->layout, &file.first.layout, sizeof(maker->layout)) == 0)
                        maker->files[maker->n_files++] = file; /* the newest first */
        }
        free(numbers);
        return maker->files != NULL ? 0 : -ENOMEM;
}

int maker_open(struct maker *ret, const char *path, const char *shm, int *ret_error) {
        struct maker maker = { .ring = RING_NONE, .loaded = SIZE_MAX };

        maker.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *ret_error = maker.directory < 0 ? -errno : read_files(&maker);
        if (ring_open(&maker.ring, shm) == 0 && maker.n_files == 0)
                maker.layout = maker.ring.layout;
        if (maker.n_files == 0 && maker.ring.fd < 0) {
                maker_close(&maker);
                return -ENODATA;
        }
        *ret = maker;
        return 0;
}

void maker_close(struct maker *maker) {
        picture_fini(&maker->picture);
        free(maker->files);
        ring_close(&maker->ring);
        if (maker->directory >= 0)
                close(maker->directory);
        maker->directory = -1;
}

/* The file that tells of the tick: the newest that begins before it. n_files: none. */
static size_t file_of(const struct maker *maker, uint64_t tick) {
        size_t i = 0;

        while (i < maker->n_files && maker->files[i].first.from > tick)
                i++;
        return i;
}

static int load(struct maker *maker, size_t i) {
        int r;

        if (maker->loaded == i)
                return 0;
        picture_fini(&maker->picture);
        maker->loaded = SIZE_MAX;
        maker->ring_read = false;
        maker->file = (struct archive_file){ .usable = false };
        r = picture_init(&maker->picture);
        if (r == 0 && i < maker->n_files)
                r = archive_load(maker->directory, maker->files[i].number, &maker->picture,
                                 &maker->file);
        if (r == 0)
                maker->loaded = i;
        return r;
}

/* What came after the newest file. */
static void read_ring(struct maker *maker) {
        static struct history_event events[EVENTS_AT_ONCE];
        struct ring *ring = &maker->ring;
        uint64_t lost;
        int n;

        if (maker->ring_read || ring->fd < 0)
                return;
        ring->position = 0;
        if (maker->file.usable && maker->file.last.ring == ring->id)
                ring->position = maker->file.last.position;
        else
                picture_lose(&maker->picture, PICTURE_LOST);
        do {
                n = ring_read(ring, events, EVENTS_AT_ONCE, &lost);
                if (n < 0)
                        return;
                if (lost > 0)
                        picture_lose(&maker->picture, PICTURE_LOST);
                for (int i = 0; i < n; i++)
                        picture_apply(&maker->picture, &events[i]);
        } while (n > 0 || lost > 0);
        maker->ring_read = true;
}

static void judge_absence(const struct maker *maker, uint64_t tick, uint32_t position,
                          struct maker_found *ret) {
        const struct picture *picture = &maker->picture;
        const struct picture_gap *gap = picture_gap_at(picture, tick);

        if (gap != NULL) {
                ret->reason = gap_reasons[gap->why];
                return;
        }
        ret->answer = MAKER_NOBODY;
        ret->reason = position - picture->run_start < picture->run_width
                              ? "no process of this host held its position at that time: it was "
                                "made elsewhere, or never"
                              : "its worker ID was not this host's at that time";
}

static void judge(const struct maker *maker, uint64_t tick, uint32_t position,
                  struct maker_found *ret) {
        const struct picture_held *held = picture_find(&maker->picture, tick, position);
        const struct picture_client *client;

        if (held == NULL) {
                judge_absence(maker, tick, position, ret);
                return;
        }
        client = picture_client_of(&maker->picture, held->ledger, held->client);
        ret->reason = "a process held its position that had left before the record began";
        if (client == NULL)
                return;
        ret->answer = MAKER_PROCESS;
        ret->client = *client;
        ret->lane = held->lane;
}

int maker_find(struct maker *maker, uint64_t tick, uint32_t position, struct maker_found *ret) {
        size_t i = file_of(maker, tick);
        bool newest = i == 0;
        int r = load(maker, i);

        *ret = (struct maker_found){ .answer = MAKER_UNKNOWN, .host = "" };
        if (r == -ENOMEM || maker->picture.failed)
                return -ENOMEM;
        ret->host = maker->file.usable ? maker->file.last.host : "";
        if (r == 0 && newest && (!maker->file.usable || tick >= maker->file.last.tick))
                read_ring(maker);
        if (r < 0)
                ret->reason = "its file of the record cannot be read";
        else if (i > 0 && i == maker->n_files)
                ret->reason = "it is older than the record";
        else if (!maker->ring_read && tick >= maker->picture.tick)
                ret->reason = newest ? "that time is not recorded yet, and the history of the "
                                       "daemon cannot be read"
                                     : "nothing was recorded at that time";
        else
                judge(maker, tick, position, ret);
        return 0;
}
