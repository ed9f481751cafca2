/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One interface to the coordinators of the test's own, so that one suite serves for
 * all. Keys are without the prefix, as in daemon/lease/KEYS.md. Every function fails
 * the test when it cannot do what it says.
 */
#include "tests/support/private_daemon.h"

struct test_coordinator {
        const char *name; /* of the backend: "etcd" */
        void (*begin)(void);
        void (*start)(void); /* again, with its data */
        void (*stop)(void);
        void (*signal)(int number); /* SIGSTOP: it hangs */
        void (*end)(void);
        /* The settings of a daemon which takes its worker IDs from it. */
        void (*configure)(struct private_daemon *d);
        /* "http://127.0.0.1:PORT", and the setting which names it at such a URL. */
        const char *(*url)(void);
        void (*setting_at)(const char *url, char text[192]);
        char *(*list)(const char *prefix); /* "KEY VALUE\n" of each, malloc'ed */
        /* How often the keys directly below, as they are now, were written; -1: no answer. */
        int64_t (*writes)(const char *prefix);
        void (*put)(const char *key, const char *value);
        void (*remove)(const char *prefix);
};
extern const struct test_coordinator test_etcd;
extern const struct test_coordinator test_zookeeper; /* where it was built */
