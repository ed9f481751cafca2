/* SPDX-License-Identifier: MIT */
/* What only several keys together can show to be wrong. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/config_internal.h"
#include "daemon/lease/etcd_http.h"
#include "daemon/log.h"
#include "shm/id.h"
#include "shm/slot.h"

#define POSITION_BITS_MAX 32u /* a rectangle's start is a 32-bit number */

static const char *origin(const struct config_loader *loader, const char *name) {
        const char *found = loader->origins[config_key_index(config_key_find(name))];

        return found ? found : "default";
}

static int check_layout(const struct config_loader *loader) {
        const struct id_layout *layout = &loader->config->layout;

        if (id_position_bits(layout) > POSITION_BITS_MAX)
                return log_failure(EINVAL, "config.layout",
                                   "id.layout = %u/%u/%u (%s) has %u bits for worker and sequence; "
                                   "at most %u are possible: give the tick %u or more",
                                   layout->tick_bits, layout->worker_bits, layout->sequence_bits,
                                   origin(loader, "id.layout"), id_position_bits(layout),
                                   POSITION_BITS_MAX, ID_BITS - POSITION_BITS_MAX);
        if (layout->region_bits > layout->worker_bits)
                return log_failure(EINVAL, "config.region",
                                   "id.region_bits = %u (%s) are more than the %u worker bits of "
                                   "id.layout (%s), of which the region is a part",
                                   layout->region_bits, origin(loader, "id.region_bits"),
                                   layout->worker_bits, origin(loader, "id.layout"));
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
                                   config->region, origin(loader, "id.region"));
        return log_failure(EINVAL, "config.region",
                           "id.region = %" PRIu32 " (%s) does not fit id.region_bits = %u (%s); "
                           "regions go from 0 to %" PRIu64,
                           config->region, origin(loader, "id.region"), config->layout.region_bits,
                           origin(loader, "id.region_bits"), regions - 1);
}

static bool is_etcd(const struct config *config) {
        return strcmp(config->backend, "etcd") == 0;
}

/* What only another backend reads is a mistake. */
static int check_unused(const struct config_loader *loader) {
        for (size_t i = 0; i < config_n_keys && !is_etcd(loader->config); i++)
                if (strncmp(config_keys[i].name, "etcd.", 5) == 0 && loader->origins[i] != NULL)
                        return log_failure(EINVAL, "config.etcd", "%s (%s) is not used with "
                                           "workers.backend = %s (%s): leave it out, or set the "
                                           "backend to etcd", config_keys[i].name,
                                           loader->origins[i], loader->config->backend,
                                           origin(loader, "workers.backend"));
        return 0;
}

static int check_pair(const struct config_loader *loader, const char *a, const char *a_value,
                      const char *b, const char *b_value) {
        if ((a_value[0] == '\0') == (b_value[0] == '\0'))
                return 0;
        return log_failure(EINVAL, "config.etcd", "%s (%s) and %s (%s) are only of use together: "
                           "set both or none", a, origin(loader, a), b, origin(loader, b));
}

static int check_path(const struct config_loader *loader, const char *name, const char *value,
                      bool allowed) {
        if (value[0] == '\0' || (value[0] == '/' && allowed))
                return 0;
        return log_failure(EINVAL, "config.etcd", "%s = \"%s\" (%s) %s", name, value,
                           origin(loader, name), value[0] != '/' ? "is no absolute path" :
                           "is not used with etcd.endpoints of http://: say https://, or leave it "
                           "out");
}

static int check_etcd(const struct config_loader *loader) {
        const struct config *config = loader->config;
        bool tls = false;
        int r;

        if (!is_etcd(config))
                return check_unused(loader);
        if (etcd_http_check_endpoints(config->etcd_endpoints, &tls) < 0)
                return log_failure(EINVAL, "config.etcd", "etcd.endpoints = \"%s\" (%s) is not 1 to "
                                   "16 URLs as http://10.0.0.1:2379, all of http:// or all of "
                                   "https://, separated by blanks or commas", config->etcd_endpoints,
                                   origin(loader, "etcd.endpoints"));
        if (config->layout.worker_bits - config->layout.region_bits > 16)
                return log_failure(EINVAL, "config.etcd", "id.layout (%s) and id.region_bits (%s) "
                                   "give a region more than 65536 worker IDs, the most that etcd "
                                   "can keep: give it more region bits, or the sequence more",
                                   origin(loader, "id.layout"), origin(loader, "id.region_bits"));
        r = check_pair(loader, "etcd.username", config->etcd_username, "etcd.password_file",
                       config->etcd_password_file);
        if (r == 0)
                r = check_pair(loader, "etcd.cert_file", config->etcd_cert_file, "etcd.key_file",
                               config->etcd_key_file);
        if (r == 0)
                r = check_path(loader, "etcd.password_file", config->etcd_password_file, true);
        if (r == 0)
                r = check_path(loader, "etcd.ca_file", config->etcd_ca_file, tls);
        if (r == 0)
                r = check_path(loader, "etcd.cert_file", config->etcd_cert_file, tls);
        return r < 0 ? r : check_path(loader, "etcd.key_file", config->etcd_key_file, tls);
}

static int check_first(const struct config_loader *loader) {
        if (is_etcd(loader->config) && loader->config->has_first)
                return log_failure(EINVAL, "config.first", "workers.first = %" PRIu32 " (%s) cannot "
                                   "be said with workers.backend = etcd (%s), which decides: leave "
                                   "it out", loader->config->first, origin(loader, "workers.first"),
                                   origin(loader, "workers.backend"));
        if (loader->config->has_first || is_etcd(loader->config))
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
                           config->max_count, origin(loader, "workers.max_count"), config->count,
                           origin(loader, "workers.count"));
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
        return log_failure(EINVAL, "config.run",
                           "the %" PRIu32 " worker IDs (%s, %s) from workers.first = %" PRIu32
                           " (%s) on end above the last one, %" PRIu64
                           ": id.layout (%s) and id.region_bits (%s) leave %" PRIu64
                           "; lower workers.first or %s",
                           config->max_count, key, origin(loader, key), config->first,
                           origin(loader, "workers.first"), workers - 1,
                           origin(loader, "id.layout"), origin(loader, "id.region_bits"), workers,
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
                           config->max_count, key, origin(loader, key), sequence_bits,
                           origin(loader, "id.layout"), RUN_WIDTH_MAX,
                           workers_max);
}

static int check_times(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->horizon_ns >= config->standing_ns)
                return 0;
        return log_failure(EINVAL, "config.horizon",
                           "workers.horizon (%s) is shorter than reserve.standing (%s); no "
                           "reservation may reach beyond the fence: make workers.horizon longer",
                           origin(loader, "workers.horizon"), origin(loader, "reserve.standing"));
}

int config_check(const struct config_loader *loader) {
        int (*const checks[])(const struct config_loader *) = {
                check_layout, check_region, check_etcd, check_first, check_growth,
                check_range,  check_width,  check_times,
        };

        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
                int r = checks[i](loader);

                if (r < 0)
                        return r;
        }
        return 0;
}
