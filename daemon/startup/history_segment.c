/* SPDX-License-Identifier: MIT */
#include "daemon/startup/history_segment.h"

#include <string.h>
#include <sys/random.h>

#include "daemon/host/ids.h"
#include "daemon/util/log.h"

struct wanted {
        const struct config *config;
        uint8_t boot_id[16];
};

static bool accept_history(const void *map, size_t size, const void *context) {
        const struct history_segment *history = map;
        const struct wanted *wanted = context;

        return memcmp(history->magic, HISTORY_MAGIC, sizeof(history->magic)) == 0 &&
               history->version == HISTORY_VERSION && history->size == size &&
               history->capacity == HISTORY_EVENTS &&
               memcmp(history->boot_id, wanted->boot_id, sizeof(history->boot_id)) == 0 &&
               memcmp(&history->layout, &wanted->config->layout, sizeof(history->layout)) == 0;
}

static int fill(struct history_segment *history, size_t size, const struct wanted *wanted) {
        memcpy(history->magic, HISTORY_MAGIC, sizeof(history->magic));
        history->version = HISTORY_VERSION;
        history->capacity = HISTORY_EVENTS;
        history->size = size;
        memcpy(history->boot_id, wanted->boot_id, sizeof(history->boot_id));
        history->layout = wanted->config->layout;
        return getrandom(&history->ring, sizeof(history->ring), 0) ==
                               (ssize_t)sizeof(history->ring) ? 0 : -1;
}

void history_segment_open(struct segment *ret, const struct config *config) {
        struct wanted wanted = { .config = config };
        struct segment segment = SEGMENT_NONE;
        gid_t group;
        int r = ids_boot(wanted.boot_id);

        if (r == 0)
                r = config_group(config, &group);
        if (r == 0)
                r = segment_open(&segment, config->shm, "history", HISTORY_SEGMENT_SIZE, 0640,
                                 group, accept_history, &wanted);
        if (r == 0 && segment.fresh)
                r = fill(segment.map, segment.size, &wanted);
        if (r == 0)
                r = segment_publish(&segment, config->shm, "history");
        if (r < 0) {
                log_event(EVENT_HISTORY, "there is no history segment of %s: who "
                          "makes an ID is not recorded (sfshm who); everything else works",
                          config->shm);
                segment_close(&segment);
                segment = SEGMENT_NONE;
        }
        *ret = segment;
}
