/* SPDX-License-Identifier: MIT */
/*
 * Kernels and emulators that do not know MADV_WIPEONFORK, SO_COOKIE or rseq: the library takes
 * a slower path. This program's own functions and words stand in for the C library's.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "libclient/own_socket.h"
#include "tests/support/reservation.h"

TestSuite(hostile_old_kernels, .timeout = 120);

static struct private_daemon d;

static int wipe_error, cookie_error; /* 0: the kernel's own answer */
static unsigned wipes, cookies;      /* how often it was asked for */

int madvise(void *address, size_t length, int advice) {
        if (advice == MADV_WIPEONFORK) {
                wipes++;
                if (wipe_error != 0) {
                        errno = wipe_error;
                        return -1;
                }
        }
        return (int)syscall(SYS_madvise, address, length, advice);
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
        if (level == SOL_SOCKET && name == SO_COOKIE) {
                cookies++;
                if (cookie_error != 0) {
                        errno = cookie_error;
                        return -1;
                }
        }
        return (int)syscall(SYS_getsockopt, fd, level, name, value, length);
}

/* What the C library says where the kernel has no rseq. */
const unsigned int __rseq_size = 0;

static void set_up(void) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        private_daemon_start(&d);
}

static void clean(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

static sfshm *open_and_settle(void) {
        sfshm *s = private_daemon_open(&d, 0);

        sfshm_set_timeout(s, INT64_C(20000000000));
        reservation_take_until(s, 1200);
        return s;
}

static void take_until_attached_anew(sfshm *s, const struct attachment *before) {
        int64_t until = test_monotonic_ns() + 30000000000;
        uint64_t id, last = 0;

        while (atomic_load(&s->attachment) == before) {
                int r = sfshm_next(s, &id);

                if (r != 0 || id <= last || test_monotonic_ns() > until)
                        _exit(1); /* in a child, where no assertion helps */
                last = id;
        }
}

/* A restart with a parent and a child, who is born while a thread of the parent's is said to be
 * in a step, with a connection. */
static void family_outlives_a_restart(void) {
        sfshm *s = open_and_settle();
        const struct attachment *before = atomic_load(&s->attachment);
        pid_t child;

        s->process->begun_boot_ns = 1;
        atomic_store(&s->process->busy, 1);
        atomic_store(&s->process->holds[0], 1);
        child = fork_bound();
        if (child == 0) {
                take_until_attached_anew(s, before);
                _exit(atomic_load(&s->process->holds[0]) != 0);
        }
        s->process->begun_boot_ns = 0;
        atomic_store(&s->process->busy, 0);
        atomic_store(&s->process->holds[0], 0);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_start(&d);
        take_until_attached_anew(s, before);
        cr_expect_eq(attacker_wait(child), 0);
        sfshm_close(s);
}

/* Red when process_new() fails without MADV_WIPEONFORK, or process_check() does not clear what
 * the child inherits: it waits for its parent's step for ever. */
Test(hostile_old_kernels, without_wipe_on_fork, .init = set_up, .fini = clean) {
        wipe_error = EINVAL;
        family_outlives_a_restart();
        cr_assert_gt(wipes, 0, "the library does not call this program's function");
}

Test(hostile_old_kernels, with_all_there_is, .init = set_up, .fini = clean) {
        family_outlives_a_restart();
        cr_assert_gt(wipes, 0);
        cr_assert_gt(cookies, 0);
}

/* Red when own_socket_of() fails without SO_COOKIE, or tells sockets by their number. */
static void without_cookies(int error) {
        struct own_socket own;
        int pair[2];
        sfshm *s;

        cookie_error = error;
        family_outlives_a_restart();
        cr_assert_gt(cookies, 0, "the library does not call this program's function");

        s = open_and_settle();
        own = atomic_load(&s->attachment)->socket;
        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        cr_assert_eq(dup2(pair[0], own.fd), own.fd, "another socket takes its number");
        cr_expect_not(attachment_connected(atomic_load(&s->attachment)));
        take_until_attached_anew(s, atomic_load(&s->attachment));
        own = atomic_load(&s->attachment)->socket;
        cr_assert_eq(dup2(open("/dev/null", O_RDWR | O_CLOEXEC), own.fd), own.fd, "and a file");
        cr_expect_not(attachment_connected(atomic_load(&s->attachment)));
        sfshm_close(s);
        cr_expect_geq(fcntl(own.fd, F_GETFD), 0, "the library closed it");
}

Test(hostile_old_kernels, without_cookies_of_an_emulator, .init = set_up, .fini = clean) {
        without_cookies(EINVAL);
}

Test(hostile_old_kernels, without_cookies_of_an_old_kernel, .init = set_up, .fini = clean) {
        without_cookies(ENOPROTOOPT);
}

/* Threads do not know their CPU: one lane. Red when cpu_lane_find() does not ask. */
Test(hostile_old_kernels, without_rseq, .init = set_up, .fini = clean) {
        uint64_t id, last = 0;
        sfshm *s;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        cr_skip_test("the sanitizer's library, not this program, answers for the C library");
#endif
        s = private_daemon_open(&d, SFSHM_PARALLEL);
        cr_expect_eq(atomic_load(&s->attachment)->lanes, 1);
        for (int i = 0; i < 10000; i++, last = id) {
                cr_assert_eq(sfshm_next(s, &id), 0);
                cr_assert_gt(id, last);
        }
        sfshm_close(s);
}
