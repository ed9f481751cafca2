/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/endpoints.h"

#include <stdio.h>

#include "daemon/lease/backoff.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define BREAKER_FIRST_NS (500 * NS_PER_MS)
#define BREAKER_LAST_NS (30 * NS_PER_S)

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

void etcd_endpoints_tell(struct etcd_endpoints *endpoints, size_t at, uint32_t kind,
                         const char *message) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];

        for (size_t i = 0; i < endpoint->n_told; i++)
                if (endpoint->told[i] == kind)
                        return;
        if (endpoint->n_told == ETCD_FAILURES_TOLD)
                return;
        endpoint->told[endpoint->n_told++] = kind;
        log_event(LOG_LEVEL_WARNING, "etcd-away", "etcd at %s does not serve: %s; retrying, at "
                  "each endpoint in turn", endpoint->url, message);
}

void etcd_endpoints_serves(struct etcd_endpoints *endpoints, size_t at) {
        struct etcd_endpoint *endpoint = &endpoints->list[at];

        if (endpoint->n_told > 0)
                log_event(LOG_LEVEL_NOTICE, "etcd-back", "etcd at %s serves again", endpoint->url);
        endpoint->n_told = 0;
        endpoint->open_ns = endpoint->pause_ns = 0;
        endpoints->current = at;
}

size_t etcd_endpoints_left_out(const struct etcd_endpoints *endpoints) {
        size_t n = 0;

        for (size_t i = 0; i < endpoints->n; i++)
                n += endpoints->list[i].pause_ns != 0;
        return n;
}
