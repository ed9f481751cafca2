/* SPDX-License-Identifier: MIT */
/* What etcd's gateway leaves out, and what it lets pass: each is judged for itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/base64.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fake_etcd.h"

#define RANGE "/v3/kv/range"
#define TXN "/v3/kv/txn"
#define GRANT "/v3/lease/grant"
#define KEEP "/v3/lease/keepalive"
#define S INT64_C(1000000000)

TestSuite(etcd_calls, .init = fake_etcd_begin, .fini = fake_etcd_end, .timeout = 60);

static int list_of(const char *rest) {
        char text[1000];

        snprintf(text, sizeof(text), "{" HEADER "%s}", rest);
        fake_http_json(fake_etcd_server, RANGE, 200, text);
        return fake_etcd_list();
}

/* "/sfshm/contract" = "x". An answer cut short must not look like keys that are gone. */
Test(etcd_calls, a_list_is_whole_or_refused) {
#define KEY "\"key\":\"L3Nmc2htL2NvbnRyYWN0\""
#define GOOD "{" KEY ",\"value\":\"eA==\",\"mod_revision\":\"3\"}"
        static const char *const bad[] = {
                ",\"kvs\":[" GOOD "]", ",\"kvs\":[" GOOD "],\"count\":\"2\"",
                ",\"kvs\":[" GOOD "],\"count\":\"1\",\"more\":true", ",\"count\":\"1\"",
                ",\"kvs\":[{\"value\":\"eA==\",\"mod_revision\":\"3\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"0\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"value\":\"eA==\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"value\":\"e\",\"mod_revision\":\"3\"}],\"count\":\"1\"",
                ",\"kvs\":[{\"key\":\"L3M=\",\"mod_revision\":\"3\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"3x\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"-3\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":3.5}],\"count\":\"1\"",
                ",\"kvs\":[7],\"count\":\"1\"", ",\"kvs\":[],\"count\":true",
                ",\"kvs\":[" GOOD GOOD "],\"count\":\"2\"", ",\"kvs\":[" GOOD,
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"3\",\"x\":{}}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY "\"mod_revision\":\"3\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"3\"],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"value\":\"]\",\"mod_revision\":\"3\"}],\"count\":\"1\"",
                ",\"kvs\":[{" KEY ",\"mod_revision\":\"9223372036854775808\"}],\"count\":\"1\"",
        };
        struct coordinator_list list = { .n = 0 };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                cr_expect_eq(list_of(bad[i]), -EIO, "%s", bad[i]);
        cr_expect_eq(list_of(""), 0, "defaults are left out: no keys");
        cr_expect_eq(list_of(",\"kvs\":[" GOOD "],\"count\":\"1\""), 0);
        cr_expect_eq(list_of(", \"kvs\" : [ {" KEY ", \"mod_revision\" : 3 } ], \"count\" : 1"), 0,
                     "as another gateway may write it");
        cr_expect_eq(list_of(",\"kvs\":[{" KEY ",\"mod_revision\":\"3\"}],\"count\":\"1\""), 0,
                     "an empty value is left out");
        cr_assert_eq(etcd_calls.list(&fake_etcd, "contract", &list), 0);
        cr_expect_str_eq(list.items[0].key, "contract");
        cr_expect_str_eq(list.items[0].value, "");
        cr_expect_eq(list.items[0].modified, 3);
        coordinator_list_clear(&list);
}

static int list_two(const char *first, int status, const char *second) {
        char text[1000];

        snprintf(text, sizeof(text), "{" HEADER "%s}", first);
        fake_http_first(fake_etcd_server, RANGE, 200, text);
        snprintf(text, sizeof(text), "{" HEADER "%s}", second);
        fake_http_json(fake_etcd_server, RANGE, status, text);
        return fake_etcd_list();
}

/* Red when a page is read at another revision, or from another key, than it must. */
Test(etcd_calls, a_list_comes_by_pages) {
#define LAST "{\"key\":\"L3Nmc2htL2NvbnRyYWN0cw==\",\"mod_revision\":\"4\"}"
        static const char first[] = ",\"kvs\":[" GOOD "],\"count\":\"2\",\"more\":true";
        static const char *const bad[] = {
                "", ",\"kvs\":[" LAST "],\"count\":\"2\"",
                ",\"kvs\":[" LAST "],\"count\":\"2\",\"more\":true",
                ",\"kvs\":[],\"count\":\"1\",\"more\":true",
                ",\"kvs\":[" LAST "," LAST "],\"count\":\"2\"",
        };
        char *text, *after = base64_encode("/sfshm/contract", 16);

        cr_assert_eq(list_two(first, 200, ",\"kvs\":[" LAST "],\"count\":\"1\""), 0);
        text = fake_http_last(fake_etcd_server, RANGE);
        cr_assert_contains(text, after);
        cr_assert_contains(text, "\"revision\":\"5\"");
        cr_assert_contains(text, "\"limit\":");
        free(text);
        free(after);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                cr_expect_eq(list_two(first, 200, bad[i]), -EIO, "%s", bad[i]);
        cr_expect_eq(list_two(first, 400, ",\"error\":\"etcdserver: mvcc: required revision has "
                                          "been compacted\",\"code\":11"), -EAGAIN);
}

/* Red when `serializable` is set: then a member may answer that lost its cluster. */
Test(etcd_calls, a_list_is_linearizable_and_sorted) {
        char *text, *first = base64_encode("/sfshm/contract", 15);
        char *last = base64_encode("/sfshm/contracu", 15);

        cr_assert_eq(list_of(""), 0);
        text = fake_http_last(fake_etcd_server, RANGE);
        cr_assert_null(strstr(text, "serializable"));
        cr_assert_contains(text, "\"sort_target\":\"KEY\"");
        cr_assert_contains(text, first);
        cr_assert_contains(text, last);
        free(text);
        free(first);
        free(last);
}

/* etcd put back from an old copy has forgotten fences: it is told, and what the keys say is
 * believed or not elsewhere. Red without check_revision(). */
Test(etcd_calls, a_revision_that_goes_back_is_told) {
        fake_http_json(fake_etcd_server, RANGE, 200,
                       "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"100\"}}");
        cr_assert_eq(fake_etcd_list(), 0);
        cr_assert_eq(fake_etcd_list(), 0);
        cr_expect_eq(list_of(""), 0);
        cr_assert_contains(capture_take(), "revision went back from 100 to 5");
        cr_expect_eq(list_of(""), 0);
}

static int commit_one(bool session, int64_t *ret_modified) {
        struct coordinator_check check = { "region/0/used", 0 };
        struct coordinator_write write = { "region/0/used", "x", session, -1 };
        struct coordinator_commit commit = { &check, 1, &write, 1 };
        int r = etcd_calls.commit(&fake_etcd, &commit);

        *ret_modified = write.modified;
        return r;
}

/* `succeeded` is left out where it is false. */
Test(etcd_calls, a_commit_has_succeeded_when_it_says_so) {
        int64_t modified;

        fake_http_json(fake_etcd_server, TXN, 200, "{" HEADER "}");
        cr_expect_eq(commit_one(false, &modified), -EAGAIN);
        fake_http_json(fake_etcd_server, TXN, 200, "{" HEADER ",\"succeeded\":\"true\"}");
        cr_expect_eq(commit_one(false, &modified), -EAGAIN);
        fake_http_json(fake_etcd_server, TXN, 200,
                       "{\"header\":{\"cluster_id\":\"7\"},\"succeeded\":true}");
        cr_expect_eq(commit_one(false, &modified), -EIO, "done, but at which revision?");
        cr_expect_eq(modified, -1);
        fake_http_json(fake_etcd_server, TXN, 200, "{" HEADER ",\"succeeded\":true}");
        cr_expect_eq(commit_one(false, &modified), 0);
        cr_expect_eq(modified, 5);
}

/* A lease that ended is answered like one that goes on, but without a TTL. Red when
 * the status alone counts. */
Test(etcd_calls, a_session_goes_on_only_with_a_ttl) {
        static const char *const ended[] = { "", ",\"TTL\":\"0\"", ",\"TTL\":\"-1\"",
                                             ",\"TTL\":\"x\"", ",\"TTL\":\"99999999999999999999\"",
                                             ",\"TTL\":\"\"", ",\"TTL\":7.5" };
        int64_t ttl_ns = -1;
        char text[200];

        fake_http_json(fake_etcd_server, GRANT, 200, "{" HEADER ",\"ID\":\"77\",\"TTL\":\"60\"}");
        cr_assert_eq(etcd_calls.session_begin(&fake_etcd, 6 * S, &ttl_ns), 0);
        cr_expect_eq(ttl_ns, 60 * S, "the server's, which may be longer");
        for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
                snprintf(text, sizeof(text), "{\"result\":{" HEADER ",\"ID\":\"77\"%s}}\n", ended[i]);
                fake_http_json(fake_etcd_server, KEEP, 200, text);
                cr_expect_eq(etcd_calls.session_keep(&fake_etcd, &ttl_ns), -ESTALE, "%s", ended[i]);
                snprintf(text, sizeof(text), "{" HEADER ",\"ID\":\"78\"%s}", ended[i]);
                fake_http_json(fake_etcd_server, GRANT, 200, text);
                cr_expect_eq(etcd_calls.session_begin(&fake_etcd, 6 * S, &ttl_ns), -EIO);
        }
        cr_expect_eq(ttl_ns, 60 * S);
        cr_expect_eq(fake_etcd.lease, 77);
        fake_http_json(fake_etcd_server, KEEP, 200, "{\"result\":{" HEADER ",\"TTL\":\"12\"}}");
        cr_expect_eq(etcd_calls.session_keep(&fake_etcd, &ttl_ns), 0);
        cr_expect_eq(ttl_ns, 12 * S);
        fake_http_json(fake_etcd_server, GRANT, 200, "{" HEADER ",\"TTL\":\"60\"}");
        cr_expect_eq(etcd_calls.session_begin(&fake_etcd, 6 * S, &ttl_ns), -EIO, "without an ID");
}

/* The bytes as etcd reads them; that it does not ignore one is test_etcd_keys. */
Test(etcd_calls, int64_are_strings) {
        int64_t modified;
        char *text;

        fake_etcd.lease = INT64_C(7587862094938245895); /* more than a double holds */
        fake_http_json(fake_etcd_server, TXN, 200, "{" HEADER ",\"succeeded\":true}");
        cr_assert_eq(commit_one(true, &modified), 0);
        text = fake_http_last(fake_etcd_server, TXN);
        cr_assert_contains(text, "\"lease\":\"7587862094938245895\"");
        cr_assert_contains(text, "\"mod_revision\":\"0\"");
        free(text);
        cr_assert_eq(commit_one(false, &modified), 0);
        text = fake_http_last(fake_etcd_server, TXN);
        cr_assert_contains(text, "\"lease\":\"0\"");
        free(text);
}
