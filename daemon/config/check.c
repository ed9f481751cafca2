/* SPDX-License-Identifier: MIT */
#include "daemon/config/check.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/config/check_coordinator.h"
#include "daemon/util/log.h"
#include "shm/id.h"
#include "shm/slot.h"

#define POSITION_BITS_MAX 32u /* a rectangle's start is a 32-bit number */

static int check_layout(const struct config_loader *loader) {
        const struct id_layout *layout = &loader->config->layout;
        const char *from = config_origin(loader, "id.layout");

        if (id_position_bits(layout) > POSITION_BITS_MAX)
                return log_failure(EINVAL, "config.layout",
                                   "id.layout = %u/%u/%u (%s) has %u bits for worker and sequence, "
                                   "but at most %u are possible: give the tick %u bits or more",
                                   layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                                   from, id_position_bits(layout), POSITION_BITS_MAX,
                                   ID_BITS - POSITION_BITS_MAX);
        if (layout->region_bits > layout->worker_bits)
                return log_failure(EINVAL, "config.region",
                                   "id.region_bits = %u (%s) exceeds the %u worker bits of "
                                   "id.layout (%s), which the region is a part of",
                                   layout->region_bits, config_origin(loader, "id.region_bits"),
                                   layout->worker_bits, from);
        return 0;
}

static int check_region(const struct config_loader *loader) {
        const struct config *config = loader->config;
        uint64_t regions = UINT64_C(1) << config->layout.region_bits;
        const char *from = config_origin(loader, "id.region");

        if (config->region < regions)
                return 0;
        if (config->layout.region_bits == 0)
                return log_failure(EINVAL, "config.region",
                                   "id.region = %" PRIu32 " (%s) has no bits in the ID: set "
                                   "id.region_bits, the same on all hosts, or remove id.region",
                                   config->region, from);
        return log_failure(EINVAL, "config.region",
                           "id.region = %" PRIu32 " (%s) does not fit id.region_bits = %u (%s): "
                           "regions go from 0 to %" PRIu64,
                           config->region, from, config->layout.region_bits,
                           config_origin(loader, "id.region_bits"), regions - 1);
}

static int check_first(const struct config_loader *loader) {
        const struct config *config = loader->config;
        bool coordinated = config_is_coordinated(config);

        if (coordinated && config->has_first)
                return log_failure(EINVAL, "config.first",
                                   "workers.first = %" PRIu32 " (%s) cannot be used with "
                                   "workers.backend = %s (%s), which assigns the worker IDs: "
                                   "remove it", config->first,
                                   config_origin(loader, "workers.first"), config->backend,
                                   config_origin(loader, "workers.backend"));
        if (config->has_first || coordinated)
                return 0;
        return log_failure(EINVAL, "config.first",
                           "workers.first is not set: set the first worker ID of this host, e.g. "
                           "--set workers.first=0; it must differ from every other host's");
}

static int check_growth(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->max_count >= config->count)
                return 0;
        return log_failure(EINVAL, "config.run",
                           "workers.max_count = %" PRIu32 " (%s) is less than workers.count = "
                           "%" PRIu32 " (%s), although the run grows from the one to the other",
                           config->max_count, config_origin(loader, "workers.max_count"),
                           config->count, config_origin(loader, "workers.count"));
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
        const char *key = widest_key(config), *from = config_origin(loader, key);
        const char *layout_from = config_origin(loader, "id.layout");
        const char *bits_from = config_origin(loader, "id.region_bits");

        if (config->max_count <= workers && config->first <= workers - config->max_count)
                return 0;
        if (config_is_coordinated(config))
                return log_failure(EINVAL, "config.run",
                                   "%" PRIu32 " worker IDs (%s, %s) do not exist: id.layout (%s) "
                                   "and id.region_bits (%s) leave %" PRIu64 "; lower %s",
                                   config->max_count, key, from, layout_from, bits_from, workers,
                                   key);
        return log_failure(EINVAL, "config.run",
                           "the %" PRIu32 " worker IDs (%s, %s) from workers.first = %" PRIu32
                           " (%s) on end above the last one, %" PRIu64
                           ": id.layout (%s) and id.region_bits (%s) leave %" PRIu64
                           "; lower workers.first or %s",
                           config->max_count, key, from, config->first,
                           config_origin(loader, "workers.first"), workers - 1, layout_from,
                           bits_from, workers, key);
}

/* A cursor can count through the run at its widest. */
static int check_width(const struct config_loader *loader) {
        const struct config *config = loader->config;
        unsigned sequence_bits = config->layout.sequence_bits;
        const char *key = widest_key(config);
        uint64_t workers_max = (uint64_t)RUN_WIDTH_MAX >> sequence_bits;

        if (config->max_count <= workers_max)
                return 0;
        return log_failure(EINVAL, "config.run",
                           "%" PRIu32 " worker IDs (%s, %s) of %u sequence bits (id.layout, %s) "
                           "are more than %" PRIu32 " positions, the most that one host can use: "
                           "this layout allows at most %" PRIu64 " worker IDs",
                           config->max_count, key, config_origin(loader, key), sequence_bits,
                           config_origin(loader, "id.layout"), RUN_WIDTH_MAX, workers_max);
}

static int check_times(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->horizon_ns >= config->standing_ns)
                return 0;
        return log_failure(EINVAL, "config.horizon",
                           "workers.horizon (%s) is shorter than reserve.standing (%s), but no "
                           "reservation may reach beyond the fence: make workers.horizon longer",
                           config_origin(loader, "workers.horizon"),
                           config_origin(loader, "reserve.standing"));
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
