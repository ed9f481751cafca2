/* SPDX-License-Identifier: MIT */
#include "daemon/config/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/config/check_coordinator.h"
#include "daemon/util/log.h"
#include "shm/id.h"
#include "shm/slot.h"

#define POSITION_BITS_MAX 32u /* a rectangle's start is a 32-bit number */

static int check_layout(const struct config_loader *loader) {
        const struct id_layout *layout = &loader->config->layout;

        if (id_position_bits(layout) > POSITION_BITS_MAX)
                return log_failure(EINVAL, "config.layout",
                                   "id.layout = %u/%u/%u (%s) has %u bits for worker and sequence; "
                                   "at most %u are possible: give the tick %u or more",
                                   layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                                   config_origin(loader, "id.layout"), id_position_bits(layout),
                                   POSITION_BITS_MAX, ID_BITS - POSITION_BITS_MAX);
        if (layout->region_bits > layout->worker_bits)
                return log_failure(EINVAL, "config.region",
                                   "id.region_bits = %u (%s) are more than the %u worker bits of "
                                   "id.layout (%s), of which the region is a part",
                                   layout->region_bits, config_origin(loader, "id.region_bits"),
                                   layout->worker_bits, config_origin(loader, "id.layout"));
        return 0;
}

static int check_region(const struct config_loader *loader) {
        const struct config *config = loader->config;
        uint64_t regions = UINT64_C(1) << config->layout.region_bits;

        if (config->region < regions)
                return 0;
        if (config->layout.region_bits == 0)
                return log_failure(EINVAL, "config.region",
                                   "id.region = %" PRIu32 " (%s) needs bits to stand in; set "
                                   "id.region_bits, the same on all hosts, or leave id.region out",
                                   config->region, config_origin(loader, "id.region"));
        return log_failure(EINVAL, "config.region",
                           "id.region = %" PRIu32 " (%s) does not fit id.region_bits = %u (%s); "
                           "regions go from 0 to %" PRIu64,
                           config->region, config_origin(loader, "id.region"), config->layout.region_bits,
                           config_origin(loader, "id.region_bits"), regions - 1);
}

static int check_first(const struct config_loader *loader) {
        bool coordinated = config_is_coordinated(loader->config);

        if (coordinated && loader->config->has_first)
                return log_failure(EINVAL, "config.first", "workers.first = %" PRIu32 " (%s) cannot "
                                   "be said with workers.backend = %s (%s), which decides: leave "
                                   "it out", loader->config->first, config_origin(loader, "workers.first"),
                                   loader->config->backend, config_origin(loader, "workers.backend"));
        if (loader->config->has_first || coordinated)
                return 0;
        return log_failure(EINVAL, "config.first",
                           "workers.first is not set; set the first worker ID this host may use, "
                           "e.g. --set workers.first=0; it must differ from every other host's");
}

static int check_growth(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->max_count >= config->count)
                return 0;
        return log_failure(EINVAL, "config.run",
                           "workers.max_count = %" PRIu32 " (%s) is below workers.count = %" PRIu32
                           " (%s); it is what the run may grow to",
                           config->max_count, config_origin(loader, "workers.max_count"), config->count,
                           config_origin(loader, "workers.count"));
}

/* The key that says how wide the run can become. */
static const char *widest_key(const struct config *config) {
        return config->max_count > config->count ? "workers.max_count" : "workers.count";
}

/* The run at its widest lies within the region. */
static int check_range(const struct config_loader *loader) {
        const struct config *config = loader->config;
        const struct id_layout *layout = &config->layout;
        uint64_t workers = UINT64_C(1) << (layout->worker_bits - layout->region_bits);
        const char *key = widest_key(config);

        if (config->max_count <= workers && config->first <= workers - config->max_count)
                return 0;
        if (config_is_coordinated(config))
                return log_failure(EINVAL, "config.run",
                                   "%" PRIu32 " worker IDs (%s, %s) are more than there are: "
                                   "id.layout (%s) and id.region_bits (%s) leave %" PRIu64
                                   "; lower %s", config->max_count, key, config_origin(loader, key),
                                   config_origin(loader, "id.layout"), config_origin(loader, "id.region_bits"),
                                   workers, key);
        return log_failure(EINVAL, "config.run",
                           "the %" PRIu32 " worker IDs (%s, %s) from workers.first = %" PRIu32
                           " (%s) on end above the last one, %" PRIu64
                           ": id.layout (%s) and id.region_bits (%s) leave %" PRIu64
                           "; lower workers.first or %s",
                           config->max_count, key, config_origin(loader, key), config->first,
                           config_origin(loader, "workers.first"), workers - 1,
                           config_origin(loader, "id.layout"), config_origin(loader, "id.region_bits"), workers,
                           key);
}

/* ... and a cursor can count through it. */
static int check_width(const struct config_loader *loader) {
        const struct config *config = loader->config;
        unsigned sequence_bits = config->layout.sequence_bits;
        const char *key = widest_key(config);
        uint64_t workers_max = (uint64_t)RUN_WIDTH_MAX >> sequence_bits;

        if (config->max_count <= workers_max)
                return 0;
        return log_failure(EINVAL, "config.run",
                           "%" PRIu32 " worker IDs (%s, %s) of %u sequence bits (id.layout, %s) "
                           "are more than %" PRIu32 " positions, the most one host can use; with "
                           "this layout at most %" PRIu64 " worker IDs are possible",
                           config->max_count, key, config_origin(loader, key), sequence_bits,
                           config_origin(loader, "id.layout"), RUN_WIDTH_MAX,
                           workers_max);
}

static int check_times(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->horizon_ns >= config->standing_ns)
                return 0;
        return log_failure(EINVAL, "config.horizon",
                           "workers.horizon (%s) is shorter than reserve.standing (%s); no "
                           "reservation may reach beyond the fence: make workers.horizon longer",
                           config_origin(loader, "workers.horizon"), config_origin(loader, "reserve.standing"));
}

int config_check(const struct config_loader *loader) {
        int (*const checks[])(const struct config_loader *) = {
                check_layout, check_region, config_check_coordinator, check_first, check_growth,
                check_range,  check_width,  check_times,
        };

        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
                int r = checks[i](loader);

                if (r < 0)
                        return r;
        }
        return 0;
}
