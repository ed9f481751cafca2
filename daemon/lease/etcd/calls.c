/* SPDX-License-Identifier: MIT */
/*
 * Peculiarities of the gateway: int64 are strings; fields with default values are left
 * out; unknown fields of a request are ignored; keys and values are base64. The answer
 * for an etcd lease that has expired is that for a live one, without a TTL.
 */
#include "daemon/lease/etcd/calls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/answer.h"
#include "daemon/lease/etcd/base64.h"
#include "daemon/lease/etcd/pairs.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* Keys in an answer: some 2 MiB, as a record has about 1 KiB there, and a fraction of the
 * time-out. More are hardly faster: etcd looks at all keys that follow, but quickly. */
#define PAGE 2000
#define TIMEOUTS_IN_TTL 6 /* a renewal is at most three requests, and may be tried twice */

static json_t *format_number(int64_t value) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRId64, value);
        return json_string(text);
}

/* 0: the field is left out; -1: it is not a number. */
static int64_t parse_number(const json_t *value) {
        const char *text = json_string_value(value);
        char *end = NULL;
        long long n;

        if (value == NULL)
                return 0;
        if (json_is_integer(value))
                return json_integer_value(value);
        if (text == NULL || *text == '\0')
                return -1;
        n = strtoll(text, &end, 10);
        return *end == '\0' && n >= 0 ? n : -1;
}

static json_t *format_base64(const char *text, size_t size) {
        char *encoded = base64_encode(text, size);
        json_t *value = encoded != NULL ? json_string(encoded) : NULL;

        free(encoded);
        return value;
}

/* `key` below the prefix; with `end` the first key after all that begin with it. */
static json_t *format_key(const struct etcd_coordinator *etcd, const char *key, bool end) {
        char *full = NULL;
        int n = asprintf(&full, "%s/%s", etcd->prefix, key);
        json_t *value;

        if (n < 0)
                return NULL;
        if (end)
                full[n - 1]++; /* keys are ASCII */
        value = format_base64(full, (size_t)n);
        free(full);
        return value;
}

/* Revisions of two clusters cannot be compared. */
static void look_at_cluster(struct etcd_coordinator *etcd, const json_t *answer) {
        const char *cluster = etcd_answer_cluster(answer);

        if (strcmp(etcd->cluster, cluster) == 0)
                return;
        snprintf(etcd->cluster, sizeof(etcd->cluster), "%s", cluster);
        etcd->clusters++;
        etcd->revision = 0;
}

/* Our calls come one after the other and are linearizable: an answer that is older than
 * an earlier one comes from an etcd that has lost data. What of it is ours shows in the keys, and
 * is dealt with there (lease/fleet/brake.h). */
static int check_revision(struct etcd_coordinator *etcd, const json_t *answer,
                          int64_t *ret_revision) {
        const json_t *header = json_object_get(answer, "header");
        int64_t revision = parse_number(json_object_get(header, "revision"));

        look_at_cluster(etcd, answer);
        if (revision <= 0)
                return -EIO;
        if (revision < etcd->revision)
                log_event(EVENT_ETCD_OLD_COPY, "etcd's revision went back from %" PRId64
                          " to %" PRId64 ": it was put back to an old copy, and this host looks "
                          "whether its worker IDs are still there; or etcd.endpoints names members "
                          "of two clusters: correct it then", etcd->revision, revision);
        etcd->revision = revision;
        *ret_revision = revision;
        return 0;
}

/* ---- list */

static int take_item(const struct etcd_coordinator *etcd, const struct etcd_pair *pair,
                     struct coordinator_item *ret) {
        char *key = base64_decode(pair->key.at, pair->key.length);
        char *value = base64_decode(pair->value.at, pair->value.length);
        size_t prefix = strlen(etcd->prefix) + 1;

        if (key == NULL || value == NULL || strlen(key) < prefix || pair->modified <= 0) {
                free(key);
                free(value);
                return -EIO;
        }
        memmove(key, key + prefix, strlen(key + prefix) + 1);
        *ret = (struct coordinator_item){ key, value, pair->modified };
        return 0;
}

/* The keys that begin with `prefix`, as they were at one revision, page by page. */
struct pages {
        struct etcd_coordinator *etcd;
        const char *prefix;
        struct coordinator_list list;
        int64_t revision; /* of all pages; 0: there was none yet */
        unsigned clusters; /* of the etcd, at the first page */
        int64_t total;    /* keys in all of them */
};

/* A truncated answer must not look like missing keys. `n`: keys of this page. */
static bool is_whole(const struct pages *p, const json_t *answer, size_t n) {
        int64_t left = parse_number(json_object_get(answer, "count"));
        bool more = json_is_true(json_object_get(answer, "more"));

        if (left < (int64_t)n || left != p->total - (int64_t)(p->list.n - n))
                return false;
        return more ? n > 0 && left > (int64_t)n : left == (int64_t)n;
}

static int make_room(struct coordinator_list *list, size_t *size) {
        struct coordinator_item *items;

        if (list->n < *size)
                return 0;
        *size = list->n + PAGE;
        items = reallocarray(list->items, *size, sizeof(*items));
        if (items == NULL)
                return -ENOMEM;
        list->items = items;
        return 0;
}

static int take_items(struct pages *p, const char *kvs) {
        size_t size = p->list.n;
        struct etcd_pair pair;
        int r;

        while ((r = etcd_pairs_next(&kvs, &pair)) > 0) {
                r = make_room(&p->list, &size);
                if (r == 0)
                        r = take_item(p->etcd, &pair, &p->list.items[p->list.n]);
                if (r < 0)
                        return r;
                p->list.n++;
        }
        return r;
}

static int take_page(struct pages *p, const json_t *answer, bool *ret_more) {
        const char *kvs = json_string_value(json_object_get(answer, "kvs"));
        size_t before = p->list.n;
        int64_t revision = 0;
        int r = check_revision(p->etcd, answer, &revision);

        if (r == 0 && p->revision != 0 &&
            (p->clusters != p->etcd->clusters || revision < p->revision))
                r = -EAGAIN; /* another cluster gave this one, or an older copy */
        if (r == 0 && p->revision == 0) {
                p->clusters = p->etcd->clusters;
                p->revision = revision;
                p->total = parse_number(json_object_get(answer, "count"));
        }
        if (r == 0)
                r = take_items(p, kvs != NULL ? kvs : "");
        if (r == 0 && !is_whole(p, answer, p->list.n - before))
                r = -EIO;
        *ret_more = json_is_true(json_object_get(answer, "more"));
        return r;
}

/* The first key that was not listed yet: the last one with a NUL behind it. */
static json_t *format_start(const struct pages *p) {
        char *full = NULL;
        json_t *value;
        int n;

        if (p->list.n == 0)
                return format_key(p->etcd, p->prefix, false);
        n = asprintf(&full, "%s/%s", p->etcd->prefix, p->list.items[p->list.n - 1].key);
        if (n < 0)
                return NULL;
        value = format_base64(full, (size_t)n + 1);
        free(full);
        return value;
}

/* Linearizable, which is the default: `serializable` is not set. */
static int read_page(struct pages *p, bool *ret_more) {
        json_t *request = json_pack("{s:o, s:o, s:s, s:i}", "key", format_start(p), "range_end",
                                    format_key(p->etcd, p->prefix, true), "sort_target", "KEY",
                                    "limit", PAGE);
        json_t *answer = NULL;
        int r;

        if (request != NULL && p->revision != 0)
                (void)json_object_set_new(request, "revision", format_number(p->revision));
        r = etcd_http_call(p->etcd->http, "kv/range", request, false, &answer);
        if (r == 0)
                r = take_page(p, answer, ret_more);
        json_decref(answer);
        return r;
}

/* -EAGAIN: a compaction has taken the revision away; another list has a later one. */
static int etcd_list(void *coordinator, const char *prefix, struct coordinator_list *ret) {
        struct pages p = { .etcd = coordinator, .prefix = prefix };
        bool more = true;
        int r = 0;

        while (r == 0 && more)
                r = read_page(&p, &more);
        if (r < 0) {
                coordinator_list_clear(&p.list);
                return r;
        }
        *ret = p.list;
        return 0;
}

/* ---- commit */

static json_t *check_json(const struct etcd_coordinator *etcd,
                          const struct coordinator_check *check) {
        /* a missing key has revision 0 */
        return json_pack("{s:o, s:s, s:s, s:o}", "key", format_key(etcd, check->key, false),
                         "target", "MOD", "result", "EQUAL", "mod_revision",
                         format_number(check->modified));
}

static json_t *write_json(const struct etcd_coordinator *etcd,
                          const struct coordinator_write *write) {
        if (write->value == NULL)
                return json_pack("{s:{s:o}}", "request_delete_range", "key",
                                 format_key(etcd, write->key, false));
        return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key",
                         format_key(etcd, write->key, false), "value",
                         format_base64(write->value, strlen(write->value)), "lease",
                         format_number(write->session ? etcd->lease : 0));
}

static json_t *commit_json(const struct etcd_coordinator *etcd,
                           const struct coordinator_commit *commit) {
        json_t *compare = json_array(), *success = json_array();
        bool well = compare != NULL && success != NULL;

        for (size_t i = 0; well && i < commit->n_checks; i++)
                well = json_array_append_new(compare, check_json(etcd, &commit->checks[i])) == 0;
        for (size_t i = 0; well && i < commit->n_writes; i++)
                well = json_array_append_new(success, write_json(etcd, &commit->writes[i])) == 0;
        if (well)
                return json_pack("{s:o, s:o}", "compare", compare, "success", success);
        json_decref(compare);
        json_decref(success);
        return NULL;
}

static int etcd_commit(void *coordinator, const struct coordinator_commit *commit) {
        struct etcd_coordinator *etcd = coordinator;
        json_t *answer = NULL;
        int64_t revision = 0;
        int r = etcd_http_call(etcd->http, "kv/txn", commit_json(etcd, commit), true, &answer);

        if (r == 0)
                r = check_revision(etcd, answer, &revision);
        if (r == 0 && !json_is_true(json_object_get(answer, "succeeded")))
                r = -EAGAIN;
        for (size_t i = 0; r == 0 && i < commit->n_writes; i++)
                commit->writes[i].modified = revision;
        json_decref(answer);
        return r;
}

/* ---- session */

/* Whole seconds, in `TTL`: success is a TTL above 0 and nothing else. */
static int take_ttl(const json_t *answer, int64_t *ret_ttl_ns) {
        int64_t ttl = parse_number(json_object_get(answer, "TTL"));

        if (ttl <= 0 || ttl > INT64_MAX / NS_PER_S)
                return -ESTALE;
        *ret_ttl_ns = ttl * NS_PER_S;
        return 0;
}

static int call_lease(struct etcd_coordinator *etcd, const char *path, const char *field,
                      int64_t value, bool once, json_t **ret) {
        return etcd_http_call(etcd->http, path, json_pack("{s:o}", field, format_number(value)),
                              once, ret);
}

static int etcd_session_begin(void *coordinator, int64_t ttl_ns, int64_t *ret_ttl_ns) {
        struct etcd_coordinator *etcd = coordinator;
        json_t *answer = NULL;
        int64_t lease = 0;
        int r = call_lease(etcd, "lease/grant", "TTL", ttl_ns / NS_PER_S, false, &answer);

        if (r < 0)
                return r;
        r = take_ttl(answer, ret_ttl_ns);
        lease = parse_number(json_object_get(answer, "ID"));
        json_decref(answer);
        if (r < 0 || lease <= 0)
                return -EIO;
        etcd->lease = lease;
        return 0;
}

static int etcd_session_keep(void *coordinator, int64_t *ret_ttl_ns) {
        struct etcd_coordinator *etcd = coordinator;
        json_t *answer = NULL;
        int r = call_lease(etcd, "lease/keepalive", "ID", etcd->lease, false, &answer);

        if (r == 0)
                r = take_ttl(json_object_get(answer, "result"), ret_ttl_ns);
        json_decref(answer);
        return r == -EAGAIN ? -ESTALE : r; /* there is no such etcd lease */
}

static int etcd_session_end(void *coordinator) {
        struct etcd_coordinator *etcd = coordinator;
        json_t *answer = NULL;
        int r = call_lease(etcd, "lease/revoke", "ID", etcd->lease, true, &answer);

        json_decref(answer);
        return r;
}

const struct coordinator_calls etcd_calls = {
        .list = etcd_list,
        .commit = etcd_commit,
        .session_begin = etcd_session_begin,
        .session_keep = etcd_session_keep,
        .session_end = etcd_session_end,
};

/* ---- the backend */

static int etcd_connect(const struct config *config, struct lease_counters *counters,
                        struct fleet_connection *ret) {
        const struct etcd_http_options options = {
                .endpoints = config->etcd_endpoints,
                .timeout_ns = config->etcd_ttl_ns / TIMEOUTS_IN_TTL,
                .username = config->etcd_username,
                .password_file = config->etcd_password_file,
                .ca_file = config->etcd_ca_file,
                .cert_file = config->etcd_cert_file,
                .key_file = config->etcd_key_file,
                .errors = &counters->coordinator_errors,
                .breakers = &counters->breakers,
        };
        struct etcd_coordinator *etcd = calloc(1, sizeof(*etcd));

        ret->calls = &etcd_calls;
        ret->coordinator = etcd;
        ret->ttl_ns = config->etcd_ttl_ns;
        if (asprintf(&ret->place, "etcd %s%s", config->etcd_endpoints, config->etcd_prefix) < 0)
                ret->place = NULL; /* undefined after a failure */
        if (etcd == NULL || ret->place == NULL)
                return log_failure(ENOMEM, EVENT_ETCD, "no memory for the etcd backend");
        etcd->prefix = config->etcd_prefix;
        return etcd_http_new(&etcd->http, &options);
}

static void etcd_disconnect(struct fleet_connection *connection) {
        struct etcd_coordinator *etcd = connection->coordinator;

        if (etcd != NULL)
                etcd_http_free(etcd->http);
        free(etcd);
        free(connection->place);
}

static void etcd_refresh(struct fleet_connection *connection) {
        etcd_http_refresh(((struct etcd_coordinator *)connection->coordinator)->http);
}

static void etcd_hurry(struct fleet_connection *connection, int64_t until_ns) {
        etcd_http_hurry(((struct etcd_coordinator *)connection->coordinator)->http, until_ns);
}

const struct fleet_kind fleet_kind_etcd = {
        .name = "etcd",
        .claim_event = &EVENT_ETCD_CLAIM,
        .access_event = &EVENT_ETCD_ACCESS,
        .access_remedy = "correct what the warning before names: etcd.username and "
                         "etcd.password_file, the role there, or the files for TLS",
        .remedy = "check etcd and the network to it; sfshmd retries by itself",
        .connect = etcd_connect,
        .disconnect = etcd_disconnect,
        .refresh = etcd_refresh,
        .hurry = etcd_hurry,
};
