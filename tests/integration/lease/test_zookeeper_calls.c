/* SPDX-License-Identifier: MIT */
/* What coordinator.h promises, by a real ZooKeeper. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/zookeeper/calls.h"
#include "daemon/lease/zookeeper/handle.h"
#include "daemon/lease/zookeeper/session.h"
#include "tests/support/capture.h"
#include "tests/support/private_daemon.h"
#include "tests/support/relay.h"
#include "tests/support/zookeeper_server.h"

TestSuite(zookeeper_calls, .timeout = 120);

#define SECOND INT64_C(1000000000)
#define TTL_NS (10 * SECOND) /* no session ends because the machine is slow */

static struct zookeeper_server server;

struct client {
        struct zookeeper_coordinator zookeeper;
        _Atomic int64_t errors;
};

static void client_open(struct client *c, const char *username, const char *password_file) {
        const struct zookeeper_options options = { server.hosts, TTL_NS, username, password_file,
                                                   &c->errors };

        c->errors = 0;
        c->zookeeper = (struct zookeeper_coordinator){ NULL, "/a/1/sfshm", 10 * SECOND, 0 };
        cr_assert_eq(zookeeper_session_new(&c->zookeeper.session, &options), 0);
}

static void client_close(struct client *c) {
        zookeeper_session_free(c->zookeeper.session);
}

static void begin_session(struct client *c) {
        int64_t ttl_ns = 0;

        cr_assert_eq(zookeeper_calls.session_begin(&c->zookeeper, TTL_NS, &ttl_ns), 0);
        cr_assert_eq(ttl_ns, TTL_NS);
}

static void set_up(void) {
        zookeeper_server_begin(&server, 1);
}

static void tear_down(void) {
        zookeeper_server_end(&server);
}

/* One key: only if it is as `modified` says; -1: whatever it is. */
static int put(struct client *c, const char *key, int64_t modified, const char *value,
               int64_t *ret_modified) {
        const struct coordinator_check check = { key, modified };
        struct coordinator_write write = { key, value, false, 0 };
        const struct coordinator_commit commit = { &check, modified >= 0, &write, 1 };
        int r = zookeeper_calls.commit(&c->zookeeper, &commit);

        if (r == 0 && ret_modified != NULL)
                *ret_modified = write.modified;
        return r;
}

static void expect(struct client *c, const char *key, const char *value, int64_t modified) {
        struct coordinator_list list = { .n = 0 };
        const struct coordinator_item *item;

        cr_assert_eq(zookeeper_calls.list(&c->zookeeper, key, &list), 0);
        item = coordinator_find(&list, key);
        cr_assert_eq(item != NULL, value != NULL, "%s", key);
        if (item != NULL) {
                cr_assert_str_eq(item->value, value);
                cr_assert(modified == 0 || item->modified == modified);
        }
        coordinator_list_clear(&list);
}

/* Red when the check of a write is left out (ANY_VERSION in plan_write). */
Test(zookeeper_calls, a_commit_is_done_when_all_checks_hold) {
        struct client c;
        int64_t first = 0, second = 0, again = 0;

        set_up();
        client_open(&c, "", "");
        expect(&c, "x/y/z", NULL, 0);
        cr_assert_eq(put(&c, "x/y/z", 0, "1", &first), 0);
        expect(&c, "x/y/z", "1", first);
        cr_assert_eq(put(&c, "x/y/z", 0, "2", NULL), -EAGAIN);
        cr_assert_eq(put(&c, "x/y/z", first, "2", &second), 0);
        cr_assert_neq(first, second);
        cr_assert_eq(put(&c, "x/y/z", first, "3", NULL), -EAGAIN);
        cr_assert_eq(put(&c, "x/y/z", first, NULL, NULL), -EAGAIN);
        expect(&c, "x/y/z", "2", second);
        cr_assert_eq(put(&c, "x/y/z", second, NULL, NULL), 0);
        expect(&c, "x/y/z", NULL, 0);
        cr_assert_eq(put(&c, "x/y/z", second, "4", NULL), -EAGAIN);
        cr_assert_eq(put(&c, "x/y/z", 0, "5", &again), 0);
        cr_assert(again != first && again != second);
        /* without a check: whatever there is, or is not */
        cr_assert_eq(put(&c, "x/y/z", -1, "6", NULL), 0);
        expect(&c, "x/y/z", "6", 0);
        cr_assert_eq(put(&c, "x/y/z", -1, NULL, NULL), 0);
        cr_assert_eq(put(&c, "x/y/z", -1, NULL, NULL), 0);
        cr_assert_eq(put(&c, "x/y/z", -1, "7", NULL), 0);
        client_close(&c);
        tear_down();
}

/* Red when checks of keys that are not written are left out (make_plan). */
Test(zookeeper_calls, checks_of_other_keys_hold_as_well) {
        struct client c;
        int64_t guard = 0, old;

        set_up();
        client_open(&c, "", "");
        cr_assert_eq(put(&c, "guard", 0, "1", &guard), 0);
        for (int i = 0; i < 3; i++) {
                const struct coordinator_check checks[] = { { "guard", guard }, { "none", 0 } };
                struct coordinator_write writes[] = { { "a", "1", false, 0 },
                                                      { "b", "1", false, 0 } };
                const struct coordinator_commit commit = { checks, 2, writes, 2 };

                cr_assert_eq(zookeeper_calls.commit(&c.zookeeper, &commit), i == 0 ? 0 : -EAGAIN);
                if (i == 0) {
                        cr_assert(writes[0].modified > 0 && writes[1].modified > 0);
                        expect(&c, "none", NULL, 0);
                        old = guard;
                        cr_assert_eq(put(&c, "guard", guard, "2", &guard), 0);
                        cr_assert_eq(put(&c, "a", -1, "0", NULL), 0);
                        guard = old;
                } else if (i == 1) {
                        expect(&c, "a", "0", 0);
                        cr_assert_eq(put(&c, "none", 0, "1", NULL), 0);
                        cr_assert_eq(put(&c, "guard", -1, "3", &guard), 0);
                }
        }
        expect(&c, "a", "0", 0);
        expect(&c, "b", "1", 0);
        client_close(&c);
        tear_down();
}

/* ZooKeeper's version begins anew with the node. Red when a key is not written at once
 * after it was created (plan_create), or `modified` is the version alone. */
Test(zookeeper_calls, a_key_deleted_and_created_anew_is_not_the_old_one) {
        struct client c;
        struct coordinator_list list = { .n = 0 };
        int64_t old = 0, now;

        set_up();
        client_open(&c, "", "");
        cr_assert_eq(put(&c, "region/0/used", 0, "old", &old), 0);
        zookeeper_server_delete(&server, "/a/1/sfshm/region/0/used");
        zookeeper_server_put(&server, "/a/1/sfshm/region/0/used", "new");
        cr_assert_eq(put(&c, "region/0/used", old, "mine", NULL), -EAGAIN);
        expect(&c, "region/0/used", "new", 0);
        /* also between two daemons' ones the revision tells them apart */
        cr_assert_eq(put(&c, "region/0/used", -1, NULL, NULL), 0);
        cr_assert_eq(put(&c, "region/0/used", 0, "new", &now), 0);
        cr_assert_neq(now, old);
        cr_assert_eq(zookeeper_calls.list(&c.zookeeper, "region/0/", &list), 0);
        cr_assert_eq(list.n, 1);
        cr_assert_eq(list.items[0].modified, now);
        coordinator_list_clear(&list);
        client_close(&c);
        tear_down();
}

Test(zookeeper_calls, lists_have_order_and_large_values) {
        static const char *const keys[] = { "9/9", "r/0/host/b", "r/0/alive/1", "r/0/host/a",
                                            "r/0/used", "r/1/used" };
        static const char *const found[] = { "r/0/alive/1", "r/0/host/a", "r/0/host/b",
                                             "r/0/used" };
        struct coordinator_list list = { .n = 0 };
        char *large = malloc(900001);
        struct client c;

        set_up();
        client_open(&c, "", "");
        memset(large, 'x', 900000);
        large[900000] = '\0';
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                cr_assert_eq(put(&c, keys[i], 0, i == 0 ? large : keys[i], NULL), 0);
        cr_assert_eq(zookeeper_calls.list(&c.zookeeper, "r/0/", &list), 0);
        cr_assert_eq(list.n, 4);
        for (size_t i = 0; i < 4; i++) {
                cr_assert_str_eq(list.items[i].key, found[i]);
                cr_assert_str_eq(list.items[i].value, found[i]);
        }
        coordinator_list_clear(&list);
        cr_assert_eq(zookeeper_calls.list(&c.zookeeper, "r/0/ho", &list), 0);
        cr_assert_eq(list.n, 2);
        coordinator_list_clear(&list);
        expect(&c, "9/9", large, 0);
        /* what a person has made: a folder without a value, a key with an empty one */
        zookeeper_server_put(&server, "/a/1/sfshm/byhand", "");
        zookeeper_server_put(&server, "/a/1/sfshm/byhand/key", "");
        expect(&c, "byhand/key", "", 0);
        expect(&c, "byhand", NULL, 0);
        client_close(&c);
        tear_down();
        free(large);
}

/* The servers end the connection at a longer request, each time it is sent again. */
Test(zookeeper_calls, a_request_that_is_too_long_is_named) {
        size_t size = 1200000;
        char *large = malloc(size + 1);
        const char *text, *away;
        struct client c;

        set_up();
        client_open(&c, "", "");
        cr_assert_eq(put(&c, "a", 0, "1", NULL), 0);
        memset(large, 'x', size);
        large[size] = '\0';
        capture_begin();
        for (int i = 0; i < 2; i++) {
                cr_assert_eq(put(&c, "b", 0, large, NULL), -EIO);
                expect(&c, "a", "1", 0);
        }
        text = capture_take();
        cr_assert_contains(text, "a request of 1200000 bytes; if that is more than jute.maxbuffer");
        away = strstr(text, "event=zookeeper-away");
        cr_assert(away != NULL && strstr(away + 1, "event=") == NULL, "%s", text);
        cr_assert_eq(put(&c, "b", 0, "1", NULL), 0);
        cr_assert_contains(capture_take(), "event=zookeeper-back");
        client_close(&c);
        tear_down();
        free(large);
}

/* ---- a list while keys move */

struct mover {
        struct client client;
        _Atomic bool stop;
        int moves;
};

/* One of two records has it, in turn; every other move writes the guard beside them. */
static void *move(void *context) {
        struct mover *m = context;
        int64_t guard = 0, record = 0;

        /* relaxed: a word between two threads which nothing hangs on */
        while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
                const char *to = m->moves % 2 == 0 ? "r/host/a" : "r/host/z";
                const char *from = m->moves % 2 == 0 ? "r/host/z" : "r/host/a";
                const struct coordinator_check checks[] = { { "r/used", guard }, { to, 0 },
                                                            { from, record } };
                struct coordinator_write writes[] = { { "r/used", "x", false, 0 },
                                                      { to, "it", false, 0 },
                                                      { from, NULL, false, 0 } };
                size_t skip = m->moves % 2, n = (record != 0 ? 3 : 2) - skip;
                const struct coordinator_commit commit = { checks + skip, n, writes + skip, n };

                if (zookeeper_calls.commit(&m->client.zookeeper, &commit) != 0)
                        return NULL;
                guard = skip == 0 ? writes[0].modified : guard;
                record = writes[1].modified;
                m->moves++;
                usleep(1000); /* or hardly any list is undisturbed */
        }
        return NULL;
}

/* Red without check_same() or check_seen(). */
Test(zookeeper_calls, a_list_shows_no_move_half_done) {
        struct mover m = { .moves = 0 };
        struct client c;
        pthread_t thread;
        int whole = 0;

        set_up();
        client_open(&m.client, "", "");
        client_open(&c, "", "");
        cr_assert_eq(pthread_create(&thread, NULL, move, &m), 0);
        for (int i = 0; i < 3000 && (whole < 100 || i < 400); i++) {
                struct coordinator_list list = { .n = 0 };
                int r = zookeeper_calls.list(&c.zookeeper, "r/", &list);

                if (r == 0 && list.n > 0) {
                        const struct coordinator_item *a = coordinator_find(&list, "r/host/a");
                        const struct coordinator_item *z = coordinator_find(&list, "r/host/z");

                        cr_assert((a == NULL) != (z == NULL), "%s in the list",
                                  a != NULL ? "both" : "none");
                        cr_assert_not_null(coordinator_find(&list, "r/used"));
                        whole++;
                } else {
                        cr_assert(r == 0 || r == -EAGAIN);
                }
                coordinator_list_clear(&list);
        }
        atomic_store_explicit(&m.stop, true, memory_order_relaxed);
        pthread_join(thread, NULL);
        fprintf(stderr, "%d lists while %d moves\n", whole, m.moves);
        cr_assert_gt(whole, 0);
        client_close(&c);
        client_close(&m.client);
        tear_down();
}

/* ---- sessions */

static int put_session(struct client *c, const char *key) {
        const struct coordinator_check check = { key, 0 };
        struct coordinator_write write = { key, "alive", true, 0 };
        const struct coordinator_commit commit = { &check, 1, &write, 1 };

        return zookeeper_calls.commit(&c->zookeeper, &commit);
}

static void ignore(zhandle_t *handle, int type, int state, const char *path, void *context) {
        (void)handle, (void)type, (void)state, (void)path, (void)context;
}

static void say_nothing(const char *line) {
        (void)line;
}

static bool decided(void *handle) {
        int state = zoo_state(handle);

        return state == ZOO_CONNECTED_STATE || state == ZOO_EXPIRED_SESSION_STATE;
}

/* As if its time had run out: whoever knows its name and secret may end it. The client
 * may take its session back before the server has read that it ends: then it lives on. */
static void try_to_end_session_of(const struct client *c) {
        clientid_t id = *zoo_client_id(c->zookeeper.session->handle);
        zhandle_t *handle = zookeeper_init2(server.hosts, ignore, 2000, &id, NULL,
                                            ZOO_NO_LOG_CLIENTENV, say_nothing);

        cr_assert_not_null(handle);
        cr_assert(wait_until(decided, handle, 30000));
        zookeeper_close(handle);
}

/* The client learns of it when it is back: until then nothing is known. The server may be
 * slower to end the session than the client is to come back to it. */
static bool ends_and_learns_of_it(void *context) {
        struct client *c = context;
        int64_t ttl_ns;
        int r;

        try_to_end_session_of(c);
        r = zookeeper_calls.session_keep(&c->zookeeper, &ttl_ns);
        cr_assert(r == 0 || r == -ESTALE || r == -EIO || r == -ETIMEDOUT, "%d", r);
        return r == -ESTALE;
}

/* Red when a session that has ended is taken for the new one which a list has opened
 * (no `begun`), and when the key is no ephemeral node. */
Test(zookeeper_calls, a_key_of_the_session_ends_with_it) {
        struct client c, other;
        int64_t ttl_ns = 0;

        set_up();
        client_open(&c, "", "");
        client_open(&other, "", "");
        cr_assert_eq(zookeeper_calls.session_keep(&c.zookeeper, &ttl_ns), -ESTALE);
        begin_session(&c);
        cr_assert_eq(put_session(&c, "alive/1"), 0);
        cr_assert_eq(put(&c, "stays", 0, "1", NULL), 0);
        cr_assert_eq(zookeeper_calls.session_keep(&c.zookeeper, &ttl_ns), 0);
        cr_assert_eq(ttl_ns, TTL_NS);
        expect(&other, "alive/1", "alive", 0);
        cr_assert(wait_until(ends_and_learns_of_it, &c, 60000));
        expect(&c, "alive/1", NULL, 0);
        cr_assert_eq(zookeeper_calls.session_keep(&c.zookeeper, &ttl_ns), -ESTALE);
        cr_assert_eq(put_session(&c, "alive/2"), -EAGAIN, "written in no session");
        begin_session(&c);
        cr_assert_eq(put_session(&c, "alive/2"), 0);
        cr_assert_eq(zookeeper_calls.session_keep(&c.zookeeper, &ttl_ns), 0);
        cr_assert_eq(zookeeper_calls.session_end(&c.zookeeper), 0);
        expect(&other, "alive/2", NULL, 0);
        expect(&other, "stays", "1", 0);
        client_close(&c);
        client_close(&other);
        tear_down();
}

static bool keeps(void *context) {
        int64_t ttl_ns;
        int r = zookeeper_calls.session_keep(context, &ttl_ns);

        cr_assert(r == 0 || r == -EIO || r == -ETIMEDOUT, "%d", r);
        return r == 0;
}

/* A refused call ends at once, not at its time-out, and has the library try no more; the
 * next one goes on with the session. Red when a new handle begins a new one (open_handle),
 * when nobody sees that all servers refuse (wait_for_connection). */
Test(zookeeper_calls, a_connection_that_breaks_ends_no_session) {
        char url[192];
        struct relay *relay;
        struct client c = { .errors = 0 };
        struct zookeeper_options options = { NULL, 10 * SECOND, "", "", &c.errors };
        int64_t id, ttl_ns = 0, begin_ns;

        set_up();
        snprintf(url, sizeof(url), "http://%s", server.hosts);
        relay = relay_new(url, RELAY_PASS);
        options.hosts = relay_url(relay) + strlen("http://");
        c.zookeeper = (struct zookeeper_coordinator){ NULL, "/a/1/sfshm", 60 * SECOND, 0 };
        cr_assert_eq(zookeeper_session_new(&c.zookeeper.session, &options), 0);
        cr_assert_eq(zookeeper_calls.session_begin(&c.zookeeper, 10 * SECOND, &ttl_ns), 0);
        cr_assert_eq(put_session(&c, "alive/1"), 0);
        id = c.zookeeper.session->id.client_id;
        relay_set(relay, RELAY_REFUSE);
        begin_ns = test_monotonic_ns();
        for (int i = 0; i < 2; i++) /* the connection there was, and a new one */
                cr_assert_eq(zookeeper_calls.session_keep(&c.zookeeper, &ttl_ns), -EIO);
        cr_assert_lt(test_monotonic_ns() - begin_ns, 30 * SECOND);
        cr_assert_null(c.zookeeper.session->handle);
        relay_set(relay, RELAY_PASS);
        cr_assert(wait_until(keeps, &c.zookeeper, 30000));
        cr_assert_eq(c.zookeeper.session->id.client_id, id);
        expect(&c, "alive/1", "alive", 0);
        client_close(&c);
        relay_free(relay);
        tear_down();
}

/* The answers come when nobody waits any more: into memory that is still there (ASan).
 * The calls end by their own time-out. */
Test(zookeeper_calls, a_server_that_hangs_holds_nobody) {
        struct coordinator_list list = { .n = 0 };
        struct client c;
        int64_t begin_ns;

        set_up();
        client_open(&c, "", "");
        cr_assert_eq(put(&c, "a/b", 0, "1", NULL), 0);
        c.zookeeper.timeout_ns = SECOND / 4;
        zookeeper_server_signal_node(&server, 0, SIGSTOP);
        begin_ns = test_monotonic_ns();
        cr_assert_eq(zookeeper_calls.list(&c.zookeeper, "a/", &list), -ETIMEDOUT);
        cr_assert_eq(put(&c, "a/b", -1, "2", NULL), -ETIMEDOUT);
        cr_assert_lt(test_monotonic_ns() - begin_ns, 60 * SECOND);
        cr_assert_geq(atomic_load_explicit(&c.errors, memory_order_relaxed), 2);
        zookeeper_server_signal_node(&server, 0, SIGCONT);
        c.zookeeper.timeout_ns = 20 * SECOND;
        cr_assert_eq(put(&c, "a/b", -1, "3", NULL), 0);
        expect(&c, "a/b", "3", 0);
        client_close(&c);
        tear_down();
}

/* ---- who may */

static void write_password(const char *path, const char *password) {
        FILE *file = fopen(path, "w");

        cr_assert_not_null(file);
        fprintf(file, "%s\n", password);
        cr_assert_eq(fclose(file), 0);
}

/* The others could not read its keys, and would stop at the next claim. Red without
 * check_access(). */
Test(zookeeper_calls, a_user_among_hosts_without_is_refused) {
        char path[128];
        struct client c, user;
        int64_t ttl_ns;

        set_up();
        snprintf(path, sizeof(path), "%s/password", server.directory);
        write_password(path, "secret");
        client_open(&user, "ids", path);
        client_open(&c, "", "");
        begin_session(&user); /* with nobody there */
        begin_session(&c);
        cr_assert_eq(put(&c, "contract", 0, "1", NULL), 0);
        cr_assert_eq(zookeeper_calls.session_begin(&user.zookeeper, TTL_NS, &ttl_ns), -EACCES);
        client_close(&user);
        client_close(&c);
        remove(path);
        tear_down();
}

/* Red when nodes are created with the open ACL. */
Test(zookeeper_calls, only_the_user_sees_and_changes_the_keys) {
        struct coordinator_list list = { .n = 0 };
        char path[128];
        struct client c, wrong, none;

        set_up();
        snprintf(path, sizeof(path), "%s/password", server.directory);
        write_password(path, "secret");
        client_open(&c, "ids", path);
        begin_session(&c);
        cr_assert_eq(put(&c, "x/y", 0, "1", NULL), 0);
        cr_assert_eq(put_session(&c, "x/z"), 0);
        expect(&c, "x/y", "1", 0);
        cr_assert_eq(zookeeper_server_access(&server, "ids:secret", "/a/1/sfshm/x/y"), ZOK);
        cr_assert_eq(zookeeper_server_access(&server, "ids:other", "/a/1/sfshm/x/y"), ZNOAUTH);
        cr_assert_eq(zookeeper_server_access(&server, NULL, "/a/1/sfshm/x/z"), ZNOAUTH);

        client_open(&none, "", "");
        write_password(path, "wrong");
        client_open(&wrong, "ids", path);
        cr_assert_eq(zookeeper_calls.list(&wrong.zookeeper, "x/", &list), -EACCES);
        cr_assert_eq(put(&wrong, "x/y", -1, "2", NULL), -EACCES);
        cr_assert_eq(put(&wrong, "x/new", 0, "2", NULL), -EACCES);
        cr_assert_eq(put(&wrong, "new/y", 0, "2", NULL), -EACCES);
        cr_assert_eq(zookeeper_calls.list(&none.zookeeper, "x/", &list), -EACCES);
        cr_assert_eq(put(&none, "x/new", 0, "2", NULL), -EACCES);
        remove(path);
        client_close(&wrong);
        client_open(&wrong, "ids", path);
        cr_assert_eq(zookeeper_calls.list(&wrong.zookeeper, "x/", &list), -EACCES);
        expect(&c, "x/y", "1", 0);
        client_close(&c);
        client_close(&none);
        client_close(&wrong);
        tear_down();
}
