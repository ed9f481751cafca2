/* SPDX-License-Identifier: MIT */
/*
 * S1: many connections. Half-open, silent, deaf, and in storms; more than
 * there are descriptors for, and more than a limit allows.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(hostile_crowds, .timeout = 120);

static struct private_daemon d;

enum { READY, ATTACHED, REFUSED, ROUNDS }; /* shared words */

static void more_descriptors(void) {
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

static bool is_ready(void *context) {
        return atomic_load(&((_Atomic uint64_t *)context)[READY]) != 0;
}

static pid_t start_and_wait(int (*attack)(void *context), _Atomic uint64_t *shared) {
        pid_t pid = attacker_start(UID_STRANGER, attack, (void *)shared);

        cr_assert(wait_until(is_ready, (void *)shared, 30000));
        return pid;
}

/* Opens hundreds of connections and never says a word; opens new ones for those
 * which the daemon closes. */
static int be_silent(void *context) {
        enum { CROWD = 700 };
        _Atomic uint64_t *shared = context;
        int sockets[CROWD];

        for (int i = 0; i < CROWD; i++)
                sockets[i] = -1;
        while (getppid() != 1) {
                for (int i = 0; i < CROWD; i++) {
                        struct pollfd closed = { .fd = sockets[i], .events = POLLIN };

                        if (sockets[i] >= 0 && poll(&closed, 1, 0) == 0)
                                continue;
                        if (sockets[i] >= 0)
                                close(sockets[i]);
                        sockets[i] = raw_connect(&d);
                        if (sockets[i] >= 0 && i % 3 == 0) /* half-open */
                                shutdown(sockets[i], SHUT_RD);
                }
                atomic_store(&shared[READY], 1);
        }
        return 0;
}

/* Opens a handle as an honest user and takes an ID; how long it took, in ms,
 * within 100 steps of 50 ms; 255: it failed. */
static int open_honestly(void *context) {
        int64_t begun = test_monotonic_ns();
        sfshm *s = NULL;
        uint64_t id;

        (void)context;
        if (sfshm_open(&s, d.socket, 0) < 0)
                return 255;
        if (sfshm_next(s, &id) < 0)
                return 254;
        sfshm_close(s);
        begun = (test_monotonic_ns() - begun) / 50000000;
        return begun < 200 ? (int)begun : 200;
}

/* Red when connections_add() makes no room: the honest are not let in, or not
 * in time, and memory grows without a bound. */
Test(hostile_crowds, s1_silent_connections_keep_nobody_out) {
        struct arena *arena = arena_new(1, 1 << 21);
        _Atomic uint64_t *shared = shared_new();
        struct honest honest;
        pid_t crowd;

        more_descriptors();
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        crowd = start_and_wait(be_silent, shared);
        for (int i = 0; i < 10; i++) {
                cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
                honest_lasts(&honest, 150);
                cr_expect_leq(daemon_descriptors(&d), 600);
        }
        attacker_kill(crowd);
        honest_stop(&honest);
        LOG_HAS(&d, "sends nothing");
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

/* Never reads what the daemon sends, and lets its own queue fill up. */
static int be_deaf(void *context) {
        enum { CROWD = 200 };
        _Atomic uint64_t *shared = context;
        struct wire_want want = { .header = wire_header_of(WIRE_WANT, WIRE_VERSION) };
        int sockets[CROWD];

        for (int i = 0; i < CROWD; i++) {
                int none = 0;

                sockets[i] = raw_connect(&d);
                setsockopt(sockets[i], SOL_SOCKET, SO_RCVBUF, &none, sizeof(none));
                if (sockets[i] < 0 || raw_hello(sockets[i], 1) < 0)
                        return 1;
        }
        atomic_store(&shared[READY], 1);
        while (getppid() != 1)
                for (int i = 0; i < CROWD; i++)
                        if (send(sockets[i], &want, sizeof(want), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                                nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        return 0;
}

/* Red when message_send() waits until its message has been read. */
Test(hostile_crowds, s1_deaf_clients_delay_nobody) {
        struct arena *arena = arena_new(1, 1 << 21);
        _Atomic uint64_t *shared = shared_new();
        struct honest honest;
        pid_t crowd;

        more_descriptors();
        prepare_daemon(&d, 0);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        crowd = start_and_wait(be_deaf, shared);
        for (int i = 0; i < 5; i++) {
                cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
                honest_lasts(&honest, 300);
        }
        attacker_kill(crowd);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

/* Connects and closes; every second time says HELLO first, for 1 or 64 lanes;
 * every fourth time with the answer still in the queue. */
static int storm(void *context) {
        _Atomic uint64_t *shared = context;

        for (uint64_t round = 0; getppid() != 1; round++) {
                int fd = raw_connect(&d);
                struct pollfd answer = { .fd = fd, .events = POLLIN };

                if (fd < 0)
                        continue;
                if (round % 2 == 1)
                        (void)raw_hello(fd, round % 8 == 7 ? 64 : 1);
                if (round % 4 == 3)
                        (void)poll(&answer, 1, 10);
                close(fd);
                atomic_fetch_add(&shared[ROUNDS], 1);
                if (round == 100)
                        atomic_store(&shared[READY], 1);
        }
        return 0;
}

/* Red when clients_end() forgets to discharge an account or to close a lane,
 * or connection_end() to close a socket: the storm ends in refusals of the honest. */
Test(hostile_crowds, s1_a_storm_of_connections_keeps_nobody_out) {
        struct arena *arena = arena_new(1, 1 << 21);
        _Atomic uint64_t *shared = shared_new();
        struct honest honest;
        pid_t storms[3];
        unsigned before;

        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        honest_goes_on(&honest, 100);
        before = daemon_descriptors(&d);
        for (int i = 0; i < 3; i++)
                storms[i] = start_and_wait(storm, shared);
        for (int i = 0; i < 10 || atomic_load(&shared[ROUNDS]) < 3000; i++) {
                cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
                honest_lasts(&honest, 150);
                cr_assert_lt(i, 300);
        }
        for (int i = 0; i < 3; i++)
                attacker_kill(storms[i]);
        cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
        descriptors_fall_to(&d, before);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

/* As many clients of as many lanes as the daemon gives. */
static int attach_many(_Atomic uint64_t *shared, uint32_t lanes, unsigned most) {
        for (unsigned i = 0; i < most; i++) {
                struct raw_client client;
                int r = raw_attach(&d, lanes, &client);

                if (r < 0) {
                        atomic_store(&shared[REFUSED], (uint64_t)-r);
                        break;
                }
                atomic_fetch_add(&shared[ATTACHED], 1);
        }
        atomic_store(&shared[READY], 1);
        while (getppid() != 1)
                pause();
        return 0;
}

static int attach_many_narrow(void *context) {
        return attach_many(context, 1, 5000);
}

static int attach_many_wide(void *context) {
        return attach_many(context, 64, 5000);
}

/* The N+1st is refused with a sentence, for that uid alone. Red when clients_charge()
 * does not charge, or account_get() takes all uids for one. */
Test(hostile_crowds, s1_limits_are_a_uids_own) {
        _Atomic uint64_t *shared = shared_new();
        pid_t crowd;

        more_descriptors();
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "limits.uid_clients=20");
        private_daemon_start(&d);
        crowd = start_and_wait(attach_many_narrow, shared);
        cr_expect_eq(atomic_load(&shared[ATTACHED]), 20);
        cr_expect_eq(atomic_load(&shared[REFUSED]), EDQUOT);
        LOG_HAS(&d, "limits.uid_clients = 20", "uid 65534");
        cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
        attacker_kill(crowd);

        /* what it held is its own again */
        memset((void *)shared, 0, SHARED_WORDS * 8);
        crowd = start_and_wait(attach_many_narrow, shared);
        cr_expect_eq(atomic_load(&shared[ATTACHED]), 20);
        attacker_kill(crowd);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
}

/* Red when charge() leaves out lanes or bytes. */
Test(hostile_crowds, s1_limits_of_lanes_and_bytes) {
        static const char *const limits[] = { "limits.uid_lanes=256", "limits.uid_bytes=64KiB" };
        _Atomic uint64_t *shared = shared_new();

        more_descriptors();
        for (int i = 0; i < 2; i++) {
                pid_t crowd;

                memset((void *)shared, 0, SHARED_WORDS * 8);
                prepare_daemon(&d, UID_DAEMON);
                private_daemon_set(&d, "%s", limits[i]);
                private_daemon_start(&d);
                crowd = start_and_wait(attach_many_wide, shared);
                cr_expect_leq(atomic_load(&shared[ATTACHED]), 4);
                cr_expect_eq(atomic_load(&shared[REFUSED]), EDQUOT);
                cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
                attacker_kill(crowd);
                private_daemon_stop(&d);
                private_daemon_remove(&d);
        }
        shared_free(shared);
}

/* Red when account_charge() limits root or the daemon's own uid. */
Test(hostile_crowds, limits_are_not_roots_nor_the_daemons) {
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "limits.uid_clients=1");
        private_daemon_start(&d);
        for (int i = 0; i < 2; i++) {
                sfshm *a = private_daemon_open(&d, 0), *b = private_daemon_open(&d, 0);

                sfshm_close(a);
                sfshm_close(b);
                cr_assert_eq(seteuid(UID_DAEMON), 0); /* SO_PEERCRED has the effective one */
        }
        cr_assert_eq(seteuid(0), 0);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* At the limit: says HELLO and then closes what it had, while the daemon is stopped, so that
 * both come at once. The exit status is the type of the answer. */
static int open_the_next_and_close(void *context) {
        _Atomic uint64_t *shared = context;
        union wire_message answer;
        struct raw_client client;
        int next;

        if (raw_attach(&d, 1, &client) != 0)
                return 255;
        atomic_store(&shared[READY], 1);
        while (atomic_load(&shared[ATTACHED]) == 0)
                ;
        next = raw_connect(&d);
        if (next < 0 || raw_hello(next, 1) < 0)
                return 254;
        raw_detach(&client);
        atomic_store(&shared[REFUSED], 1);
        if (read(next, &answer, sizeof(answer)) < (ssize_t)sizeof(answer.header))
                return 253;
        return answer.header.type;
}

static bool has_closed(void *context) {
        return atomic_load(&((_Atomic uint64_t *)context)[REFUSED]) != 0;
}

/* Red without connections_sweep(): the connection comes before the end of the other. */
Test(hostile_crowds, a1_the_end_of_a_handle_counts_before_the_next) {
        static const char *const limits[] = { "limits.uid_clients=1", "daemon.max_clients=1" };

        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                _Atomic uint64_t *shared = shared_new();
                pid_t pid;

                prepare_daemon(&d, UID_DAEMON);
                private_daemon_set(&d, "%s", limits[i]);
                private_daemon_start(&d);
                pid = start_and_wait(open_the_next_and_close, shared);
                private_daemon_signal(&d, SIGSTOP, false);
                atomic_store(&shared[ATTACHED], 1);
                cr_assert(wait_until(has_closed, (void *)shared, 30000));
                private_daemon_signal(&d, SIGCONT, false);
                cr_expect_eq(attacker_wait(pid), WIRE_WELCOME, "%s", limits[i]);
                private_daemon_stop(&d);
                private_daemon_remove(&d);
                shared_free(shared);
        }
}

/* With the limits as they come, one uid takes whatever it can get: there must
 * be room left for others. Red when limits.uid_lanes comes as 2048, which is all
 * that may stand in one worker. */
Test(hostile_crowds, s1_a_greedy_uid_leaves_room) {
        _Atomic uint64_t *shared = shared_new();
        pid_t crowd;

        more_descriptors();
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_start(&d);
        crowd = start_and_wait(attach_many_wide, shared);
        cr_expect_neq(atomic_load(&shared[REFUSED]), 0);
        for (int i = 0; i < 5; i++)
                cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
        attacker_kill(crowd);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
}

static bool log_says_exhausted(void *context) {
        char *log = private_daemon_log(&d);
        bool found = strstr(log, "no file descriptor is left") != NULL;

        (void)context;
        free(log);
        return found;
}

/* The daemon with a hard limit, which it cannot raise. */
static void limit_descriptors(unsigned files) {
        static char path[128];
        FILE *script;

        snprintf(path, sizeof(path), "%s/sfshmd-limited", d.directory);
        script = fopen(path, "we");
        cr_assert_not_null(script);
        fprintf(script, "#!/bin/sh\nulimit -n %u && exec '%s' \"$@\"\n", files, getenv("SFSHMD"));
        fclose(script);
        cr_assert_eq(chmod(path, 0755), 0);
        d.binary = path;
}

static bool is_told_so(void *context) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        (void)context;
        sfshm_close(s);
        return r == -ENOBUFS;
}

/* More clients than descriptors: the daemon refuses, keeps those it needs for
 * the fence, and recovers. Red when fd_reserve_spares() says yes to the last, or
 * when listener_refuse() only hangs up. */
Test(hostile_crowds, s1_without_descriptors_it_refuses_and_recovers) {
        enum { FILES = 128 };
        struct arena *arena = arena_new(1, 1 << 21);
        _Atomic uint64_t *shared = shared_new();
        struct honest honest;
        pid_t crowds[2];

        more_descriptors();
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "reserve.standing=1s");
        limit_descriptors(FILES);
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        honest_goes_on(&honest, 100);
        crowds[0] = start_and_wait(attach_many_narrow, shared);
        cr_expect_geq(atomic_load(&shared[ATTACHED]), 20);
        crowds[1] = attacker_start(UID_STRANGER, be_silent, (void *)shared);
        cr_assert(wait_until(log_says_exhausted, NULL, 30000));
        cr_expect_leq(daemon_descriptors(&d), FILES - 4, "none is left for the fence");
        cr_expect(wait_until(is_told_so, NULL, 30000), "no word of whose descriptors");
        honest_lasts(&honest, 2000);
        for (int i = 0; i < 2; i++)
                attacker_kill(crowds[i]);
        cr_expect_leq(attacker_run(UID_HONEST, open_honestly, NULL), 60);
        honest_stop(&honest);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        shared_free(shared);
        arena_free(arena);
}

static void say_hello(int *socket) {
        *socket = raw_connect(&d);
        cr_assert_geq(*socket, 0);
        cr_assert_eq(raw_hello(*socket, 1), 0);
}

static void hear(int socket, union wire_message *message) {
        ssize_t n = recv(socket, message, sizeof(*message), 0);

        cr_assert_gt(n, 0);
        cr_assert_eq(wire_check(message, (size_t)n), 0);
}

static bool is_over(void *until_ns) {
        return test_monotonic_ns() >= *(const int64_t *)until_ns;
}

/* A daemon that waits for its predecessor's fence; the first who comes hears for how long. */
static int start_waiting(int *ret_first) {
        union wire_message message;
        char ledger[160];

        private_daemon_start(&d);
        sfshm_close(private_daemon_open(&d, 0)); /* for which it has raised the fence */
        private_daemon_signal(&d, SIGKILL, true);
        snprintf(ledger, sizeof(ledger), "/dev/shm%s.ledger", d.shm);
        cr_assert_eq(unlink(ledger), 0);
        private_daemon_start(&d);
        say_hello(ret_first);
        hear(*ret_first, &message);
        cr_assert_eq(message.header.type, WIRE_REFUSED, "the wait was too short for the test");
        cr_assert_eq(message.refused.error, ETIME);
        return (int)message.refused.retry_after_ms;
}

/* How many of a crowd which comes 4 s before the wait ends are welcome. */
static int welcome_of_a_crowd(int wait_ms) {
        enum { CROWD = 200 };
        int64_t at_ns = test_monotonic_ns() + (wait_ms - 4010) * INT64_C(1000000);
        union wire_message message;
        int sockets[CROWD], welcome = 0;

        for (int i = 0; i < CROWD; i++, at_ns += 200000) {
                cr_assert(wait_until(is_over, &at_ns, 60000));
                say_hello(&sockets[i]);
        }
        for (int i = 0; i < CROWD; i++) {
                hear(sockets[i], &message);
                if (message.header.type == WIRE_REFUSED)
                        cr_expect_eq(message.refused.error, ETIME, "%d: %s", i,
                                     message.refused.text);
                else
                        welcome++;
                close(sockets[i]);
        }
        return welcome;
}

/* The daemon waits for its predecessor's fence, and holds for 4 s whoever comes. For some
 * that ends just when the wait does, before the next fence is written. Red when those are
 * told that there is no position left, as they were. A loaded machine may miss the moment:
 * then once more. */
Test(hostile_crowds, who_waits_for_the_fence_hears_of_it) {
        int welcome = 0;

        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        for (int i = 0; welcome == 0 && i < 5; i++) {
                int first, wait_ms = start_waiting(&first);

                welcome = welcome_of_a_crowd(wait_ms);
                close(first);
                private_daemon_stop(&d);
        }
        cr_expect_gt(welcome, 0);
        private_daemon_remove(&d);
}

/* All of its lanes hold a position for long after it is gone. */
static bool holds_long(const struct raw_client *client) {
        for (uint32_t i = 0; i < client->welcome.lanes; i++) {
                const struct slot *slots = client->page->slots[i];
                struct rectangle a = { .t1 = 0 }, b = { .t1 = 0 };

                (void)slot_read(&slots[SLOT_STANDING_A], &a);
                (void)slot_read(&slots[SLOT_STANDING_B], &b);
                if (a.t1 < client->page->base_tick + 40000 &&
                    b.t1 < client->page->base_tick + 40000)
                        return false;
        }
        return true;
}

/* Clients that are gone hold half of the positions, for a minute, and nothing can be withdrawn.
 * Who comes is told so, all of them, and at once. Red when what is gone does not count, or when
 * the end of one makes the next hear of the fence. */
Test(hostile_crowds, who_finds_half_of_the_positions_taken_hears_of_it) {
        enum { CROWD = 8, LANES = 32 };
        union wire_message message;
        struct raw_client client;
        int sockets[CROWD];

        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.layout=41/16/6");
        private_daemon_set(&d, "workers.count=1");
        private_daemon_set(&d, "reserve.standing=1min");
        private_daemon_start(&d);
        cr_assert_eq(raw_attach(&d, LANES, &client), 0);
        cr_assert_eq(client.welcome.lanes, LANES);
        UNTIL(holds_long(&client));
        raw_run_ahead(&client, CURSOR_TICK_MAX);
        raw_detach(&client);
        /* stopped, so that it hears all of them at once */
        private_daemon_signal(&d, SIGSTOP, false);
        for (int i = 0; i < CROWD; i++)
                say_hello(&sockets[i]);
        private_daemon_signal(&d, SIGCONT, false);
        for (int i = 0; i < CROWD; i++) {
                hear(sockets[i], &message);
                cr_assert_eq(message.header.type, WIRE_REFUSED);
                cr_expect_eq(message.refused.error, ENOSPC, "%d: %s", i, message.refused.text);
                close(sockets[i]);
        }
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/*
 * S1: who attaches, closes the socket and keeps the mapping holds nothing two ticks later,
 * however often, standing reservations of a minute included: a quarter of the positions serves a
 * hundred such clients one after another. One that says in its cursors that it is far ahead
 * holds on to what it had, and to no more. Red when a client's end leaves its standing
 * reservations to run out.
 */
Test(hostile_crowds, s1_closed_connections_hold_nothing) {
        enum { LANES = 32, TIMES = 100 }; /* a quarter of the 128 positions */
        static struct raw_client clients[TIMES];

        private_daemon_prepare(&d);
        private_daemon_set(&d, "id.layout=41/15/7");
        private_daemon_set(&d, "workers.count=1");
        private_daemon_set(&d, "reserve.standing=1min");
        private_daemon_start(&d);
        for (int i = 0; i < TIMES; i++) {
                /* refused while the daemon has not seen the end of the one before */
                UNTIL(raw_attach(&d, LANES, &clients[i]) == 0);
                if (i == 0)
                        raw_run_ahead(&clients[i], CURSOR_TICK_MAX);
                close(clients[i].socket);
        }
        for (int i = 0; i < TIMES; i++) {
                clients[i].socket = -1;
                raw_detach(&clients[i]);
        }
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}
