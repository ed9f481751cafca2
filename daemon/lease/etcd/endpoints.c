/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/endpoints.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/backoff.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define BREAKER_FIRST_NS (500 * NS_PER_MS)
#define BREAKER_LAST_NS (30 * NS_PER_S)
#define COMMIT "kv/txn"

void etcd_endpoints_take(struct etcd_endpoints *endpoints, const char *text) {
        size_t n;

        *endpoints = (struct etcd_endpoints){ .n = 0 };
        for (; (n = addresses_next(&text)) > 0 && endpoints->n < ADDRESSES_MAX; text += n)
                snprintf(endpoints->list[endpoints->n++].url, sizeof(endpoints->list[0].url),
                         "%.*s", (int)n, text);
        /* hosts with the same configuration do not all use the same endpoint */
        if (endpoints->n > 0)
                endpoints->current = backoff_random() % endpoints->n;
}

size_t etcd_endpoints_choose(const struct etcd_endpoints *endpoints, int64_t now_ns) {
        size_t best = endpoints->current;

        for (size_t i = 0; i < endpoints->n; i++) {
                size_t at = (endpoints->current + i) % endpoints->n;

                if (endpoints->list[at].open_ns <= now_ns)
                        return at;
                if (endpoints->list[at].open_ns < endpoints->list[best].open_ns)
                        best = at;
        }
        return best;
}

void etcd_endpoints_trip(struct etcd_endpoints *endpoints, size_t at, int64_t now_ns) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];

        endpoint->pause_ns = backoff_next(endpoint->pause_ns, BREAKER_FIRST_NS, BREAKER_LAST_NS);
        /* hosts that lost it together do not return together */
        endpoint->open_ns = now_ns + backoff_jittered(endpoint->pause_ns, backoff_random());
        endpoints->current = (at + 1) % endpoints->n;
}

/* ---- incidents */

static bool is_under_way(const struct etcd_incident *incident) {
        return incident->path[0] != '\0';
}

static void begin_incident(struct etcd_incident *incident, const char *path, int64_t now_ns) {
        snprintf(incident->path, sizeof(incident->path), "%s", path);
        incident->begun_ns = now_ns;
}

/* True if it ends: a keep-alive that is answered says nothing of a full database. */
static bool end_incident(struct etcd_incident *incident, const char *path) {
        if (!is_under_way(incident) ||
            (strcmp(incident->path, path) != 0 && strcmp(path, COMMIT) != 0))
                return false;
        incident->path[0] = '\0';
        return true;
}

void etcd_endpoints_fails(struct etcd_endpoints *endpoints, size_t at, const char *path,
                          const char *message, int64_t now_ns) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];

        if (!is_under_way(&endpoints->away)) {
                begin_incident(&endpoints->away, path, now_ns);
                log_event(WITH(EVENT_ETCD_AWAY, FIELD(ENDPOINT, endpoint->url)),
                          "etcd at %s does not serve %s: %s; "
                          "retrying, at each endpoint in turn", endpoint->url, path, message);
        } else if (!endpoint->told) {
                log_event(WITH(EVENT_ETCD_ENDPOINT, FIELD(ENDPOINT, endpoint->url)),
                          "nor does etcd at %s serve %s: %s",
                          endpoint->url, path, message);
        }
        endpoint->told = true;
}

void etcd_endpoints_refuses(struct etcd_endpoints *endpoints, size_t at, const char *path,
                            const char *message) {
        if (!is_under_way(&endpoints->refused)) {
                begin_incident(&endpoints->refused, path, 0);
                log_event(WITH(EVENT_ETCD_REFUSED, FIELD(ENDPOINT, endpoints->list[at].url)),
                          "no access to etcd at %s for %s: %s",
                          endpoints->list[at].url, path, message);
        }
        endpoints->current = (at + 1) % endpoints->n;
}

void etcd_endpoints_serves(struct etcd_endpoints *endpoints, size_t at, const char *path,
                           int64_t now_ns) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];

        endpoint->open_ns = endpoint->pause_ns = 0;
        endpoints->current = at;
        if (end_incident(&endpoints->refused, path))
                log_event(WITH(EVENT_ETCD_ADMITTED, FIELD(ENDPOINT, endpoint->url)),
                          "etcd at %s grants access again for %s",
                          endpoint->url, path);
        if (!end_incident(&endpoints->away, path))
                return;
        log_event(WITH(EVENT_ETCD_BACK, FIELD(ENDPOINT, endpoint->url),
                       FIELD(DURATION_NS, now_ns - endpoints->away.begun_ns)),
                  "etcd at %s serves again, after %" PRId64 " s",
                  endpoint->url, (now_ns - endpoints->away.begun_ns) / NS_PER_S);
        for (size_t i = 0; i < endpoints->n; i++)
                endpoints->list[i].told = false;
}

static bool is_gone(const struct etcd_endpoints *endpoints, const char *cluster) {
        for (size_t i = 0; i < endpoints->n; i++) {
                const struct etcd_endpoint *e = &endpoints->list[i];

                if (strcmp(e->cluster, cluster) != 0 &&
                    (e->cluster[0] != '\0' || e->pause_ns == 0))
                        return false;
        }
        return true;
}

bool etcd_endpoints_belongs(struct etcd_endpoints *endpoints, size_t at, const char *cluster) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];
        bool known = endpoints->cluster[0] != '\0';

        if (strlen(cluster) >= sizeof(endpoint->cluster))
                return false;
        strcpy(endpoint->cluster, cluster);
        if (strcmp(endpoints->cluster, cluster) == 0)
                return true;
        if (known && !is_gone(endpoints, cluster))
                return false;
        if (known)
                log_event(WITH(EVENT_ETCD_CLUSTER, FIELD(ENDPOINT, endpoint->url)),
                          "etcd at %s is of cluster %s now, of %s "
                          "before, and so is every endpoint that answers: the daemon goes on with "
                          "it", endpoint->url, cluster, endpoints->cluster);
        strcpy(endpoints->cluster, cluster);
        return true;
}

size_t etcd_endpoints_left_out(const struct etcd_endpoints *endpoints) {
        size_t n = 0;

        for (size_t i = 0; i < endpoints->n; i++)
                n += endpoints->list[i].pause_ns != 0;
        return n;
}
