/* SPDX-License-Identifier: MIT */
/* Values of the next version: read, and what is not known of them kept (F1). */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/record.h"
#include "daemon/lease/keys/view.h"
#include "daemon/repair/workers_release.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

#define HEX "00112233445566778899aabbccddeeff"
#define EMPTY_SET { .bits = { 0 } }

static const struct id_layout layout = { .tick_bits = 41, .worker_bits = 10, .sequence_bits = 12 };

/* `text`, of version 1, as a later release may write it; malloc'ed, frees `text`. */
static char *later(char *text, int version) {
        static const char now[] = "\"version\":1";
        char *at = strstr(text, now), *made;
        int n;

        cr_assert_not_null(at, "%s", text);
        n = asprintf(&made, "%.*s\"version\":%d,\"colour\":{\"of\":[1,\"2\"]}%s", (int)(at - text),
                     text, version, at + strlen(now));
        cr_assert_gt(n, 0);
        free(text);
        return made;
}

static char *host_text(void) {
        struct record_host host = { .nonce = HEX, .life = HEX, .fence_tick = 7,
                                    .workers = EMPTY_SET };

        worker_set_add(&host.workers, 3);
        return record_host_text(&host, &layout);
}

/* Red when unknown fields are refused whatever the version is. */
Test(record, the_next_version_is_read) {
        struct record_contract contract = { .space = HEX, .layout = layout };
        struct record_used used = { .claims = 4 };
        struct record_host host;
        char *text = later(host_text(), 2);

        cr_expect_eq(record_host_parse(text, &layout, HEX, &host), 0);
        cr_expect_eq(host.version, 2);
        cr_expect_eq(host.fence_tick, 7);
        cr_expect(worker_set_has(&host.workers, 3));
        free(text);
        text = later(record_used_text(&used), 2);
        cr_expect_eq(record_used_parse(text, 1024, &used), 0);
        cr_expect_eq(used.claims, 4);
        free(text);
        text = later(record_contract_text(&contract), 2);
        cr_expect_eq(record_contract_parse(text, &contract), 0);
        cr_expect_str_eq(contract.space, HEX);
        free(text);
}

/* An unknown field of our own version is damage; a later version may have changed anything;
 * so may the next one, if what we know is not there. */
Test(record, what_is_not_understood_is_refused) {
        struct record_host host;
        char *text = later(host_text(), 1), *fence;

        cr_expect_eq(record_host_parse(text, &layout, HEX, &host), -EBADMSG);
        free(text);
        text = later(host_text(), 3);
        cr_expect_eq(record_host_parse(text, &layout, HEX, &host), -EPROTO);
        free(text);
        text = later(host_text(), 2);
        fence = strstr(text, "fence_tick");
        cr_assert_not_null(fence);
        fence[0] = 'F';
        cr_expect_eq(record_host_parse(text, &layout, HEX, &host), -EPROTO);
        free(text);
}

static int read_again(const struct record_contract *contract) {
        struct record_contract found;
        char *text = record_contract_text(contract);
        int r = record_contract_parse(text, &found);

        free(text);
        return r;
}

/* A claim begins above it. Red when it is taken: no host reads the record of that claim. */
Test(record, a_recovery_above_all_ticks_is_refused) {
        struct record_contract contract = { .space = HEX, .layout = layout,
                                            .recovered_unix_ms = 1,
                                            .not_before_tick = id_tick_max(&layout) - 1 };

        cr_expect_eq(read_again(&contract), 0);
        contract.not_before_tick++;
        cr_expect_eq(read_again(&contract), -EBADMSG, "nothing is left above it");
        contract.not_before_tick = INT64_MAX;
        cr_expect_eq(read_again(&contract), -EBADMSG);
        contract.not_before_tick = 0;
        contract.recovered_unix_ms = INT64_MAX;
        cr_expect_eq(read_again(&contract), -EBADMSG, "no later one is left");
}

Test(record, unknown_fields_are_kept) {
        char *old = later(host_text(), 2), *text = record_keep(old, host_text());

        cr_expect_not_null(strstr(text, "\"colour\":{\"of\":[1,\"2\"]}"));
        cr_expect_not_null(strstr(text, "\"version\":2"));
        cr_expect_null(strstr(text, "\"version\":1"));
        free(text);
        text = record_keep(NULL, host_text());
        cr_expect_null(strstr(text, "colour"));
        free(text);
        free(old);
}

/* ---- in a region */

static struct memory_coordinator *const memory = &fleet_hosts.memory;

static void end(void) {
        memory_end(memory);
}

TestSuite(record_region, .fini = end);

/* As if a later release had written it. */
static void make_later(const char *prefix, int version) {
        const struct memory_key *key = memory_first(memory, prefix);
        char *name, *text;

        cr_assert_not_null(key, "%s", prefix);
        name = strdup(key->key);
        text = later(strdup(key->value), version);
        memory_put(memory, name, text);
        free(text);
        free(name);
}

static void expect_kept(const char *prefix, const char *part) {
        const char *text = memory_get(memory, prefix);

        cr_assert_not_null(text, "%s", prefix);
        cr_expect_not_null(strstr(text, "colour"), "%s", text);
        cr_expect_not_null(strstr(text, "\"version\":2"), "%s", text);
        cr_expect_not_null(strstr(text, part), "%s is not in %s", part, text);
}

/* A host of this release takes two of four worker IDs of a dead one of the next release, in a
 * region that one has begun. Red when a claim writes what it does not know away. */
Test(record_region, a_claim_keeps_what_a_later_release_wrote) {
        struct host a = { .fleet = NULL }, b = { .fleet = NULL };

        cr_assert_eq(fleet_host_claim(&a, "a", 4), 0);
        make_later("region/0/host/", 2);
        make_later("region/0/used", 2);
        make_later("contract", 2);
        memory->now_ns += (60 + RECYCLE_S) * S;
        cr_assert_eq(fleet_host_claim(&b, "b", 2), 0);
        expect_kept("region/0/used", "\"workers\":\"0-3\",\"claims\":2");
        expect_kept("contract", "\"regions\":\"0\"");
        for (size_t i = 0; i < memory->n_keys; i++)
                if (strstr(memory->keys[i]->value, "\"host\":\"a\"") != NULL &&
                    strstr(memory->keys[i]->key, "/host/") != NULL)
                        expect_kept(memory->keys[i]->key, "\"workers\":\"2-3\"");
        fleet_host_end(&a);
        fleet_host_end(&b);
}

/* Red when the command that frees worker IDs does. */
Test(record_region, a_release_by_hand_keeps_it_too) {
        struct host a = { .fleet = NULL };
        struct workers_release release = { .space = FLEET_SPACE, .calls = &memory_calls };
        struct memory_host link = { .memory = memory };
        struct fleet_view *view;

        cr_assert_eq(fleet_host_claim(&a, "a", 4), 0);
        make_later("region/0/host/", 2);
        view = fleet_hosts_look();
        release.view = view;
        release.coordinator = &link;
        cr_assert_eq(workers_release_free(&release, 0), 0);
        expect_kept("region/0/host/", "\"state\":\"freed\"");
        fleet_view_free(view);
        fleet_host_end(&a);
}

/* Nobody else writes a host's own record: a host that finds it of the next version was
 * downgraded, or another release runs from its state directory. */
Test(record_region, a_host_does_not_renew_what_a_later_release_wrote) {
        struct host a = { .fleet = NULL };

        cr_assert_eq(fleet_host_claim(&a, "a", 4), 0);
        make_later("region/0/host/", 2);
        capture_begin();
        cr_expect_eq(fleet_renew(a.fleet, NOW_TICK + 1000), -EPROTO);
        cr_assert_contains(capture_take(), "is damaged or of another version");
        fleet_host_end(&a);
}
