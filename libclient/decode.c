/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "libclient/sfshm.h"
#include "shm/id.h"

/* The fields of struct sfshm_parts have 32 bits. */
static int layout_of(const struct sfshm_layout *l, struct id_layout *ret) {
        *ret = (struct id_layout){
                .tick_bits = l->tick_bits,
                .worker_bits = l->worker_bits,
                .sequence_bits = l->sequence_bits,
                .region_bits = l->region_bits,
                .epoch_unix_ms = l->epoch_unix_ms,
        };
        return l->worker_bits > 32 || l->sequence_bits > 32 || l->reserved != 0
                       ? -EINVAL
                       : id_layout_check(ret);
}

int sfshm_decode(const struct sfshm_layout *l, uint64_t id, struct sfshm_parts *ret) {
        struct id_layout layout;
        struct id_parts parts;
        int r = layout_of(l, &layout);

        if (r < 0 || (r = id_decompose(&layout, id, &parts)) < 0)
                return r;
        *ret = (struct sfshm_parts){
                .unix_ms = parts.unix_ms,
                .region = (uint32_t)parts.region,
                .worker = (uint32_t)parts.worker,
                .sequence = (uint32_t)parts.sequence,
        };
        return 0;
}

int sfshm_first_id(const struct sfshm_layout *l, int64_t unix_ms, uint64_t *ret_id) {
        struct id_layout layout;
        int r = layout_of(l, &layout);

        return r < 0 ? r : id_first(&layout, unix_ms, ret_id);
}
