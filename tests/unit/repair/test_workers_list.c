/* SPDX-License-Identifier: MIT */
/* What sfshm workers shows. */
#include <criterion/criterion.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/repair/workers_json.h"
#include "daemon/repair/workers_text.h"
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
        cr_assert_contains(text, "region 0 is 50 % full: 4 worker IDs\n"
                                 "1 held, 1 resting, 0 refused, 2 free, never used: 3\n"
                                 "WORKERS  STATE     PID  AHEAD_S    FREE  HOST\n");
        line = line_with(text, "dead");
        cr_assert_contains(line, "0        dead       17     -7.0  in 4 s  dead");
        line = line_with(text, "1        released");
        cr_assert(strcmp(line + strlen(line) - 15, "  now  released") == 0, "%s", line);
        line = line_with(text, "2        held");
        cr_assert_contains(line, "    600.0       -  ?[2Jlives");
        free(text);
}

/* A host may be alive and useless, and one that was forgotten at an upgrade seems well. Red when
 * `alive` alone decides, or versions are compared as text. */
Test(workers_list, marks_hosts_to_look_after) {
        struct memory_coordinator *memory = &fleet_hosts.memory;
        const char *line;
        char key[FLEET_KEY_MAX], *text;
        struct fleet_view *view;

        cr_assert_eq(fleet_host_claim(&a, "a", 1), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 5000), 0);
        fleet_hosts.memory.now_ns += 10 * S;
        text = show(workers_list_text, fleet_hosts_look());
        line = line_with(text, "0        held");
        cr_assert_contains(line, "  late  a");
        cr_assert_contains(text, "late: the session lives, but the fence has passed");
        cr_assert_null(strstr(text, "old: "), "%s", text);
        free(text);

        view = fleet_hosts_look();
        cr_assert_str_eq(view->owners[0].daemon, SFSHM_VERSION);
        fleet_key(key, 0, "alive", view->owners[0].record->life);
        fleet_view_free(view);
        memory_put(memory, key, "{\"version\":1,\"nonce\":\"x\",\"host\":\"h\"}");
        text = show(workers_list_text, fleet_hosts_look());
        cr_assert_contains(line_with(text, "0        held"), "  late,old  a");
        cr_assert_contains(text, "old: sfshmd there is older than " SFSHM_VERSION);
        free(text);
        text = show(workers_list_json, fleet_hosts_look());
        cr_assert_contains(text, "\"daemon\":null,\"marks\":[\"late\",\"old\"]");
        free(text);
        memory_put(memory, key, "{\"version\":1,\"sfshmd\":\"10.0.0\"}");
        text = show(workers_list_text, fleet_hosts_look());
        cr_assert_null(strstr(text, "old: "), "%s", text);
        free(text);
}

static void expect_80_columns(const char *text) {
        for (const char *end; *text != '\0'; text = end + 1) {
                end = strchr(text, '\n');
                cr_expect_leq(end - text, 80, "%s", text);
        }
}

/* Red when the host is printed as it is, or the widths are those of the heads. */
Test(workers_list, fits_a_terminal) {
        char name[RECORD_NAME] = "", *text;
        struct fleet_view *view;

        memset(name, 'x', RECORD_NAME - 1);
        memcpy(name + RECORD_NAME - 5, "-end", 4);
        cr_assert_eq(fleet_host_claim(&a, name, 1), 0);
        cr_assert_eq(fleet_renew(a.fleet, NOW_TICK + 1000), 0);
        fleet_hosts.memory.now_ns += INT64_C(100000000) * S;
        view = fleet_hosts_look();
        view->owners[0].record->who.pid = 4194304;
        strcpy(view->owners[0].daemon, "0.0.1");
        text = show(workers_list_text, view);
        expect_80_columns(text);
        cr_assert_contains(text, "~xx");
        cr_assert_contains(text, "-end\n");
        free(text);
}

Test(workers_list, names_what_is_to_be_repaired) {
        char key[FLEET_KEY_MAX], *text;

        make_three();
        capture_begin();
        memory_put(&fleet_hosts.memory, fleet_key(key, 0, "host", fleet_nonce(c.fleet)),
                   "mistyped");
        text = show(workers_list_text, fleet_hosts_look());
        cr_assert_contains(text, "2        refused   no fence is known: sfshm fence --above "
                                 "TIME\n");
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
        record_brief_expand(view->owners[0].record, &record);
        text = record_host_text(&record, &space.layout);
        cr_assert_eq(record_host_parse(text, &space.layout, fleet_nonce(a.fleet), &record), 0);
        cr_assert(record.freed && !record.released);
        memcpy(strstr(text, "freed"), "Freed", 5);
        cr_assert_eq(record_host_parse(text, &space.layout, fleet_nonce(a.fleet), &record),
                     -EBADMSG);
        free(text);
        fleet_view_free(view);
}
