/* SPDX-License-Identifier: MIT */
/* Configurations that are refused, and what the message says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/capture.h"
#include "tests/unit/support/config_fixture.h"

TestSuite(config_refused, .init = config_fixture_begin, .fini = config_fixture_end);

Test(config_refused, an_error_in_conf_d_names_that_file) {
        char expected[600];

        config_fixture_write("sfshmd.conf.d/10.conf", "\n[workers]\ncount = 0\n");
        snprintf(expected, sizeof(expected), "%s.d/10.conf:3: workers.count = \"0\"",
                 config_fixture.path);
        cr_assert_contains(config_fixture_refused(FIRST, NULL), expected);
}

Test(config_refused, a_named_file_must_exist_and_be_a_file) {
        struct config *c = NULL;
        char missing[300];

        snprintf(missing, sizeof(missing), "%s/none.conf", config_fixture.directory);
        cr_assert_eq(config_load(&c, missing, NULL), -ENOENT);
        cr_assert_contains(capture_take(), missing);
        cr_assert_eq(config_load(&c, config_fixture.directory, NULL), -EISDIR);
        cr_assert_contains(capture_take(), "Is a directory");
        cr_assert_null(c);
}

/* Every refusal names file and line, the key, and what is allowed. */
Test(config_refused, bad_lines_and_values) {
        static const struct {
                const char *text;
                unsigned line;
                const char *says, *and;
        } cases[] = {
                { "[daemon]\nsokcet = /x\n", 2,
                  "unknown key daemon.sokcet; did you mean daemon.socket?",
                  "allowed are daemon.socket, daemon.socket_mode" },
                { "[daemon]\nfirst = 1\n", 2, "did you mean workers.first?", "daemon.state_dir" },
                { "[id]\nqqqqqqqqqqqq = 1\n", 2,
                  "unknown key id.qqqqqqqqqqqq; allowed are id.epoch",
                  "id.region" },
                { "\n[worker]\n", 2, "unknown section [worker]",
                  "the sections are [daemon], [id], [workers], [etcd], [zookeeper], [clock], "
                  "[reserve]" },
                { "[weights]\nuid. = 1\n", 2, "unknown key weights.uid.", "weights.uid.UID" },
                { "first = 1\n", 1, "precedes the first [section]", "" },
                { FIRST "count = 2\n\ncount = 2\n", 5, "workers.count is set a second time",
                  "in line 3" },
                { "[weights]\nuid.1 = 2\nuid.1 = 2\n", 3,
                  "weights.uid.1 is set a second time", "" },
                { "[workers]\nfirst = 0\n count = 2\n", 3, "indented", "first column" },
                { "[daemon]\nstate_dir = /a\n\t/b\n", 3, "indented", "" },
                { "[workers]\ncount = 2 ; two\n", 2, "a comment needs a line of its own", "" },
                { "[daemon]\nsocket = /x # y\n", 2, "a comment needs a line of its own", "" },
                { "[workers] count = 3\n", 1, "text follows the name of the section", "" },
                { "[workers\ncount = 3\n", 1, "ends with ']'", "" },
                { "[workers]\ncount\n", 2, "neither [section] nor key = value", "" },
                { "[workers]\ncount : 3\n", 2, "followed by '='", "" },
                { "[workers]\ncount =\n", 2, "workers.count = \"\" is not allowed",
                  "a whole number from 1 to 4194304" },
                { "[workers]\ncount = -1\n", 2, "\"-1\"", "worker IDs of this host" },
                { "[workers]\ncount = 1.5\n", 2, "\"1.5\"", "" },
                { "[workers]\ncount = 18446744073709551617\n", 2, "not allowed", "" },
                { "[workers]\nbackend = redis\n", 2,
                  "workers.backend = \"redis\"", "local, etcd or zookeeper" },
                { "[daemon]\nmetrics_listen = off\n", 2, "metrics_listen", "" },
                { "[daemon]\nsocket = sfshm.sock\n", 2,
                  "an absolute path, at most 107 bytes", "" },
                { "[daemon]\nsocket_mode = 888\n", 2, "octal permissions", "" },
                { "[daemon]\nsocket_mode = 1777\n", 2, "octal permissions", "" },
                { "[daemon]\nshm = sfshm\n", 2, "a POSIX name such as /sfshm", "a directory" },
                { "[daemon]\nshm = /\n", 2, "a POSIX name", "" },
                { "[daemon]\nshm = /..\n", 2, "a POSIX name", "" },
                { "[daemon]\nmax_clients = 0\n", 2, "from 1 to 65536", "" },
                { "[id]\nlayout = 41/10/13\n", 2, "add up to 63", "" },
                { "[id]\nepoch = 2025-01-01T00:00:00\n", 2, "id.epoch takes a time from 1970 on: "
                  "2026-11-23, 2026-11-23T15:04:05.678Z, 2026-11-23 16:04+01:00, @1795446245.678 "
                  "or Unix milliseconds", "" },
                { "[id]\nepoch = 2025-01-01T00:00:00.0001Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = -1\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 9223372036854775808\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 2025-02-30T00:00:00Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 2025-13-01T00:00:00Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 2025-00-01T00:00:00Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 2025-01-01T24:00:00Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 1969-12-31T23:59:59Z\n", 2, "time from 1970 on", "" },
                { "[id]\nepoch = 2025-01-01T00:00:00+\n", 2, "time from 1970 on", "" },
                { "[clock]\non_rollback = Wait\n", 2, "clock.on_rollback = \"Wait\"",
                  "clock.on_rollback takes offset, wait or fail (what happens" },
                { "[clock]\non_rollback = off\n", 2, "\"off\"", "" },
                { "[clock]\nmax_offset = 3601s\n", 2, "a duration from 0 to 1h", "" },
                { "[clock]\nmax_forward_step = 0\n", 2, "a duration from 1ms to 1d", "" },
                { "[clock]\nmax_forward_step = 25h\n", 2, "a duration from 1ms to 1d", "" },
                { "[clock]\nmax_slew = 99us\n", 2, "a duration from 100us to 500ms", "" },
                { "[clock]\nmax_slew = 501ms\n", 2, "a duration from 100us to 500ms", "" },
                { "[clock]\nrequire_sync = true\n", 2, "clock.require_sync = \"true\"",
                  "clock.require_sync takes yes or no (" },
                { "[clock]\nmax_ofset = 1s\n", 2, "did you mean clock.max_offset?",
                  "allowed are clock.on_rollback, clock.max_offset, clock.max_forward_step" },
                { "[reserve]\nstanding = 15\n", 2, "a duration from 1s to 10min",
                  "ns, us, ms, s, min, h or d" },
                { "[reserve]\nstanding = 999ms\n", 2, "a duration from 1s to 10min", "" },
                { "[reserve]\nelastic = 11s\n", 2, "a duration from 20ms to 10s", "" },
                { "[reserve]\nreach_back = 2s\n", 2, "a duration from 0 to 1s", "" },
                { "[limits]\nuid_bytes = 64MB\n", 2, "MiB", "" },
                { "[limits]\nuid_bytes = 99999999TiB\n", 2, "MiB", "" },
                { "[weights]\nuid.x = 1\n", 2, "UID is a number", "" },
                { "[weights]\nuid.01 = 1\n", 2, "UID is a number", "" },
                { "[weights]\nuid.4294967295 = 1\n", 2, "UID is a number", "" },
                { "[weights]\ncgroup.x = 1\n", 2, "PATH begins with a slash", "" },
                { "[weights]\nuid.1 = 1001\n", 2, "from 1 to 1000", "" },
                { "[caps]\nuid.1 = 0\n", 2, "from 1 to 1000000000000", "" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *error = config_fixture_refused(cases[i].text, NULL);
                char where[300];

                snprintf(where, sizeof(where), "error: %s:%u: ", config_fixture.path,
                         cases[i].line);
                cr_assert_contains(error, where);
                cr_assert_contains(error, cases[i].says);
                cr_assert_contains(error, cases[i].and);
                cr_assert(strchr(error, '\n') == error + strlen(error) - 1, "one error: %s", error);
        }
}

Test(config_refused, bad_sets) {
        char *no_equals[] = { "workers.count", NULL };
        char *unknown[] = { "wrokers.count=1", NULL };
        char *no_section[] = { "count=1", NULL };
        char *bad[] = { "workers.count=x", NULL };
        const char *error;

        cr_assert_contains(config_fixture_refused(FIRST, no_equals),
                           "write --set section.key=value");
        error = config_fixture_refused(FIRST, unknown);
        cr_assert_contains(error, "--set: unknown key wrokers.count; did you mean workers.count?");
        cr_assert_contains(error, "the sections are [daemon]");
        cr_assert_contains(config_fixture_refused(FIRST, no_section),
                           "unknown key count; the sections are");
        cr_assert_contains(config_fixture_refused(FIRST, bad),
                           "--set: workers.count = \"x\" is not allowed");
}

Test(config_refused, what_only_several_keys_show) {
        static const struct {
                const char *text, *says, *and;
        } cases[] = {
                { "", "workers.first is not set: set the first worker ID of this host",
                  "--set workers.first=0; it must differ from every other host's" },
                { FIRST "[etcd]\nttl = 30s\n", "etcd.ttl (",
                  "not used with workers.backend = local" },
                { FIRST "backend = etcd\n", "cannot be used with workers.backend = etcd", "" },
                { ETCD "endpoints = 10.0.0.1:2379\n", "takes a list of 1 to 16 URLs",
                  "blanks or commas, at most 4000 bytes" },
                { ETCD "endpoints = http://a:1 http://b\n",
                  "is not allowed: http://b has no port, which is 2379 as a rule; etcd.endpoints "
                  "takes", "" },
                { ETCD "endpoints = http://a:1 https://b:1\n", "all http:// or all https://", "" },
                { ETCD "username = u\n", "etcd.username", "etcd.password_file (default)" },
                { ETCD "cert_file = /c\n", "etcd.key_file (default)",
                  "need each other: set both or none" },
                { ETCD "ca_file = /c\n", "not used when etcd.endpoints has http:// URLs", "" },
                { ETCD "endpoints = https://a:1\nca_file = c\n", "takes an absolute path", "" },
                { ETCD "[id]\nlayout = 41/17/5\n", "more than 65536 worker IDs", "" },
                { ETCD "[zookeeper]\nttl = 30s\n", "zookeeper.ttl (",
                  "set the backend to zookeeper" },
                { ZOOKEEPER "[etcd]\nttl = 30s\n", "etcd.ttl (", "set the backend to etcd" },
                { FIRST "backend = zookeeper\n", "with workers.backend = zookeeper", "" },
                { ZOOKEEPER "hosts = 10.0.0.1\n", "takes a list of 1 to 16 servers HOST:PORT",
                  "10.0.0.1 has no port, which is 2181 as a rule" },
                { ZOOKEEPER "hosts = a:1 b:65536\n",
                  "takes a list of 1 to 16 servers HOST:PORT", "" },
                { ZOOKEEPER "hosts = a:1/chroot\n", "a path belongs in zookeeper.prefix", "" },
                { ZOOKEEPER "hosts = ::1:2181\n", "[fd00::1]:2181", "" },
                { ZOOKEEPER "hosts = []:2181\n", "takes a list of 1 to 16", "" },
                { ZOOKEEPER "hosts = , ,\n", "takes a list of 1 to 16", "" },
                { ETCD "prefix = /a/\n", "takes a path such as /a/b, without a slash at its end",
                  "" },
                { ETCD "prefix = /a//b\n", "etcd.prefix = \"/a//b\"",
                  "takes a path such as /a/b" },
                { ZOOKEEPER "prefix = /a/\n", "zookeeper.prefix = \"/a/\"",
                  "takes a path such as" },
                { ZOOKEEPER "prefix = /a/../b\n", "takes a path such as /a/b", "" },
                { ZOOKEEPER "username = u\n", "zookeeper.password_file (default)", "" },
                { ZOOKEEPER "username = u:v\npassword_file = /p\n", "without a colon", "" },
                { ZOOKEEPER "username = u\npassword_file = p\n", "takes an absolute path", "" },
                { ZOOKEEPER "[id]\nlayout = 41/17/5\n", "the most that zookeeper can hold", "" },
                { "[id]\nlayout = 30/21/12\n", "33 bits for worker and sequence, but at most 32",
                  "give the tick 31 bits or more" },
                { FIRST "[id]\nregion_bits = 11\n", "id.region_bits = 11", "the 10 worker bits" },
                { FIRST "[id]\nregion = 1\n", "set id.region_bits", "sfshmd.conf:4)" },
                { FIRST "[id]\nregion_bits = 2\nregion = 4\n", "regions go from 0 to 3", "" },
                { "[workers]\nfirst = 1024\n", "above the last one, 1023", "sfshmd.conf:2)" },
                { "[workers]\nfirst = 1020\ncount = 5\n", "the 5 worker IDs (workers.count",
                  "sfshmd.conf:3)" },
                { "[workers]\nfirst = 256\n[id]\nregion_bits = 2\n", "the last one, 255", "" },
                { "[workers]\nfirst = 4294967295\ncount = 2\n", "above the last one", "" },
                { "[workers]\nfirst = 1023\nmax_count = 2\n", "the 2 worker IDs (workers.max_count",
                  "lower workers.first or workers.max_count" },
                { "[workers]\nbackend = etcd\ncount = 1025\n", "1025 worker IDs (workers.count",
                  "leave 1024; lower workers.count" },
                { FIRST "count = 3\nmax_count = 2\n", "is less than workers.count = 3",
                  "sfshmd.conf:4)" },
                { FIRST "count = 1025\n[id]\nlayout = 40/11/12\n", "more than 4194304 positions",
                  "allows at most 1024 worker IDs" },
                { FIRST "[id]\nlayout = 40/0/23\n", "more than 4194304 positions",
                  "allows at most 0" },
                { FIRST "horizon = 1s\n", "shorter than reserve.standing (default)",
                  "workers.horizon (" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *error = config_fixture_refused(cases[i].text, NULL);

                cr_assert_contains(error, cases[i].says);
                cr_assert_contains(error, cases[i].and);
        }
}
