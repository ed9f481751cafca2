/* SPDX-License-Identifier: MIT */
/*
 * What is in the descriptor store and is no client that goes on, who is not
 * stored, and a service manager that does not do its part.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/fdstore.h"

TestSuite(fdstore_odd, .timeout = 120);

/* Nothing is pumped here: the manager keeps what it has. */
static bool attached_anew_alone(void *handle) {
        sfshm *s = handle;
        uint64_t id;

        return sfshm_next(s, &id) == 0 && atomic_load(&s->attachment)->older != NULL;
}

static bool attached_anew(void *handle) {
        service_manager_pump(&fdstore.manager);
        return attached_anew_alone(handle);
}

static void expect_log(const char *text) {
        char *log = private_daemon_log(&fdstore.daemon);

        cr_expect_not_null(strstr(log, text), "'%s' is not in\n%s", text, log);
        free(log);
}

/* Open, an ID, close. Red when clients are stored at once. */
Test(fdstore_odd, one_shot_clients_are_never_stored) {
        uint64_t id;
        sfshm *s;

        fdstore_begin();
        for (int i = 0; i < 100; i++) {
                s = private_daemon_open(&fdstore.daemon, 0);
                cr_assert_eq(sfshm_next(s, &id), 0);
                sfshm_close(s);
        }
        s = private_daemon_open(&fdstore.daemon, 0); /* its turn comes after theirs would have */
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        cr_expect_eq(fdstore.manager.n_store, 1);
        cr_expect_eq(fdstore.manager.n_remove, 0);
        sfshm_close(s);
        service_manager_expect(&fdstore.manager, 0);
        cr_expect_eq(fdstore.manager.n_remove, 1);
        fdstore_end();
}

/* Red without the shutdown() in connection_become(): the store keeps the connection
 * of a client that was thrown out, and it waits for ever. */
Test(fdstore_odd, a_stored_client_is_thrown_out) {
        sfshm *s;

        fdstore_begin();
        s = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        cr_assert_eq(send(atomic_load(&s->attachment)->socket.fd, "?", 1, 0), 1);
        cr_assert(wait_until(attached_anew_alone, s, LIMIT_MS));
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        cr_expect_eq(service_manager_count(&fdstore.manager, "client-2"), FDS_OF_A_CLIENT);
        sfshm_close(s);
        fdstore_end();
}

static void client_dies_meanwhile(bool noticed) {
        sfshm *s, *other;

        fdstore_begin();
        fdstore.manager.keeps_hung_up = !noticed;
        s = private_daemon_open(&fdstore.daemon, 0);
        other = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, 2 * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGKILL, true);
        sfshm_close(s);
        service_manager_pump(&fdstore.manager);
        cr_assert_eq(service_manager_count(&fdstore.manager, "client-1"), noticed ? 2 : 3);
        service_manager_start(&fdstore.manager);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        cr_expect_eq(service_manager_count(&fdstore.manager, "client-2"), FDS_OF_A_CLIENT);
        fdstore_expect_extended(other, fdstore_promised(other));
        cr_expect(fdstore_goes_on(other));
        sfshm_close(other);
        fdstore_end();
}

/* Its pages are left. Red when pages without a socket are left in the store. */
Test(fdstore_odd, a_client_that_died_meanwhile) {
        client_dies_meanwhile(true);
}

Test(fdstore_odd, a_client_that_died_just_now) {
        client_dies_meanwhile(false);
}

static int connected_socket(void) {
        int pair[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        return pair[0]; /* the other end stays open: it does not hang up */
}

static bool is_page(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The pages of client `from` and a socket, under another name. */
static void copy_as(const char *from, const char *to) {
        unsigned n = fdstore.manager.n_stored;

        for (unsigned i = 0; i < n; i++)
                if (strcmp(fdstore.manager.stored[i].name, from) == 0 &&
                    is_page(fdstore.manager.stored[i].fd))
                        service_manager_put(&fdstore.manager, to, fdstore.manager.stored[i].fd);
        service_manager_put(&fdstore.manager, to, connected_socket());
}

static int page_of(off_t size, mode_t mode, int seals) {
        int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        cr_assert(fd >= 0 && ftruncate(fd, size) == 0 && fchmod(fd, mode) == 0);
        cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

/* Red when found_sort(), segment_memfd_adopt() or client_adopt() believes more than
 * it has checked; when ledger_former() is not asked; when what is odd stays in the
 * store. */
Test(fdstore_odd, descriptors_that_are_no_client) {
        const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        sfshm *s, *other;
        int pipes[2];

        fdstore_begin();
        s = private_daemon_open(&fdstore.daemon, 0);
        other = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, 2 * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGKILL, true);

        copy_as("client-1", "client-77"); /* unknown to the ledger, and another's pages */
        copy_as("client-1", "client-1x");
        copy_as("client-1", "client-01");
        copy_as("client-1", "client-");
        copy_as("client-1", "client-18446744073709551617");
        cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
        service_manager_put(&fdstore.manager, "client-80", pipes[0]);
        for (int i = 0; i < 3; i++)
                service_manager_put(&fdstore.manager, "client-81", connected_socket());
        service_manager_put(&fdstore.manager, "client-82", connected_socket());
        service_manager_put(&fdstore.manager, "client-82", page_of(640, 0600, all));
        service_manager_put(&fdstore.manager, "client-82", page_of(4096, 0600, all));
        service_manager_start(&fdstore.manager);
        service_manager_expect(&fdstore.manager, 2 * FDS_OF_A_CLIENT);
        cr_expect_eq(service_manager_count(&fdstore.manager, "client-1"), FDS_OF_A_CLIENT);
        fdstore_expect_extended(s, fdstore_promised(s));
        fdstore_expect_extended(other, fdstore_promised(other));
        cr_expect(fdstore_goes_on(s) && fdstore_goes_on(other));
        expect_log("2 clients of the earlier daemon continue with this one, 8 do not");
        sfshm_close(s);
        sfshm_close(other);
        fdstore_end();
}

/* The pages of a client with one lane, in a run of one worker ID. */
#define GRANTS_SIZE ((off_t)grants_page_size_counted(1, 1))
#define CURSORS_SIZE ((off_t)cursors_page_size(1, 1))

static int stored_of(const char *name, off_t size) {
        for (unsigned i = 0; i < fdstore.manager.n_stored; i++) {
                struct stat st;

                if (strcmp(fdstore.manager.stored[i].name, name) == 0 &&
                    fstat(fdstore.manager.stored[i].fd, &st) == 0 && S_ISREG(st.st_mode) &&
                    st.st_size == size)
                        return (int)i;
        }
        cr_assert_fail("no such page");
        return -1;
}

/* Puts `fd` in the place of one of the client's pages. */
static void replace(const char *name, bool grants, int fd) {
        int at = stored_of(name, grants ? GRANTS_SIZE : CURSORS_SIZE);

        cr_assert_geq(dup3(fd, fdstore.manager.stored[at].fd, O_CLOEXEC), 0);
}

/* The pages of a client which the ledger knows are not its own, or not whole. Each
 * attaches anew. Red as above. */
Test(fdstore_odd, pages_that_do_not_fit) {
        enum { MANY = 7 };
        const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
        sfshm *s[MANY];
        int other;

        fdstore_begin();
        for (int i = 0; i < MANY; i++)
                s[i] = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, MANY * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGKILL, true);
        other = fcntl(fdstore.manager.stored[stored_of("client-7", GRANTS_SIZE)].fd, F_DUPFD_CLOEXEC,
                      0);
        replace("client-1", true, other); /* another's grants */
        replace("client-2", true, page_of(GRANTS_SIZE, 0600, all)); /* empty */
        replace("client-3", false, page_of(4096, 0600, all)); /* of another size */
        replace("client-4", false, page_of(CURSORS_SIZE, 0644, all)); /* anybody can reopen it */
        replace("client-5", false, page_of(CURSORS_SIZE, 0600, F_SEAL_SHRINK | F_SEAL_GROW));
        /* two that fit each other, in place of sealed ones */
        replace("client-6", false, fdstore.manager.stored[stored_of("client-7", GRANTS_SIZE)].fd);
        service_manager_start(&fdstore.manager);
        for (int i = 0; i < MANY - 1; i++)
                cr_assert(wait_until(attached_anew, s[i], LIMIT_MS), "client %d", i + 1);
        service_manager_expect(&fdstore.manager, MANY * FDS_OF_A_CLIENT);
        cr_expect_eq(service_manager_count(&fdstore.manager, "client-7"), FDS_OF_A_CLIENT);
        cr_expect(fdstore_goes_on(s[MANY - 1]));
        for (int i = 0; i < MANY; i++)
                sfshm_close(s[i]);
        fdstore_end();
}

/* The ledger and the clock are gone: no client can be adopted. The connections end,
 * and all attach anew. */
Test(fdstore_odd, the_segments_are_lost) {
        char name[160];
        sfshm *s;

        fdstore_begin();
        s = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGTERM, true);
        private_daemon_lose_segments(&fdstore.daemon);
        service_manager_start(&fdstore.manager);
        cr_assert(wait_until(attached_anew, s, LIMIT_MS));
        expect_log("the ledger is new");
        sfshm_close(s);
        service_manager_expect(&fdstore.manager, 0);

        /* only the clock: red without disown_clients(), it would go on with the old */
        s = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGTERM, true);
        snprintf(name, sizeof(name), "%s.clock", fdstore.daemon.shm);
        cr_assert_eq(shm_unlink(name), 0);
        service_manager_start(&fdstore.manager);
        cr_assert(wait_until(attached_anew, s, LIMIT_MS));
        expect_log("the clock it reads is lost");
        sfshm_close(s);
        fdstore_end();
}

/* FileDescriptorStoreMax=0, or not set. */
Test(fdstore_odd, a_manager_without_a_store) {
        sfshm *s;

        fdstore_begin();
        fdstore.manager.no_store = true;
        s = private_daemon_open(&fdstore.daemon, 0);
        while (fdstore.manager.n_store == 0)
                service_manager_expect(&fdstore.manager, 0);
        private_daemon_signal(&fdstore.daemon, SIGTERM, true);
        service_manager_start(&fdstore.manager);
        cr_assert(wait_until(attached_anew, s, LIMIT_MS));
        cr_expect_gt(fdstore_promised(s), 0);
        sfshm_close(s);
        fdstore_end();
}

struct extension {
        const sfshm *s;
        uint64_t beyond;
};

static bool extended_alone(void *context) {
        const struct extension *e = context;

        return fdstore_promised(e->s) > e->beyond;
}

/* Clients and manager are this one process; a shell's limit is 1024 descriptors. */
static void allow_descriptors(void) {
        struct rlimit files;

        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
        files.rlim_cur = files.rlim_max;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

/* Its queue is full: nobody waits for it. Red when the message is sent blocking, and
 * when a connection that is freed stays in the epoll set (only close() in
 * connection_become(); with MALLOC_PERTURB_ or ASan). */
Test(fdstore_odd, a_manager_that_sleeps) {
        enum { MANY = 400 }; /* no queue of datagrams is as long, with the default buffers */
        sfshm *s[MANY];
        struct extension e;

        allow_descriptors();
        fdstore_begin();
        for (int i = 0; i < MANY; i++)
                s[i] = private_daemon_open(&fdstore.daemon, 0);
        /* to be promised that, at most 2 s ahead, it takes longer than until all are due
         * to be stored */
        e = (struct extension){ s[MANY - 1], fdstore_promised(s[MANY - 1]) + 5000 };
        cr_assert(wait_until(extended_alone, &e, LIMIT_MS));
        service_manager_expect(&fdstore.manager, MANY * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGKILL, true);
        service_manager_start(&fdstore.manager);
        expect_log("400 clients of the earlier daemon continue with this one, 0 do not");
        for (int i = 0; i < MANY; i++) {
                fdstore_expect_extended(s[i], 0);
                cr_expect(fdstore_goes_on(s[i]));
                sfshm_close(s[i]);
        }
        service_manager_expect(&fdstore.manager, 0);
        fdstore_end();
}

/* What they hold they keep; only who comes is refused. */
Test(fdstore_odd, limits_that_were_lowered) {
        sfshm *s[3], *refused = NULL;

        fdstore_begin();
        for (int i = 0; i < 3; i++)
                s[i] = private_daemon_open(&fdstore.daemon, 0);
        service_manager_expect(&fdstore.manager, 3 * FDS_OF_A_CLIENT);
        private_daemon_signal(&fdstore.daemon, SIGTERM, true);
        private_daemon_set(&fdstore.daemon, "daemon.max_clients=2");
        service_manager_start(&fdstore.manager);
        for (int i = 0; i < 3; i++) {
                fdstore_expect_extended(s[i], fdstore_promised(s[i]));
                cr_expect(fdstore_goes_on(s[i]));
        }
        cr_expect_eq(sfshm_open(&refused, fdstore.daemon.socket, 0), -EDQUOT);
        for (int i = 0; i < 3; i++)
                sfshm_close(s[i]);
        fdstore_end();
}
