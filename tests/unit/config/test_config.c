/* SPDX-License-Identifier: MIT */
/* Configurations that are accepted. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/value.h"
#include "daemon/config/keys.h"
#include "daemon/config/units.h"
#include "tests/support/capture.h"
#include "tests/unit/support/config_fixture.h"

TestSuite(config, .init = config_fixture_begin, .fini = config_fixture_end);

Test(config, defaults) {
        struct config *c = config_fixture_load(FIRST, NULL);

        cr_assert_str_eq(c->socket, "/run/sfshm/sfshm.sock");
        cr_assert_eq(c->socket_mode, 0666);
        cr_assert_str_eq(c->socket_group, "");
        cr_assert_str_eq(c->state_dir, "/var/lib/sfshm");
        cr_assert_str_eq(c->shm, "/sfshm");
        cr_assert_eq(c->max_clients, 4096);
        cr_assert_eq(memcmp(&c->layout, &id_layout_default, sizeof(c->layout)), 0);
        cr_assert_eq(c->region, 0);
        cr_assert_str_eq(c->backend, "local");
        cr_assert(c->has_first && c->first == 0);
        cr_assert_eq(c->count, 1);
        cr_assert_eq(c->max_count, 1);
        cr_assert_eq(c->recycle_delay_ns, INT64_C(600000000000));
        cr_assert_eq(c->horizon_ns, INT64_C(600000000000));
        cr_assert_eq(c->clock.on_rollback, GUARD_OFFSET);
        cr_assert_eq(c->clock.max_offset_ns, INT64_C(10000000000));
        cr_assert_eq(c->clock.max_forward_step_ns, INT64_C(60000000000));
        cr_assert_eq(c->clock.max_slew_ns, INT64_C(10000000));
        cr_assert(!c->clock.require_sync);
        cr_assert_eq(c->standing_ns, INT64_C(15000000000));
        cr_assert_eq(c->elastic_ns, INT64_C(200000000));
        cr_assert_eq(c->reach_back_ns, 0);
        cr_assert_eq(c->uid_clients, 1024);
        cr_assert_eq(c->uid_lanes, 1024);
        cr_assert_eq(c->uid_bytes, UINT64_C(64) << 20);
        cr_assert_eq(c->cgroup_clients + c->cgroup_lanes + c->cgroup_bytes, 0);
        cr_assert_eq(c->weights.n + c->caps.n, 0);
        cr_assert_str_eq(capture_take(), "");
        cr_assert_null(config_free(c));
        cr_assert_null(config_free(NULL));
}

Test(config, every_key_can_be_set) {
        struct config *c = config_fixture_load("\xEF\xBB\xBF# a comment\n\n"
                                "  ; an indented comment\r\n"
                                "[daemon]\n"
                                "socket = /tmp/a b.sock\n"
                                "socket_mode=0660\r\n"
                                "socket_group = adm\n"
                                "state_dir=/s\nshm = /dev/shm/x\n"
                                "max_clients = 7\n"
                                "[id]\nepoch = 2024-02-29T12:34:56Z\nlayout = 40/11/12\n"
                                "region_bits = 3\nregion = 5\n"
                                "[workers]\nbackend=local\nfirst = 4\ncount = 2\nmax_count = 8\n"
                                "recycle_delay = 0\nhorizon = 1h\n"
                                "[clock]\non_rollback = fail\nmax_offset = 0\n"
                                "max_forward_step = 1ms\nmax_slew = 100us\nrequire_sync = yes\n"
                                "[reserve]\nstanding = 1s\nelastic=20ms\nreach_back = 1s\n"
                                "[limits]\nuid_clients = 1\nuid_lanes = 2\nuid_bytes = 3KiB\n"
                                "cgroup_clients = 4\ncgroup_lanes = 5\ncgroup_bytes = 6\n"
                                "[weights]\nuid.1000 = 4\ncgroup./x.slice/y = 2\n"
                                "[caps]\nuid.0 = 100000",
                                NULL);

        cr_assert_str_eq(c->socket, "/tmp/a b.sock");
        cr_assert_eq(c->socket_mode, 0660);
        cr_assert_str_eq(c->socket_group, "adm");
        cr_assert_str_eq(c->state_dir, "/s");
        cr_assert_str_eq(c->shm, "/dev/shm/x");
        cr_assert_eq(c->max_clients, 7);
        cr_assert_eq(c->layout.epoch_unix_ms, INT64_C(1709210096000));
        cr_assert(c->layout.tick_bits == 40 && c->layout.worker_bits == 11);
        cr_assert(c->layout.region_bits == 3 && c->region == 5);
        cr_assert(c->first == 4 && c->count == 2 && c->max_count == 8);
        cr_assert_eq(config_worker_first(c), 5 << 8 | 4);
        cr_assert_eq(c->recycle_delay_ns, 0);
        cr_assert_eq(c->horizon_ns, INT64_C(3600000000000));
        cr_assert_eq(c->clock.on_rollback, GUARD_FAIL);
        cr_assert_eq(c->clock.max_offset_ns, 0);
        cr_assert_eq(c->clock.max_forward_step_ns, 1000000);
        cr_assert_eq(c->clock.max_slew_ns, 100000);
        cr_assert(c->clock.require_sync);
        cr_assert_eq(c->standing_ns, 1000000000);
        cr_assert_eq(c->elastic_ns, 20000000);
        cr_assert_eq(c->reach_back_ns, 1000000000);
        cr_assert(c->uid_clients == 1 && c->uid_lanes == 2 && c->uid_bytes == 3072);
        cr_assert(c->cgroup_clients == 4 && c->cgroup_lanes == 5 && c->cgroup_bytes == 6);
        cr_assert_eq(c->weights.n, 2);
        cr_assert(!c->weights.list[0].cgroup && c->weights.list[0].uid == 1000 &&
                  c->weights.list[0].value == 4);
        cr_assert_str_eq(c->weights.list[1].cgroup, "/x.slice/y");
        cr_assert(c->weights.list[1].value == 2);
        cr_assert(c->caps.n == 1 && c->caps.list[0].uid == 0 && c->caps.list[0].value == 100000);
        config_free(c);
}

Test(config, conf_d_comes_later_in_order_of_names_and_set_last) {
        char *sets[] = { "daemon.max_clients=40", "daemon.max_clients=41", "weights.uid.7=9",
                         "weights.cgroup./a=b:c=3", NULL };
        struct config *c;

        config_fixture_write("sfshmd.conf.d/20.conf",
                             "[workers]\ncount = 20\n[weights]\nuid.7 = 2\n");
        config_fixture_write("sfshmd.conf.d/10.conf", "[workers]\ncount = 10\nfirst = 10\n");
        config_fixture_write("sfshmd.conf.d/.hidden.conf", "[workers]\ncount = 30\n");
        config_fixture_write("sfshmd.conf.d/30.conf.bak", "[workers]\ncount = 40\n");
        cr_assert(!strstr(config_fixture_refused(FIRST, sets), "max_clients"));
        sets[3] = "weights.cgroup./a:b=3";
        c = config_fixture_load(FIRST "count = 2\n[daemon]\nmax_clients = 3\n", sets);
        cr_assert(c->first == 10 && c->count == 20);
        cr_assert_eq(c->max_clients, 41);
        cr_assert_eq(c->weights.n, 2);
        cr_assert(c->weights.list[0].uid == 7 && c->weights.list[0].value == 9);
        cr_assert_str_eq(c->weights.list[1].cgroup, "/a:b");
        config_free(c);
}

Test(config, the_clock_s_words_and_largest_durations) {
        struct config *c = config_fixture_load(
                FIRST "[clock]\non_rollback = wait\nmax_offset = 1h\n"
                      "max_forward_step = 1d\nmax_slew = 500ms\nrequire_sync = no\n",
                NULL);

        cr_assert_eq(c->clock.on_rollback, GUARD_WAIT);
        cr_assert_eq(c->clock.max_offset_ns, INT64_C(3600000000000));
        cr_assert_eq(c->clock.max_forward_step_ns, INT64_C(86400000000000));
        cr_assert_eq(c->clock.max_slew_ns, INT64_C(500000000));
        cr_assert(!c->clock.require_sync);
        config_free(c);
}

Test(config, the_widest_runs_are_allowed) {
        struct config *c = config_fixture_load(FIRST "count = 1024\n", NULL);

        config_free(c);
        c = config_fixture_load(FIRST "[id]\nlayout = 41/0/22\n", NULL);
        config_free(c);
        c = config_fixture_load("[workers]\nfirst = 0\n[id]\nlayout = 31/32/0\nregion_bits = 32\n"
                 "region = 4294967295\n", NULL);
        cr_assert_eq(config_worker_first(c), UINT32_MAX);
        config_free(c);
        c = config_fixture_load("[workers]\nfirst = 4294967295\n[id]\nlayout = 31/32/0\n", NULL);
        cr_assert_eq(config_worker_first(c), UINT32_MAX);
        config_free(c);
}

Test(config, durations) {
        static const struct {
                const char *text;
                uint64_t ns;
        } good[] = {
                { "0", 0 }, { "0s", 0 }, { "10ns", 10 }, { "500us", 500000 },
                { "100ms", 100000000 }, { "15s", INT64_C(15000000000) },
                { "2min", INT64_C(120000000000) }, { "1h", INT64_C(3600000000000) },
                { "3d", INT64_C(259200000000000) }, { "9223372036854775807ns", INT64_MAX },
                { "106751d", INT64_C(9223286400000000000) },
        };
        static const char *const bad[] = {
                "", "1", "s", "-1s", "+1s", " 1s", "1 s", "1s ", "1.5s", "1m", "1S", "1sec", "0x1s",
                "18446744073709551616ns", "213504d", "99999999999999999999s",
        };
        uint64_t ns = 42;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                cr_assert(config_parse_number(bad[i], config_durations, &ns) == -EINVAL && ns == 42,
                          "%s", bad[i]);
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                cr_assert(config_parse_number(good[i].text, config_durations, &ns) == 0 &&
                          ns == good[i].ns, "%s", good[i].text);
}

/* Red when a value's text is not the one that sets it. */
Test(config, the_text_of_a_value) {
        struct config *c = config_fixture_load(FIRST, NULL);

        for (size_t i = 0; i < config_n_keys; i++) {
                const struct config_key *key = &config_keys[i];
                char *text = NULL;

                cr_assert_eq(config_value_text(c, key, &text), 0);
                if (!key->computed)
                        cr_expect_str_eq(text, key->default_text, "%s", key->name);
                free(text);
        }
        config_free(c);
}

/* Red when the epoch is kept in seconds: Twitter's is in the middle of one. */
Test(config, an_epoch_keeps_its_milliseconds) {
        static const struct {
                const char *given, *text;
                int64_t unix_ms;
        } epochs[] = {
                { "1288834974657", "2010-11-04T01:42:54.657Z", 1288834974657 },
                { "@1288834974.657", "2010-11-04T01:42:54.657Z", 1288834974657 },
                { "2010-11-04 02:42:54.657+01", "2010-11-04T01:42:54.657Z", 1288834974657 },
                { "2010-11-04", "2010-11-04T00:00:00Z", 1288828800000 },
                { "0", "1970-01-01T00:00:00Z", 0 },
        };
        const struct config_key *key = config_key_find("id.epoch");

        for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
                char set[64], *sets[] = { set, NULL }, *text = NULL;
                struct config *c;

                snprintf(set, sizeof(set), "id.epoch=%s", epochs[i].given);
                c = config_fixture_load(FIRST, sets);
                cr_expect_eq(c->layout.epoch_unix_ms, epochs[i].unix_ms, "%s", epochs[i].given);
                cr_assert_eq(config_value_text(c, key, &text), 0);
                cr_expect_str_eq(text, epochs[i].text);
                free(text);
                config_free(c);
        }
}

Test(config, the_text_of_rules) {
        static const char *const texts[][2] = {
                { "weights.uid.UID", "uid.0=4, uid.7=1000" },
                { "weights.cgroup.PATH", "cgroup./a b=2" },
                { "caps.uid.UID", "" },
                { "caps.cgroup.PATH", "cgroup./c=1000000000000" },
        };
        struct config *c =
                config_fixture_load(FIRST "[weights]\nuid.0 = 4\ncgroup./a b = 2\nuid.7 = 1000\n"
                                          "[caps]\ncgroup./c = 1000000000000\n",
                                    NULL);

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                for (size_t k = 0; k < config_n_keys; k++) {
                        char *text = NULL;

                        if (strcmp(config_keys[k].name, texts[i][0]) != 0)
                                continue;
                        cr_assert_eq(config_value_text(c, &config_keys[k], &text), 0);
                        cr_expect_str_eq(text, texts[i][1], "%s", texts[i][0]);
                        free(text);
                }
        config_free(c);
}

/* The defaults of the table are in force: setting each of them changes nothing. */
Test(config, the_defaults_of_the_table_are_in_force) {
        char *sets[64];
        struct config *c, *defaults = config_fixture_load(FIRST, NULL);
        size_t n = 0;

        for (const struct config_key *key = config_keys; key < config_keys + config_n_keys; key++) {
                cr_expect(strlen(key->help) > 10, "%s", key->name);
                if (!key->computed && strncmp(key->name, "etcd.", 5) != 0 &&
                    strncmp(key->name, "zookeeper.", 10) != 0)
                        cr_assert(asprintf(&sets[n++], "%s=%s", key->name, key->default_text) > 0);
        }
        sets[n] = NULL;
        cr_assert_eq(config_n_keys, 48);
        cr_assert_eq(n, 29);
        c = config_fixture_load(FIRST, sets);
        cr_assert(memcmp(&c->layout, &defaults->layout, sizeof(c->layout)) == 0);
        cr_assert(c->standing_ns == defaults->standing_ns && c->uid_bytes == defaults->uid_bytes);
        cr_assert_str_eq(c->shm, defaults->shm);
        config_free(c);
        config_free(defaults);
        while (n > 0)
                free(sets[--n]);
}
