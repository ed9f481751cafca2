/* SPDX-License-Identifier: MIT */
#include "daemon/config/check_coordinator.h"

#include <errno.h>
#include <string.h>

#include "daemon/config/addresses.h"
#include "daemon/util/log.h"

static const char *const coordinators[] = { "etcd", "zookeeper" };
#define N_COORDINATORS (sizeof(coordinators) / sizeof(coordinators[0]))

bool config_is_coordinated(const struct config *config) {
        for (size_t i = 0; i < N_COORDINATORS; i++)
                if (strcmp(config->backend, coordinators[i]) == 0)
                        return true;
        return false;
}

/* A key that only another backend reads is a mistake. */
static int check_unused(const struct config_loader *loader, const char *section) {
        size_t length = strlen(section);

        for (size_t i = 0; i < config_n_keys; i++)
                if (strncmp(config_keys[i].name, section, length) == 0 &&
                    config_keys[i].name[length] == '.' && loader->origins[i] != NULL)
                        return log_failure(EINVAL, "config.backend",
                                           "%s (%s) is not used with workers.backend = %s (%s): "
                                           "remove it, or set the backend to %s",
                                           config_keys[i].name, loader->origins[i],
                                           loader->config->backend,
                                           config_origin(loader, "workers.backend"), section);
        return 0;
}

static int check_pair(const struct config_loader *loader, const char *a, const char *a_value,
                      const char *b, const char *b_value) {
        if ((a_value[0] == '\0') == (b_value[0] == '\0'))
                return 0;
        return log_failure(EINVAL, "config.backend",
                           "%s (%s) and %s (%s) need each other: set both or none", a,
                           config_origin(loader, a), b, config_origin(loader, b));
}

static int check_path(const struct config_loader *loader, const char *name, const char *value,
                      bool allowed) {
        if (value[0] == '\0' || (value[0] == '/' && allowed))
                return 0;
        return log_failure(EINVAL, "config.backend", "%s = \"%s\" (%s) %s", name, value,
                           config_origin(loader, name),
                           value[0] != '/' ? "is not an absolute path" :
                                             "is not used when etcd.endpoints has http:// URLs: "
                                             "use https:// there, or remove it");
}

/* ZooKeeper refuses a path that ends with a slash or has an empty part, "." or "..". For
 * etcd "/a" and "/a/" would be two ID spaces, the second made by one slash too many. */
static bool is_node_path(const char *path) {
        while (*path == '/') {
                size_t length = strcspn(++path, "/");

                if (length == 0 || (length == 1 && path[0] == '.') ||
                    (length == 2 && path[0] == '.' && path[1] == '.'))
                        return false;
                path += length;
        }
        return true;
}

static int check_prefix(const struct config_loader *loader, const char *event, const char *name,
                        const char *value) {
        if (is_node_path(value))
                return 0;
        return log_failure(EINVAL, event,
                           "%s = \"%s\" (%s) is not a path such as /a/b: remove a slash at its "
                           "end and parts that are empty, \".\" or \"..\"",
                           name, value, config_origin(loader, name));
}

static int check_etcd(const struct config_loader *loader) {
        const struct config *config = loader->config;
        bool tls = false;
        int r;

        if (addresses_check_urls(config->etcd_endpoints, &tls) < 0)
                return log_failure(EINVAL, "config.etcd", "etcd.endpoints = \"%s\" (%s) is not a "
                                   "list of 1 to 16 URLs such as http://10.0.0.1:2379, all http:// "
                                   "or all https://, separated by blanks or commas",
                                   config->etcd_endpoints, config_origin(loader, "etcd.endpoints"));
        r = check_prefix(loader, "config.etcd", "etcd.prefix", config->etcd_prefix);
        if (r == 0)
                r = check_pair(loader, "etcd.username", config->etcd_username,
                               "etcd.password_file", config->etcd_password_file);
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

static int check_zookeeper(const struct config_loader *loader) {
        const struct config *config = loader->config;
        int r;

        if (addresses_check_hosts(config->zookeeper_hosts) < 0)
                return log_failure(EINVAL, "config.zookeeper", "zookeeper.hosts = \"%s\" (%s) is "
                                   "not a list of 1 to 16 servers HOST:PORT, such as 10.0.0.1:2181 "
                                   "or [fd00::1]:2181, separated by blanks or commas; a path "
                                   "belongs in zookeeper.prefix", config->zookeeper_hosts,
                                   config_origin(loader, "zookeeper.hosts"));
        if (strchr(config->zookeeper_username, ':') != NULL)
                return log_failure(EINVAL, "config.zookeeper", "zookeeper.username = \"%s\" (%s) "
                                   "has a colon, which ends a user name in ZooKeeper",
                                   config->zookeeper_username,
                                   config_origin(loader, "zookeeper.username"));
        r = check_prefix(loader, "config.zookeeper", "zookeeper.prefix", config->zookeeper_prefix);
        if (r == 0)
                r = check_pair(loader, "zookeeper.username", config->zookeeper_username,
                               "zookeeper.password_file", config->zookeeper_password_file);
        return r < 0 ? r : check_path(loader, "zookeeper.password_file",
                                      config->zookeeper_password_file, true);
}

static int check_region_size(const struct config_loader *loader) {
        const struct config *config = loader->config;

        if (config->layout.worker_bits - config->layout.region_bits <= 16)
                return 0;
        return log_failure(EINVAL, "config.backend",
                           "id.layout (%s) and id.region_bits (%s) give a region more than 65536 "
                           "worker IDs, the most that %s can hold: use more region bits or more "
                           "sequence bits",
                           config_origin(loader, "id.layout"),
                           config_origin(loader, "id.region_bits"), config->backend);
}

int config_check_coordinator(const struct config_loader *loader) {
        int (*const checks[N_COORDINATORS])(const struct config_loader *) = { check_etcd,
                                                                              check_zookeeper };
        int r = 0;

        for (size_t i = 0; r == 0 && i < N_COORDINATORS; i++)
                r = strcmp(loader->config->backend, coordinators[i]) == 0 ?
                            checks[i](loader) : check_unused(loader, coordinators[i]);
        return r < 0 || !config_is_coordinated(loader->config) ? r : check_region_size(loader);
}
