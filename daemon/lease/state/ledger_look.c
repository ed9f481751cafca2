/* SPDX-License-Identifier: MIT */
#include "daemon/lease/state/ledger_look.h"

#include <string.h>
#include <unistd.h>

#include "daemon/host/ids.h"
#include "daemon/segment/place.h"

static bool same_layout(const struct id_layout *a, const struct id_layout *b) {
        return a->tick_bits == b->tick_bits && a->worker_bits == b->worker_bits &&
               a->sequence_bits == b->sequence_bits && a->region_bits == b->region_bits &&
               a->epoch_unix_ms == b->epoch_unix_ms;
}

bool ledger_look_reads(const struct ledger_segment *ledger, size_t size, const uint8_t boot_id[16],
                       const struct id_layout *layout) {
        return memcmp(ledger->magic, LEDGER_MAGIC, sizeof(ledger->magic)) == 0 &&
               ledger->version == LEDGER_VERSION && ledger->size == size &&
               ledger->capacity == ADOPT_LEDGER_RECORDS &&
               memcmp(ledger->boot_id, boot_id, sizeof(ledger->boot_id)) == 0 &&
               ledger->layout.epoch_unix_ms == layout->epoch_unix_ms;
}

bool ledger_look_continues(const struct ledger_segment *ledger, const struct id_layout *layout,
                           const uint8_t *id) {
        /* relaxed: its writer is dead */
        return atomic_load_explicit(&ledger->worker_count, memory_order_relaxed) > 0 &&
               same_layout(&ledger->layout, layout) && id != NULL &&
               memcmp(ledger->lineage, id, LEDGER_ID_SIZE) == 0;
}

static bool look(const struct config *config, int fd, off_t size) {
        struct ledger_segment first_page;
        uint8_t boot_id[16], id[LEDGER_ID_SIZE];

        return size == (off_t)ledger_segment_size(ADOPT_LEDGER_RECORDS) &&
               pread(fd, &first_page, sizeof(first_page), 0) == (ssize_t)sizeof(first_page) &&
               ids_boot(boot_id) == 0 && ledger_id_read(config->state_dir, id) == 0 &&
               ledger_look_reads(&first_page, (size_t)size, boot_id, &config->layout) &&
               ledger_look_continues(&first_page, &config->layout, id);
}

bool ledger_look_exists(const struct config *config) {
        struct place place;
        bool found = false;
        off_t size;
        int fd;

        if (place_open(&place, config->shm, "ledger") < 0)
                return false;
        if (place_open_file(&place, 0600, &fd, &size) == 1) {
                found = look(config, fd, size);
                close(fd);
        }
        place_close(&place);
        return found;
}
