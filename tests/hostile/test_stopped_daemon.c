/* SPDX-License-Identifier: MIT */
/* S1 and A1: the daemon is stopped, killed and started again under attack. */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

TestSuite(hostile_stopped_daemon, .timeout = 120);

static struct private_daemon d;

/* Everything at once, over and over: connections, noise, hints, scribbling. */
static int attack(void *context) {
        uint64_t state = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) | 1;

        (void)context;
        while (getppid() != 1) {
                struct wire_want want = { .header = wire_header_of(WIRE_WANT, WIRE_VERSION) };
                struct raw_client client;
                int silent = raw_connect(&d);

                if (raw_attach(&d, 2, &client) == 0) {
                        _Atomic uint64_t *words = client.words;

                        for (int i = 0; i < 200; i++) {
                                state = state * 6364136223846793005u + 1442695040888963407u;
                                atomic_store(&words[(state >> 33) % 288], state);
                                (void)send(client.socket, &want, sizeof(want),
                                           MSG_NOSIGNAL | MSG_DONTWAIT);
                        }
                        (void)send(client.socket, &state, sizeof(state),
                                   MSG_NOSIGNAL | MSG_DONTWAIT);
                        raw_detach(&client);
                }
                if (silent >= 0)
                        close(silent);
        }
        return 0;
}

/* Red when a killed daemon's ledger is not adopted, when a restart waits for the
 * fence, or when the newcomers of the storm take what attached clients stand on. */
Test(hostile_stopped_daemon, s1_restarts_under_attack_are_not_noticed) {
        enum { ATTACKERS = 3, HONEST = 2 };
        struct arena *arena = arena_new(HONEST, 1 << 21);
        struct honest honest[HONEST];
        pid_t attackers[ATTACKERS];

        prepare_daemon(&d, UID_DAEMON);
        private_daemon_start(&d);
        for (size_t i = 0; i < HONEST; i++)
                honest_start(&honest[i], &d, arena, i);
        for (size_t i = 0; i < HONEST; i++)
                honest_goes_on(&honest[i], 100);
        for (int i = 0; i < ATTACKERS; i++)
                attackers[i] = attacker_start(UID_STRANGER, attack, NULL);
        for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < HONEST; i++)
                        honest_holds(&honest[i], 8000);
                honest_lasts(&honest[round % HONEST], 500);
                private_daemon_signal(&d, round == 1 ? SIGTERM : SIGKILL, true);
                private_daemon_start(&d);
        }
        for (size_t i = 0; i < HONEST; i++)
                honest_lasts(&honest[i], 500);
        for (int i = 0; i < ATTACKERS; i++)
                attacker_kill(attackers[i]);
        for (size_t i = 0; i < HONEST; i++)
                honest_stop(&honest[i]);
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* Newcomers of a stopped daemon wait in its queue and get an error in the end,
 * or are let in when it goes on. */
static int open_meanwhile(void *context) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, d.socket, 0);

        (void)context;
        sfshm_close(s);
        return r == 0 || r == -ETIMEDOUT ? 0 : 1;
}

static void pause_daemon(int64_t ms) {
        struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        private_daemon_signal(&d, SIGSTOP, false);
        nanosleep(&ts, NULL); /* how long is what the test is about */
}

/* Stopped for less than the standing reservation: clients go on all the time.
 * Red when the library trusts `now` although nobody moves it (T1, A1). */
Test(hostile_stopped_daemon, a1_stopped_for_less_than_the_reservation) {
        struct arena *arena = arena_new(1, 1 << 21);
        struct honest honest;
        uint64_t before, after;
        pid_t waiting;

        prepare_daemon(&d, 0);
        private_daemon_set(&d, "reserve.standing=8s");
        private_daemon_start(&d);
        honest_start(&honest, &d, arena, 0);
        honest_holds(&honest, 5000);
        honest_hurry(&honest); /* the ticker shall be at work when it is stopped */
        honest_lasts(&honest, 300);
        waiting = attacker_start(UID_STRANGER, open_meanwhile, NULL);
        before = honest_taken(&honest);
        pause_daemon(3000);
        after = honest_taken(&honest);
        cr_expect_gt(after, before + 1000, "took %" PRIu64 " IDs in 3 s", after - before);
        private_daemon_signal(&d, SIGCONT, false);
        cr_expect_eq(attacker_wait(waiting), 0);
        honest_lasts(&honest, 500);
        honest_stop(&honest);
        arena_expect_unique(arena);
        sfshm_close(private_daemon_open(&d, 0));
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}

/* Takes, whatever errors there are; IDs must increase and be true to the end. */
static int take_through(void *context) {
        struct honest *h = context;
        sfshm *s = NULL;
        uint64_t id;

        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        sfshm_set_timeout(s, 10000000);
        while (atomic_load(&h->shared[0]) == 0 && getppid() != 1) {
                if (sfshm_next(s, &id) == 0) {
                        arena_add(h->arena, h->part, id);
                        atomic_fetch_add(&h->shared[1], 1);
                }
                nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
        }
        return 0;
}

/* Stopped for longer: clients get errors for a while, never a number twice, and
 * go on afterwards with the same handle. A minute when SFSHM_LONG is set. Red when
 * lane.c takes a slot for valid past its t1. */
Test(hostile_stopped_daemon, u1_stopped_for_longer_than_the_reservation, .timeout = 200) {
        enum { CLIENTS = 3 };
        struct arena *arena = arena_new(CLIENTS, 1 << 20);
        struct honest clients[CLIENTS];

        prepare_daemon(&d, 0);
        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        for (size_t i = 0; i < CLIENTS; i++) {
                clients[i] = (struct honest){ .shared = shared_new(), .arena = arena, .part = i,
                                              .daemon = &d };
                clients[i].pid = attacker_start(UID_HONEST, take_through, &clients[i]);
                honest_goes_on(&clients[i], 100);
        }
        pause_daemon(getenv("SFSHM_LONG") != NULL ? 60000 : 2500);
        private_daemon_signal(&d, SIGCONT, false);
        for (size_t i = 0; i < CLIENTS; i++)
                honest_goes_on(&clients[i], 1000);
        for (size_t i = 0; i < CLIENTS; i++)
                honest_stop(&clients[i]);
        arena_expect_unique(arena);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
        arena_free(arena);
}
