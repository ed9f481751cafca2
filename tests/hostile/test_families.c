/* SPDX-License-Identifier: MIT */
/*
 * A1 for the processes that share a handle after fork: a restart of the daemon goes unnoticed
 * by each of them, whatever its relatives have done already, do not do or cannot do.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "tests/support/reservation.h"

TestSuite(hostile_families, .timeout = 120);

#define PACE_NS 2000000
#define TIMEOUT_NS INT64_C(10000000000)

static struct private_daemon d;

enum kind {
        PLAIN,
        IN_CHROOT,         /* does not find the socket */
        STRANGER,          /* must not use it */
        NO_DESCRIPTORS,    /* can open none */
        CLOSED_EVERYTHING, /* has no connection left */
        IDLE,              /* makes no call until the daemon is back */
        KINDS,
};

/* The words that all processes share. */
enum { PHASE, ATTACHED, CALLS, WORDS_OF_ALL = 8 };
enum { BEFORE, BACK, END };

struct family {
        sfshm *s;
        struct arena *arena;
        _Atomic uint64_t *shared; /* the words above, then an error for each member */
        const enum kind *kinds;
        unsigned members;
        pid_t pids[16];
        bool last_ones; /* each goes on until it has attached again or a call fails */
};

static void turn_into(enum kind kind) {
        const struct rlimit none = { 0, 0 };
        char path[SCRATCH_MAX + 16];

        snprintf(path, sizeof(path), "%s/empty", d.directory);
        if (kind == IN_CHROOT && (chroot(path) < 0 || chdir("/") < 0))
                _exit(101);
        if (kind == STRANGER)
                become(UID_STRANGER);
        if (kind == NO_DESCRIPTORS && setrlimit(RLIMIT_NOFILE, &none) < 0)
                _exit(102);
        if (kind == CLOSED_EVERYTHING)
                close_range(3, ~0u, 0);
}

static void pause_ns(int64_t ns) {
        nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

static void member(const struct family *f, unsigned number) {
        const struct attachment *before = atomic_load(&f->s->attachment);
        bool attached = false;

        turn_into(f->kinds[number]);
        while (f->kinds[number] == IDLE && atomic_load(&f->shared[PHASE]) == BEFORE)
                pause_ns(PACE_NS);
        while (atomic_load(&f->shared[PHASE]) != END && !(f->last_ones && attached)) {
                bool back = atomic_load(&f->shared[PHASE]) != BEFORE;
                uint64_t id = 0;
                int r = sfshm_next(f->s, &id);

                /* a daemon that starts slowly is no fault, nor what came of it */
                if (r < 0 && f->last_ones &&
                    (!back || (r == -ENOTCONN && f->kinds[number] != IN_CHROOT))) {
                        pause_ns(PACE_NS);
                        continue;
                }
                if (r < 0) {
                        atomic_store(&f->shared[WORDS_OF_ALL + number], (uint64_t)-r);
                        return;
                }
                arena_add(f->arena, number, id);
                atomic_fetch_add(&f->shared[CALLS], 1);
                if (!attached && atomic_load(&f->s->attachment) != before) {
                        attached = true;
                        atomic_fetch_add(&f->shared[ATTACHED], 1);
                }
                pause_ns(PACE_NS);
        }
}

static void family_start(struct family *f, const enum kind *kinds, unsigned members) {
        char path[SCRATCH_MAX + 16];

        snprintf(path, sizeof(path), "%s/empty", d.directory);
        cr_assert_eq(mkdir(path, 0755), 0);
        *f = (struct family){ .arena = arena_new(members, 1 << 16), .shared = shared_new(),
                              .kinds = kinds, .members = members, .last_ones = f->last_ones };
        f->s = private_daemon_open(&d, 0);
        sfshm_set_timeout(f->s, TIMEOUT_NS);
}

static void family_fork(struct family *f) {
        for (unsigned i = 0; i < f->members; i++) {
                f->pids[i] = fork_bound();
                if (f->pids[i] == 0) {
                        member(f, i);
                        _exit(0);
                }
        }
}

/* The error of that member, 0 if it had none. */
static int family_error(const struct family *f, unsigned number) {
        return (int)atomic_load(&f->shared[WORDS_OF_ALL + number]);
}

static void family_end(struct family *f) {
        atomic_store(&f->shared[PHASE], END);
        expect_children(f->members);
        arena_expect_unique(f->arena);
        for (unsigned i = 0; i < f->members; i++)
                arena_expect_increasing(f->arena, i);
        sfshm_close(f->s);
        shared_free(f->shared);
        arena_free(f->arena);
}

static const enum kind all_kinds[] = { PLAIN,        PLAIN,          IN_CHROOT,
                                       STRANGER,     NO_DESCRIPTORS, CLOSED_EVERYTHING,
                                       IDLE,         PLAIN };
#define MEMBERS (sizeof(all_kinds) / sizeof(all_kinds[0]))
#define CAN_ATTACH 5 /* the plain ones, and those that closed everything or were idle */

static void set_up(void) {
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "daemon.socket_mode=0600");
}

static void clean(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static void restart(int signal, int64_t away_ns) {
        private_daemon_signal(&d, signal, true);
        pause_ns(away_ns);
        private_daemon_start(&d);
}

/* Ends when all who can have attached again, and all have gone on for a while. */
static void outlive(int signal, int64_t away_ns) {
        struct family f = { .last_ones = false };
        uint64_t calls;

        private_daemon_start(&d);
        family_start(&f, all_kinds, MEMBERS);
        reservation_take_until(f.s, 8000);
        family_fork(&f);
        UNTIL(atomic_load(&f.shared[CALLS]) > 100);
        restart(signal, away_ns);
        atomic_store(&f.shared[PHASE], BACK);
        UNTIL(atomic_load(&f.shared[ATTACHED]) >= CAN_ATTACH);
        calls = atomic_load(&f.shared[CALLS]);
        UNTIL(atomic_load(&f.shared[CALLS]) > calls + 1000);
        for (unsigned i = 0; i < f.members; i++)
                cr_expect_eq(family_error(&f, i), 0, "member %u: %s", i,
                             sfshm_strerror(family_error(&f, i)));
        family_end(&f);
}

/* Red when switch_to() closes the old lanes for everybody, as it once did: then each member
 * but the first fails that cannot attach, or that is asked to do so within its time-out. */
Test(hostile_families, a1_killed_and_back_at_once, .init = set_up, .fini = clean) {
        outlive(SIGKILL, 0);
}

Test(hostile_families, a1_stopped_and_back_after_a_while, .init = set_up, .fini = clean) {
        outlive(SIGTERM, 500000000);
}

/* The one whose relatives do not call at all, and the other way round: nobody attaches for
 * somebody else. */
Test(hostile_families, a1_one_after_another, .init = set_up, .fini = clean) {
        const enum kind kinds[] = { IDLE, IDLE, PLAIN, IDLE };
        struct family f = { .last_ones = false };

        private_daemon_start(&d);
        family_start(&f, kinds, 4);
        reservation_take_until(f.s, 8000);
        family_fork(&f);
        restart(SIGKILL, 0);
        UNTIL(atomic_load(&f.shared[ATTACHED]) == 1);
        restart(SIGKILL, 0);
        atomic_store(&f.shared[PHASE], BACK);
        UNTIL(atomic_load(&f.shared[ATTACHED]) == 4);
        for (unsigned i = 0; i < f.members; i++)
                cr_expect_eq(family_error(&f, i), 0, "member %u", i);
        family_end(&f);
}

/* What each may expect once the shared reservation has run out, as sfshm(7) says. Red when
 * a failed attempt to attach again is not what the call reports. */
Test(hostile_families, f1_those_who_cannot_attach_say_why, .init = set_up, .fini = clean) {
        const int errors[KINDS] = { [IN_CHROOT] = ENOTCONN, [STRANGER] = EACCES,
                                    [NO_DESCRIPTORS] = EMFILE };
        struct family f = { .last_ones = true };

        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        family_start(&f, all_kinds, MEMBERS);
        reservation_take_until(f.s, 600);
        family_fork(&f);
        UNTIL(atomic_load(&f.shared[CALLS]) > 100);
        restart(SIGKILL, 0);
        atomic_store(&f.shared[PHASE], BACK);
        expect_children(MEMBERS);
        for (unsigned i = 0; i < f.members; i++)
                cr_expect_eq(family_error(&f, i), errors[all_kinds[i]], "member %u: %s", i,
                             sfshm_strerror(family_error(&f, i)));
        f.members = 0; /* reaped */
        arena_expect_unique(f.arena);
        family_end(&f);
}

/* Without a descriptor it goes on as long as a relative has one. Then what they shared is
 * withdrawn, long before it has run out: who can attaches again, who cannot gets an error. */
static int goes_on_without(sfshm *s, enum kind kind, _Atomic uint64_t *calls) {
        const struct attachment *before = atomic_load(&s->attachment);
        uint64_t id;
        int r;

        turn_into(CLOSED_EVERYTHING);
        turn_into(kind);
        do {
                r = sfshm_next(s, &id);
                atomic_fetch_add(calls, 1);
                pause_ns(PACE_NS);
        } while (r == 0 && atomic_load(&s->attachment) == before);
        return -r;
}

Test(hostile_families, f1_the_last_connection_is_closed, .init = set_up, .fini = clean) {
        const enum kind kinds[] = { PLAIN, IN_CHROOT, STRANGER };
        const int errors[] = { 0, ENOTCONN, EACCES };
        _Atomic uint64_t *shared = shared_new();
        char path[SCRATCH_MAX + 16];
        pid_t pids[3];
        sfshm *s;

        private_daemon_set(&d, "reserve.standing=120s");
        private_daemon_start(&d);
        snprintf(path, sizeof(path), "%s/empty", d.directory);
        cr_assert_eq(mkdir(path, 0755), 0);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 60000);
        for (int i = 0; i < 3; i++) {
                pids[i] = fork_bound();
                if (pids[i] == 0)
                        _exit(goes_on_without(s, kinds[i], &shared[i]));
        }
        for (int i = 0; i < 3; i++)
                UNTIL(atomic_load(&shared[i]) > 200);
        sfshm_close(s);
        for (int i = 0; i < 3; i++)
                cr_expect_eq(attacker_wait(pids[i]), errors[i], "relative %d", i);
        shared_free(shared);
}

/*
 * The breaker is open for an hour, as if the daemon had been away for long; then it is back,
 * and the first call is served. Red when begin() does not ask daemon_came(): the call fails
 * with the error of the last attempt.
 */
Test(hostile_families, a1_evidence_beats_the_breaker, .init = set_up, .fini = clean) {
        uint64_t id;
        sfshm *s;

        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 600);
        private_daemon_signal(&d, SIGKILL, true);
        UNTIL(sfshm_next(s, &id) == -ENOTCONN);
        s->process->failures = 100;
        atomic_store(&s->process->next_ns, INT64_MAX);
        for (int i = 0; i < 10; i++)
                cr_assert_eq(sfshm_next(s, &id), -ENOTCONN);
        private_daemon_start(&d);
        cr_assert_eq(sfshm_next(s, &id), 0);
        sfshm_close(s);
}

/* Many at once, after they all have gone without for so long that their breakers are open:
 * each is served again. The benchmark `family` measures how soon. */
Test(hostile_families, a1_a_herd_is_served_again, .init = set_up, .fini = clean) {
        enum { HERD = 100 };
        _Atomic uint64_t *shared = shared_new();
        uint64_t id;
        sfshm *s;

        private_daemon_set(&d, "reserve.standing=1s");
        private_daemon_start(&d);
        s = private_daemon_open(&d, 0);
        reservation_take_until(s, 600);
        for (int i = 0; i < HERD; i++) {
                if (fork_bound() != 0)
                        continue;
                while (sfshm_next(s, &id) == 0)
                        pause_ns(20 * PACE_NS);
                atomic_fetch_add(&shared[0], 1);
                while (sfshm_next(s, &id) != 0)
                        pause_ns(20 * PACE_NS);
                _exit(0);
        }
        private_daemon_signal(&d, SIGKILL, true);
        UNTIL(atomic_load(&shared[0]) == HERD);
        private_daemon_start(&d);
        expect_children(HERD);
        sfshm_close(s);
        shared_free(shared);
}
