/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/config/addresses.h"

Test(addresses, urls_are_checked) {
        static const char *const wrong[] = {
                "", " ,", "a:1", "ftp://a:1", "http://", "http://a:1/", "http://a:1/v3",
                "http://a:1 https://b:1", "http://me:word@a:1", "http://a:1?x", "http://a:1#x",
                "http://a\n:1", "http://a", "http://a:", "http://a:0", "http://a:1 http://b",
                "https://[::1]", "http://::1", "http://::1:1",
        };
        bool tls = true;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                cr_expect_eq(addresses_check_urls(wrong[i], &tls), -EINVAL, "%s", wrong[i]);
        cr_expect_eq(addresses_check_urls("http://a:1,http://[::1]:2", &tls), 0);
        cr_expect_not(tls);
        cr_expect_eq(addresses_check_urls("https://a:1", &tls), 0);
        cr_expect(tls);
}

/* Red when a URL may be longer than an endpoint of etcd keeps. */
Test(addresses, a_url_has_at_most_255_bytes) {
        char url[400];
        bool tls;

        snprintf(url, sizeof(url), "http://%0*d:1", ADDRESS_LENGTH_MAX - 9, 1);
        cr_expect_eq(addresses_check_urls(url, &tls), 0);
        snprintf(url, sizeof(url), "http://%0*d:1", ADDRESS_LENGTH_MAX - 8, 1);
        cr_expect_eq(addresses_check_urls(url, &tls), -EINVAL);
}

/* Red when brackets are kept, which ZooKeeper's library takes for a part of the name. */
Test(addresses, the_zookeeper_list_is_as_the_library_takes_it) {
        static const struct {
                const char *hosts, *list;
        } cases[] = {
                { "127.0.0.1:2181", "127.0.0.1:2181" },
                { " a:1,  b.example:65535 ,", "a:1,b.example:65535" },
                { "[fd00::1]:2181 c:2", "fd00::1:2181,c:2" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char *list;

                cr_assert_eq(addresses_check_hosts(cases[i].hosts), 0, "%s", cases[i].hosts);
                list = addresses_zookeeper_list(cases[i].hosts);
                cr_assert_str_eq(list, cases[i].list);
                free(list);
        }
}

Test(addresses, hosts_are_checked) {
        static const char *const wrong[] = {
                "", " ", "a", "a:", ":1", "a:0", "a:65536", "a:1x", "a:1/b", "[::1]", "[]:1",
                "::1:2181", "[::1:2181", "a:1 b", "a:123456",
                "a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1",
        };

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                cr_assert_eq(addresses_check_hosts(wrong[i]), -EINVAL, "\"%s\"", wrong[i]);
}

Test(addresses, one_without_a_port_is_found) {
        static const struct {
                const char *list, *found;
        } cases[] = {
                { "http://a:1,http://b http://c", "http://b http://c" },
                { "[::1]:2181 [::2]", "[::2]" },
                { "https://[fd00::1]", "https://[fd00::1]" },
                { "a:1 b:2 , c", "c" },
                { "a:1 b:2", "" },
                { " ,", "" },
                { "http://", "" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *at = cases[i].list;
                size_t n = addresses_find_portless(&at);

                cr_expect_str_eq(n > 0 ? at : "", cases[i].found, "%s", cases[i].list);
        }
}
