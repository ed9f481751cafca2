/* SPDX-License-Identifier: MIT */
/*
 * The library in a process that is short of descriptors or memory, or closes
 * what is not its own: a clear error, and it goes on where it can.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "tests/support/reservation.h"

TestSuite(hostile_surroundings, .timeout = 120);

static struct private_daemon d;

static void set_up(void) {
        prepare_daemon(&d, UID_DAEMON);
        private_daemon_set(&d, "reserve.standing=3s");
        private_daemon_start(&d);
}

static void clean(void) {
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

/* Calls for so long; IDs must increase. 0, or the only error there was, or -1. */
static int take_for(sfshm *s, int64_t ms, uint64_t *last) {
        int64_t until = test_monotonic_ns() + ms * 1000000;
        int error = 0;

        while (test_monotonic_ns() < until) {
                uint64_t id;
                int r = sfshm_next(s, &id);

                if (r == 0 && id <= *last)
                        return -1;
                if (r == 0)
                        *last = id;
                if (r < 0 && error != 0 && r != error)
                        return -1;
                error = r < 0 ? r : error;
        }
        return error;
}

/* From here on the daemon does nothing more, above all it sees no end of file. */
static void kill_daemon(void) {
        int socket;

        kill(d.pid, SIGKILL);
        while ((socket = raw_connect(&d)) >= 0)
                close(socket);
}

/* A daemon that runs withdraws what it held, and it attaches anew, as after a restart;
 * without one it goes on to the end of its reservation, and says what is wrong from there
 * on. */
static int closes_everything(void *context) {
        bool daemon_gone = context != NULL;
        const struct attachment *before;
        sfshm *s = NULL;
        uint64_t last = 0;
        int r;

        if (sfshm_open(&s, d.socket, 0) < 0)
                return 1;
        while (reservation_left_ms(s) < 1900)
                if (take_for(s, 20, &last) != 0)
                        return 1;
        before = atomic_load(&s->attachment);
        if (daemon_gone)
                kill_daemon();
        close_range(3, ~0u, 0);
        /* the numbers now belong to something else */
        for (int fd = 3; fd < 12; fd++)
                if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
                        return 2;
        r = take_for(s, 100, &last);
        if (r != 0)
                return 3;
        for (int i = 0; i < 1000 && r == 0 && atomic_load(&s->attachment) == before; i++)
                r = take_for(s, 20, &last);
        if (daemon_gone ? r != -ENOTCONN : r != 0 || atomic_load(&s->attachment) == before)
                return 4;
        sfshm_close(s);
        return 0;
}

/* Red when attachment_connected() neither asks whose the descriptor is nor takes
 * an error of recv() for the end: then a client without its socket waits for ever. */
Test(hostile_surroundings, a1_descriptors_closed_under_it, .init = set_up) {
        cr_expect_eq(attacker_run((uid_t)-1, closes_everything, NULL), 0);
        cr_expect_eq(attacker_run((uid_t)-1, closes_everything, &d), 0);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_remove(&d);
}

static int open_with_few_descriptors(void *context) {
        struct rlimit files = { 64, 64 };
        int fds[64], n = 0, worked = 0;

        (void)context;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
                return 1;
        while ((fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
                n++;
        for (int spare = 0; spare < 8; spare++) {
                sfshm *s = NULL;
                int r = sfshm_open(&s, d.socket, 0);

                if (r == 0 && spare >= 4)
                        worked++;
                else if (r != -EMFILE || s != NULL)
                        return 16 + spare;
                sfshm_close(s);
                for (int fd = 64 - spare; fd < 64; fd++)
                        if (fcntl(fd, F_GETFD) >= 0)
                                return 32 + spare; /* one was kept */
                close(fds[--n]);
        }
        return worked == 4 ? 0 : 2;
}

/* Red when handshake_finish() calls it a broken protocol that the kernel could
 * not deliver the descriptors. */
Test(hostile_surroundings, f1_few_descriptors, .init = set_up, .fini = clean) {
        cr_expect_eq(attacker_run((uid_t)-1, open_with_few_descriptors, NULL), 0);
}

static bool standard_are_closed(void) {
        for (int fd = 0; fd < 3; fd++)
                if (fcntl(fd, F_GETFD) >= 0)
                        return false;
        return true;
}

/* Written without a word: nothing here may print. */
static int without_standard_descriptors(void *context) {
        uint64_t last = 0;
        sfshm *s = NULL;

        (void)context;
        close_range(0, 2, 0);
        if (sfshm_open(&s, d.socket, 0) < 0 || !standard_are_closed())
                return 1;
        while (reservation_left_ms(s) < 1900)
                if (take_for(s, 20, &last) != 0)
                        return 2;
        for (int i = 0; i < 2; i++) {
                const struct attachment *before = atomic_load(&s->attachment);

                /* as if the daemon had hung up: only the library's end is closed */
                close(before->socket.fd);
                atomic_store(&atomic_load(&s->attachment)->generation, 0);
                while (atomic_load(&s->attachment) == before)
                        if (take_for(s, 5, &last) != 0)
                                return 3;
                if (!standard_are_closed() || atomic_load(&s->attachment)->socket.fd < 3)
                        return 4;
        }
        sfshm_close(s);
        return 0;
}

/* A program's standard output must not go to a socket of the library. Red when
 * handshake_begin() takes the lowest number. */
Test(hostile_surroundings, f1_standard_descriptors_closed, .init = set_up, .fini = clean) {
        cr_expect_eq(attacker_run((uid_t)-1, without_standard_descriptors, NULL), 0);
}

static int with_an_empty_variable(void *context) {
        uint64_t id;
        sfshm *s = NULL;

        (void)context;
        if (chroot(d.directory) < 0 || chdir("/") < 0)
                return 1;
        setenv("SFSHM_SOCKET", "", 1);
        if (sfshm_open(&s, NULL, 0) != 0 || sfshm_next(s, &id) != 0)
                return 2;
        sfshm_close(s);
        return sfshm_open(&s, "", 0) == -ENOENT ? 0 : 3; /* an address is not a variable */
}

/* The daemon listens at the default path, below the root directory of the client. Red when an
 * empty SFSHM_SOCKET is taken for a path. */
Test(hostile_surroundings, f1_an_empty_variable_is_unset) {
        char path[SCRATCH_MAX + 16];

        prepare_daemon(&d, 0);
        snprintf(path, sizeof(path), "%s/run", d.directory);
        cr_assert_eq(mkdir(path, 0755), 0);
        snprintf(d.socket, sizeof(d.socket), "%s/run/sfshm/sfshm.sock", d.directory);
        private_daemon_set(&d, "daemon.socket=%s", d.socket);
        private_daemon_start(&d);
        cr_expect_eq(attacker_run((uid_t)-1, with_an_empty_variable, NULL), 0);
        private_daemon_stop(&d);
        private_daemon_remove(&d);
}

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#else
#define ADDRESS_SANITIZER 0
#endif

static uint64_t address_space(void) {
        uint64_t pages = 0;
        FILE *file = fopen("/proc/self/statm", "re");

        if (file == NULL || fscanf(file, "%lu", &pages) != 1)
                pages = 0;
        if (file != NULL)
                fclose(file);
        return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int open_with_little_memory(void *context) {
        int worked = 0;

        (void)context;
        for (uint64_t spare = 0; spare < 1 << 20; spare += 16384) {
                struct rlimit old, memory = { address_space() + spare, RLIM_INFINITY };
                sfshm *s = NULL;
                uint64_t id;
                int r;

                getrlimit(RLIMIT_AS, &old);
                if (setrlimit(RLIMIT_AS, &memory) < 0)
                        return 1;
                r = sfshm_open(&s, d.socket, 0);
                setrlimit(RLIMIT_AS, &old);
                if (r == 0)
                        worked += sfshm_next(s, &id) == 0;
                else if (r != -ENOMEM || s != NULL)
                        return 2;
                sfshm_close(s);
        }
        return worked > 0 ? 0 : 3;
}

/* Red when build() maps one part where the address space could not be reserved,
 * or any of the mmap() errors is not looked at. */
Test(hostile_surroundings, f1_little_memory, .init = set_up, .fini = clean) {
        if (ADDRESS_SANITIZER)
                cr_skip_test("an address sanitizer needs all of the address space");
        cr_expect_eq(attacker_run((uid_t)-1, open_with_little_memory, NULL), 0);
}
