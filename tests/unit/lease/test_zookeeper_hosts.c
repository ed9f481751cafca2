/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/lease/zookeeper/hosts.h"

/* Red when brackets are kept, which the client library takes for a part of the name. */
Test(zookeeper_hosts, lists_are_as_the_library_wants_them) {
        static const struct {
                const char *hosts, *list;
        } cases[] = {
                { "127.0.0.1:2181", "127.0.0.1:2181" },
                { " a:1,  b.example:65535 ,", "a:1,b.example:65535" },
                { "[fd00::1]:2181 c:2", "fd00::1:2181,c:2" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *list;

                cr_assert_eq(zookeeper_hosts_check(cases[i].hosts), 0, "%s", cases[i].hosts);
                list = zookeeper_hosts_list(cases[i].hosts);
                cr_assert_str_eq(list, cases[i].list);
                free(list);
        }
}

Test(zookeeper_hosts, what_is_none_is_refused) {
        static const char *const wrong[] = {
                "", " ", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:1/b", "[::1]", "[]:1",
                "::1:2181", "[::1:2181", "a:1 b", "a:123456",
                "a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1",
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                cr_assert_eq(zookeeper_hosts_check(wrong[i]), -EINVAL, "\"%s\"", wrong[i]);
}
