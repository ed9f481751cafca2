/* SPDX-License-Identifier: MIT */
/* What sfshm workers shows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/repair/workers_list.h"
#include "tests/support/capture.h"
#include "tests/unit/support/fleet_hosts.h"

static struct host a, b, c;

static void teardown(void) {
        fleet_host_end(&a);
        fleet_host_end(&b);
        fleet_host_end(&c);
        memory_end(&fleet_hosts.memory);
}

TestSuite(workers_list, .fini = teardown);

static char *show(int (*print)(FILE *, const struct workers_list *), struct fleet_view *view) {
        struct workers_list list = { view, FLEET_SPACE, NOW_TICK, RECYCLE_S * 1000 };
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);

        cr_assert_not_null(out);
        cr_assert_eq(print(out, &list), 0);
        fclose(out);
        fleet_view_free(view);
        return text;
}

/* One dead, one released, one that lives and tries to steer the terminal. */
static void make_three(void) {
        cr_assert_eq(fleet_host_claim(&a, "dead", 1), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 33000), 0);
        cr_assert_eq(fleet_host_claim(&b, "released", 1), 0);
        cr_assert_eq(fleet_release(b.fleet, NOW_TICK), 0);
        fleet_hosts.memory.now_ns += 40 * S;
        cr_assert_eq(fleet_host_claim(&c, "\033[2Jlives", 1), 0);
        cr_assert_eq(c.grant.worker_first, 2);
        cr_assert_eq(fleet_renew(c.fleet, NOW_TICK + 600000), 0);
}

/* The line with that word. */
static const char *line_with(const char *text, const char *word) {
        static char line[512];
        const char *at = strstr(text, word), *begin = at;

        cr_assert_not_null(at, "no '%s' in:\n%s", word, text);
        while (begin > text && begin[-1] != '\n')
                begin--;
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(begin, "\n"), begin);
        return line;
}

Test(workers_list, tells_who_has_what_and_until_when) {
        const char *line;
        char *text;

        make_three();
        text = show(workers_list_text, fleet_hosts_look());
        cr_assert_contains(text, "region 0: of 4 worker IDs 1 are held, 1 rest, 0 are refused, "
                                 "2 are free (3 never used)\n");
        line = line_with(text, "dead");
        cr_assert_contains(line, "0        dead      no     dead");
        cr_assert_contains(line, "11111111  22222222       17  1970-01-01T00:00:01.000Z");
        cr_assert_contains(line, "1970-01-01T00:00:34.000Z          34000       -7.0  "
                                 "1970-01-01T00:00:44.001Z (in 4 s)");
        line = line_with(text, "1        released");
        cr_assert(strcmp(line + strlen(line) - 5, "  now") == 0, "%s", line);
        line = line_with(text, "2        held      yes    ?[2Jlives");
        cr_assert_contains(line, "    600.0  -");
        free(text);
}

Test(workers_list, names_what_is_to_be_repaired) {
        char key[FLEET_KEY_MAX], *text;

        make_three();
        capture_begin();
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", fleet_nonce(c.fleet)),
                   "mistyped");
        text = show(workers_list_text, fleet_hosts_look());
        cr_assert_contains(text, "2        refused   -      no fence is known: sfshm workers "
                                 "--release 2 --above TIME\n");
        cr_assert_contains(text, key);
        cr_assert_contains(text, ": damaged\n");
        cr_assert_contains(text, ": a host whose record cannot be read is or was alive: ");
        cr_assert_null(strchr(text, '\033'));
        free(text);
        text = show(workers_list_json, fleet_hosts_look());
        cr_assert_contains(text, "\"refused_workers\":\"2\"");
        cr_assert_contains(text, "\"damaged\":[\"region/0/host/");
        cr_assert_contains(text, "\"strays\":[\"region/0/alive/");
        free(text);
}

Test(workers_list, is_one_object_for_scripts) {
        char *text;
        json_t *object, *host;

        make_three();
        text = show(workers_list_json, fleet_hosts_look());
        cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
        object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(object, "%s", text);
        cr_assert_eq(json_integer_value(json_object_get(object, "held")), 1);
        cr_assert_str_eq(json_string_value(json_object_get(object, "unused_workers")), "3");
        host = json_array_get(json_object_get(object, "hosts"), 0);
        cr_assert_str_eq(json_string_value(json_object_get(host, "state")), "dead");
        cr_assert_eq(json_integer_value(json_object_get(host, "fence_tick")), 34000);
        cr_assert_eq(json_integer_value(json_object_get(host, "fence_ahead_ms")), -7000);
        cr_assert_eq(json_integer_value(json_object_get(host, "free_unix_ms")), 44001);
        host = json_array_get(json_object_get(object, "hosts"), 2);
        cr_assert(json_is_true(json_object_get(host, "alive")));
        cr_assert(json_is_null(json_object_get(host, "free_unix_ms")));
        json_decref(object);
        free(text);
}

/* F1: only what this version writes. */
Test(workers_list, an_unknown_state_is_damaged) {
        struct record_host record;
        const struct fleet_space space = FLEET_SPACE;
        char *text;
        struct fleet_view *view;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        view = fleet_hosts_look();
        view->owners[0].record->freed = true;
        text = record_host_text(view->owners[0].record, &space.layout);
        cr_assert_eq(record_host_parse(text, &space.layout, fleet_nonce(a.fleet), &record), 0);
        cr_assert(record.freed && !record.released);
        memcpy(strstr(text, "freed"), "Freed", 5);
        cr_assert_eq(record_host_parse(text, &space.layout, fleet_nonce(a.fleet), &record),
                     -EBADMSG);
        free(text);
        fleet_view_free(view);
}
