/* SPDX-License-Identifier: MIT */
/* A cancellation that is pending ends no call of the library half-way: each returns, and
 * leaves no descriptor, mapping or half-made connection behind. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "libclient/handle.h"
#include "tests/support/private_daemon.h"
#include "tests/support/reservation.h"

TestSuite(cancellation, .timeout = 120);

static struct private_daemon d;

static unsigned descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(directory) != NULL)
                n++;
        closedir(directory);
        return n;
}

static unsigned mappings(void) {
        FILE *file = fopen("/proc/self/maps", "re");
        unsigned n = 0;
        int c;

        while ((c = getc(file)) != EOF)
                n += c == '\n';
        fclose(file);
        return n;
}

static void *open_one(void *handle) {
        sfshm *s = NULL;

        (void)handle;
        pthread_cancel(pthread_self());
        return sfshm_open(&s, d.socket, 0) == 0 ? s : NULL;
}

static void *close_one(void *handle) {
        pthread_cancel(pthread_self());
        return sfshm_close(handle) == NULL ? &d : NULL;
}

/* Through overflows, hints and the upkeep after a restart. */
static void *take_many(void *handle) {
        static uint64_t ids[20000];
        int64_t until = test_monotonic_ns() + 300000000;
        uint32_t count;
        struct sfshm_layout layout;
        struct sfshm_parts parts;

        pthread_cancel(pthread_self());
        do {
                if (sfshm_next(handle, ids) != 0 || sfshm_next_batch(handle, ids, 20000) != 0 ||
                    sfshm_next_span(handle, 100, ids, &count) != 0)
                        return NULL;
        } while (test_monotonic_ns() < until);
        (void)sfshm_set_timeout(handle, 0);
        while (sfshm_next_batch(handle, ids, 5000) == 0)
                ;
        (void)sfshm_retry_at(handle);
        (void)sfshm_set_timeout(handle, -1);
        if (sfshm_get_layout(handle, &layout) != 0 || sfshm_decode(&layout, ids[0], &parts) != 0 ||
            sfshm_first_id(&layout, parts.unix_ms, ids) != 0 || sfshm_strerror(-EAGAIN) == NULL)
                return NULL;
        return handle;
}

static void *run(void *(*function)(void *handle), void *handle) {
        pthread_t thread;
        void *result = NULL;

        cr_assert_eq(pthread_create(&thread, NULL, function, handle), 0);
        cr_assert_eq(pthread_join(thread, &result), 0);
        cr_assert_neq(result, PTHREAD_CANCELED, "the call was a cancellation point");
        cr_assert_not_null(result);
        return result;
}

/* Red when sfshm_close() or sfshm_open() leaves cancellation enabled. */
Test(cancellation, open_and_close) {
        unsigned fds, maps;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        run(close_one, run(open_one, NULL)); /* the C library keeps a thread's stack */
        fds = descriptors();
        maps = mappings();
        for (int i = 0; i < 20; i++)
                run(close_one, run(open_one, NULL));
        cr_expect_leq(descriptors(), fds);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cr_expect_leq(mappings(), maps + 1);
#else
        (void)maps; /* a sanitizer maps what it needs */
#endif
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Red when any wait or the steps of a re-attach go through a cancellation point. */
Test(cancellation, all_other_calls) {
        unsigned fds;
        sfshm *s;

        private_daemon_prepare(&d);
        private_daemon_start(&d);
        fds = descriptors();
        s = private_daemon_open(&d, 0);
        run(take_many, s);
        reservation_take_until(s, 8000);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        run(take_many, s);
        cr_expect_not_null(atomic_load(&s->attachment)->older, "it has not attached again");
        cr_expect_eq(descriptors(), fds + 1);
        sfshm_close(s);
        cr_expect_eq(descriptors(), fds);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
