/* SPDX-License-Identifier: MIT */
#include "daemon/config/config.h"

uint32_t config_worker_first(const struct config *config) {
        unsigned shift = config->layout.worker_bits - config->layout.region_bits;

        /* in 64 bits: without region bits the shift can be 32 */
        return (uint32_t)((uint64_t)config->region << shift) | config->first;
}
