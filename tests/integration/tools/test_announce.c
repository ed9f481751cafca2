/* SPDX-License-Identifier: MIT */
/* How a daemon is found: its answer to QUERY, and the file that it leaves beside its
 * socket. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/locator.h"
#include "shm/wire.h"
#include "tests/support/private_daemon.h"

#define ANSWER_MS 30000

static struct private_daemon d;
static char beside[128];

static void setup(void) {
        private_daemon_prepare(&d);
        snprintf(beside, sizeof(beside), "%s.shm", d.socket);
}

static void teardown(void) {
        private_daemon_remove(&d);
}
TestSuite(announce, .init = setup, .fini = teardown);

static struct wire_status query(void) {
        struct wire_query message = { wire_header_of(WIRE_QUERY, WIRE_VERSION) };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct timeval limit = { .tv_sec = ANSWER_MS / 1000 };
        union wire_message answer, more;
        ssize_t n;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(send(fd, &message, sizeof(message), MSG_NOSIGNAL), (ssize_t)sizeof(message));
        n = recv(fd, &answer, sizeof(answer), 0);
        cr_assert_gt(n, 0);
        cr_assert_eq(wire_check(&answer, (size_t)n), 0);
        cr_assert_eq(answer.header.type, WIRE_STATUS);
        cr_assert_eq(recv(fd, &more, sizeof(more), 0), 0, "the connection stays open");
        close(fd);
        return answer.status;
}

static struct locator read_beside(void) {
        char text[LOCATOR_SIZE];
        struct locator locator;
        struct stat status;
        ssize_t n;
        int fd = open(beside, O_RDONLY | O_CLOEXEC);

        cr_assert_geq(fd, 0, "%s is missing", beside);
        cr_assert_eq(fstat(fd, &status), 0);
        cr_assert_eq(status.st_mode, S_IFREG | 0644, "mode %o", status.st_mode);
        n = read(fd, text, sizeof(text));
        close(fd);
        cr_assert_gt(n, 0);
        cr_assert_eq(locator_parse(text, (size_t)n, &locator), 0);
        return locator;
}

static struct stat clock_file(void) {
        struct stat status;
        char path[160];

        snprintf(path, sizeof(path), "/dev/shm%s.clock", d.shm);
        cr_assert_eq(stat(path, &status), 0);
        return status;
}

/* red when the daemon names another file, or the umask decides on the mode */
Test(announce, says_who_it_is_and_where_its_segments_are) {
        mode_t umask_before = umask(0077);
        struct wire_status status;
        struct locator locator;
        struct stat file;
        sfshm *s;

        private_daemon_set(&d, "workers.first=5");
        private_daemon_set(&d, "workers.count=2");
        private_daemon_start(&d);
        (void)umask(umask_before);
        s = private_daemon_open(&d, 0);
        status = query();
        locator = read_beside();
        file = clock_file();
        cr_expect_eq(status.state, (uint32_t)CLOCK_STATE_RUNNING);
        cr_expect_eq(status.pid, d.pid);
        cr_expect_eq(status.clients, 1);
        cr_expect_eq(status.resume_boot_ns, 0);
        cr_expect_eq(status.worker_first, 5);
        cr_expect_eq(status.worker_count, 2);
        cr_expect_eq(memcmp(&status.layout, &id_layout_default, sizeof(status.layout)), 0);
        cr_expect_lt(llabs(status.guarded_ns / 1000000 + ID_DEFAULT_EPOCH_UNIX_MS -
                           (int64_t)time(NULL) * 1000), 60000);
        cr_expect_str_eq(status.daemon_version, SFSHM_VERSION);
        cr_expect_str_eq(status.shm, d.shm);
        cr_expect_eq(status.clock_device, file.st_dev);
        cr_expect_eq(status.clock_inode, file.st_ino);
        cr_expect_str_eq(locator.shm, d.shm);
        cr_expect_eq(locator.clock_device, file.st_dev);
        cr_expect_eq(locator.clock_inode, file.st_ino);
        cr_expect_eq(locator.generation, status.generation);
        sfshm_close(s);
}

/* red when a stop removes the file, or a start leaves the old one */
Test(announce, the_file_stays_and_follows_each_start) {
        uint32_t generation;
        struct locator locator;

        private_daemon_start(&d);
        (void)query(); /* it serves, so the file is written */
        generation = read_beside().generation;
        private_daemon_signal(&d, SIGKILL, true);
        cr_expect_eq(read_beside().generation, generation);
        private_daemon_start(&d);
        cr_assert_eq(query().generation, generation + 1);
        cr_expect_eq(read_beside().generation, generation + 1);
        private_daemon_stop(&d);
        locator = read_beside();
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        cr_expect_eq(query().clock_inode, clock_file().st_ino);
        cr_expect_eq(read_beside().clock_inode, clock_file().st_ino);
        cr_expect_neq(read_beside().clock_inode, locator.clock_inode);
}

/* red when the daemon follows a link, or keeps what it finds */
Test(announce, replaces_what_has_the_names) {
        char temporary[140], target[140];

        snprintf(temporary, sizeof(temporary), "%s.new", beside);
        snprintf(target, sizeof(target), "%s/target", d.directory);
        cr_assert_eq(symlink(target, temporary), 0);
        cr_assert_eq(symlink(target, beside), 0);
        private_daemon_start(&d);
        (void)query();
        cr_expect_eq(access(target, F_OK), -1);
        cr_expect_str_eq(read_beside().shm, d.shm);
        cr_expect_eq(access(temporary, F_OK), -1);
}

/* red when a failure ends the daemon, or is silent */
Test(announce, serves_where_the_file_cannot_be) {
        char *log;

        cr_assert_eq(mkdir(beside, 0755), 0);
        private_daemon_start(&d);
        cr_expect_str_eq(query().shm, d.shm);
        log = private_daemon_log(&d);
        cr_expect_not_null(strstr(log, "(event=socket.shm)"), "%s", log);
        cr_expect_not_null(strstr(log, d.shm), "%s", log);
        free(log);
}
