/* SPDX-License-Identifier: MIT */
#include "daemon/config/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/config/addresses.h"
#include "daemon/util/log.h"
#include "shm/id.h"
#include "shm/slot.h"

#define POSITION_BITS_MAX 32u   /* a rectangle's start is a 32-bit number */
#define COORDINATED_BITS_MAX 16 /* of the worker IDs that a coordinator can hold */

static int check_layout(const struct config_loader *loader) {
        const struct id_layout *layout = &loader->config->layout;
        const char *from = config_origin(loader, "id.layout");

        if (id_position_bits(layout) > POSITION_BITS_MAX)
                return log_failure(EINVAL, WITH(EVENT_CONFIG_LAYOUT, FIELD(KEY, "id.layout")),
                                   "id.layout = %u/%u/%u (%s) has %u bits for worker and sequence, "
                                   "but at most %u are possible: give the tick %u bits or more",
                                   layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                                   from, id_position_bits(layout), POSITION_BITS_MAX,
                                   ID_BITS - POSITION_BITS_MAX);
        if (layout->region_bits > layout->worker_bits)
                return log_failure(EINVAL, WITH(EVENT_CONFIG_REGION, FIELD(KEY, "id.region_bits")),
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
                return log_failure(EINVAL, WITH(EVENT_CONFIG_REGION, FIELD(KEY, "id.region")),
                                   "id.region = %" PRIu32 " (%s) has no bits in the ID: set "
                                   "id.region_bits, the same on all hosts, or remove id.region",
                                   config->region, from);
        return log_failure(EINVAL, WITH(EVENT_CONFIG_REGION, FIELD(KEY, "id.region")),
                           "id.region = %" PRIu32 " (%s) does not fit id.region_bits = %u (%s): "
                           "regions go from 0 to %" PRIu64,
                           config->region, from, config->layout.region_bits,
                           config_origin(loader, "id.region_bits"), regions - 1);
}

/* A coordinator assigns the worker IDs. */
static bool is_coordinated(const struct config *config) {
        return strcmp(config->backend, "local") != 0;
}

/* A key that only another backend reads is a mistake. */
static int check_unused(const struct config_loader *loader) {
        const char *backend = loader->config->backend;

        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++) {
                bool of_etcd = strncmp(key->name, "etcd.", 5) == 0;
                bool of_zookeeper = strncmp(key->name, "zookeeper.", 10) == 0;
                const char *section = of_etcd ? "etcd" : "zookeeper";

                if ((of_etcd || of_zookeeper) && strcmp(backend, section) != 0 &&
                    config_is_set(loader, key->name))
                        return log_failure(EINVAL, WITH(EVENT_CONFIG_BACKEND,
                                                        FIELD(KEY, key->name)),
                                           "%s (%s) is not used with workers.backend = %s (%s): "
                                           "remove it, or set the backend to %s", key->name,
                                           config_origin(loader, key->name), backend,
                                           config_origin(loader, "workers.backend"), section);
        }
        return 0;
}

static const char *text_of(const struct config_loader *loader, const char *name) {
        return *(char **)(void *)((char *)loader->config + config_key_find(name)->offset);
}

static int check_pairs(const struct config_loader *loader) {
        static const char *const pairs[][2] = {
                { "etcd.username", "etcd.password_file" },
                { "etcd.cert_file", "etcd.key_file" },
                { "zookeeper.username", "zookeeper.password_file" },
        };

        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
                const char *a = pairs[i][0], *b = pairs[i][1];

                if ((text_of(loader, a)[0] == '\0') != (text_of(loader, b)[0] == '\0'))
                        return log_failure(EINVAL, WITH(EVENT_CONFIG_BACKEND, FIELD(KEY, a)),
                                           "%s (%s) and %s (%s) need each other: set both or none",
                                           a, config_origin(loader, a), b,
                                           config_origin(loader, b));
        }
        return 0;
}

static int check_tls(const struct config_loader *loader) {
        static const char *const files[] = { "etcd.ca_file", "etcd.cert_file", "etcd.key_file" };
        bool tls = false;

        (void)addresses_check_urls(loader->config->etcd_endpoints, &tls);
        for (size_t i = 0; !tls && i < sizeof(files) / sizeof(files[0]); i++)
                if (text_of(loader, files[i])[0] != '\0')
                        return log_failure(EINVAL, WITH(EVENT_CONFIG_BACKEND,
                                                        FIELD(KEY, files[i])),
                                           "%s = \"%s\" (%s) is not used when etcd.endpoints has "
                                           "http:// URLs: use https:// there, or remove it",
                                           files[i], text_of(loader, files[i]),
                                           config_origin(loader, files[i]));
        return 0;
}

static int check_region_size(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (!is_coordinated(config) ||
            config->layout.worker_bits - config->layout.region_bits <= COORDINATED_BITS_MAX)
                return 0;
        return log_failure(EINVAL, WITH(EVENT_CONFIG_BACKEND, FIELD(KEY, "id.layout")),
                           "id.layout (%s) and id.region_bits (%s) give a region more than 65536 "
                           "worker IDs, the most that %s can hold: use more region bits or more "
                           "sequence bits",
                           config_origin(loader, "id.layout"),
                           config_origin(loader, "id.region_bits"), config->backend);
}

static int check_first(const struct config_loader *loader) {
        const struct config *config = loader->config;
        bool coordinated = is_coordinated(config);

        if (coordinated && config->has_first)
                return log_failure(EINVAL, WITH(EVENT_CONFIG_FIRST, FIELD(KEY, "workers.first")),
                                   "workers.first = %" PRIu32 " (%s) cannot be used with "
                                   "workers.backend = %s (%s), which assigns the worker IDs: "
                                   "remove it", config->first,
                                   config_origin(loader, "workers.first"), config->backend,
                                   config_origin(loader, "workers.backend"));
        if (config->has_first || coordinated)
                return 0;
        return log_failure(EINVAL, WITH(EVENT_CONFIG_FIRST, FIELD(KEY, "workers.first")),
                           "workers.first is not set: set the first worker ID of this host, e.g. "
                           "--set workers.first=0; it must differ from every other host's");
}

static int check_growth(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->max_count >= config->count)
                return 0;
        return log_failure(EINVAL, WITH(EVENT_CONFIG_RUN, FIELD(KEY, "workers.max_count")),
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
        if (is_coordinated(config))
                return log_failure(EINVAL, WITH(EVENT_CONFIG_RUN, FIELD(KEY, key)),
                                   "%" PRIu32 " worker IDs (%s, %s) do not exist: id.layout (%s) "
                                   "and id.region_bits (%s) leave %" PRIu64 "; lower %s",
                                   config->max_count, key, from, layout_from, bits_from, workers,
                                   key);
        return log_failure(EINVAL, WITH(EVENT_CONFIG_RUN, FIELD(KEY, key)),
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
        return log_failure(EINVAL, WITH(EVENT_CONFIG_RUN, FIELD(KEY, key)),
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
        return log_failure(EINVAL, WITH(EVENT_CONFIG_HORIZON, FIELD(KEY, "workers.horizon")),
                           "workers.horizon (%s) is shorter than reserve.standing (%s), but no "
                           "reservation may reach beyond the fence: make workers.horizon longer",
                           config_origin(loader, "workers.horizon"),
                           config_origin(loader, "reserve.standing"));
}

int config_check(const struct config_loader *loader) {
        int (*const checks[])(const struct config_loader *) = {
                check_layout, check_region, check_unused, check_pairs, check_tls, check_region_size,
                check_first,  check_growth, check_range,  check_width, check_times,
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
                r = checks[i](loader);
        return r;
}
