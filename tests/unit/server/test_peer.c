/* SPDX-License-Identifier: MIT */
/* Who is at the other end: only what the kernel says. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/server/message.h"
#include "daemon/server/peer.h"
#include "tests/support/scratch.h"

/* Red when the pid, the uid or the comm is taken from anywhere else. */
Test(peer, knows_pid_uid_and_comm_of_a_living_peer) {
        struct peer peer;
        char cgroup[PATH_MAX];
        int sockets[2];
        char expected[64] = "";
        FILE *comm;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
        cr_assert_eq(peer_identify(sockets[0], &peer), 0);
        cr_expect_eq(peer.pid, getpid());
        cr_expect_eq(peer.uid, geteuid());
        cr_expect_str_eq(peer.comm, "");

        peer_describe(sockets[0], &peer, cgroup);
        comm = fopen("/proc/self/comm", "r");
        cr_assert_not_null(comm);
        cr_assert_not_null(fgets(expected, sizeof(expected), comm));
        fclose(comm);
        expected[strcspn(expected, "\n")] = '\0';
        /* a kernel without SO_PEERPIDFD leaves it unknown */
        if (peer.comm[0] != '\0')
                cr_expect_str_eq(peer.comm, expected);
}

/* The credentials are those of whoever connected, and stay his when he is dead;
 * what /proc says is not asked any more then. Red without the look at the pidfd
 * after the reading, or when the pid is not the connecting process's. */
Test(peer, knows_nothing_from_proc_of_a_dead_peer) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char directory[SCRATCH_MAX], cgroup[PATH_MAX];
        struct peer peer;
        int listener, connection, hold[2];
        pid_t child;
        char byte;

        scratch_directory(directory, "peer");
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
        listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(listener, 1), 0);
        cr_assert_eq(pipe(hold), 0);
        child = fork();
        if (child == 0) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

                close(hold[1]);
                _exit(connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
                      read(hold[0], &byte, 1) != 0);
        }
        connection = accept(listener, NULL, NULL);
        cr_assert_geq(connection, 0);
        cr_assert_eq(peer_identify(connection, &peer), 0);
        cr_expect_eq(peer.pid, child);

        /* dead but not reaped: its files in /proc are still there */
        close(hold[0]);
        close(hold[1]);
        siginfo_t info;
        cr_assert_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
        cr_expect_eq(info.si_status, 0);
        peer_describe(connection, &peer, cgroup);
        cr_expect_str_eq(peer.comm, "");
        cr_expect_str_eq(cgroup, "");

        waitpid(child, NULL, 0);
        unlink(address.sun_path);
        rmdir(directory);
}

/* Red when a cut-off path is taken for the whole, or a v1 line for v2. */
Test(peer, parses_the_unified_cgroup_only) {
        char path[16] = "untouched";

        cr_expect(peer_parse_cgroup("0::/user.slice\n", path, sizeof(path)));
        cr_expect_str_eq(path, "/user.slice");
        cr_expect(peer_parse_cgroup("12:cpu:/a\n1:name=systemd:/b\n0::/c\n", path, sizeof(path)));
        cr_expect_str_eq(path, "/c");
        cr_expect(peer_parse_cgroup("0::/\n", path, sizeof(path)));
        cr_expect_str_eq(path, "/");

        strcpy(path, "untouched");
        cr_expect_not(peer_parse_cgroup("", path, sizeof(path)));
        cr_expect_not(peer_parse_cgroup("1:cpu:0::/x\n", path, sizeof(path)));
        cr_expect_not(peer_parse_cgroup("0::relative\n", path, sizeof(path)));
        cr_expect_not(peer_parse_cgroup("0::/cut-off", path, sizeof(path)));
        cr_expect_not(peer_parse_cgroup("0::/fifteen.letters\n", path, sizeof(path)));
        cr_expect_str_eq(path, "untouched");
}

static int count_descriptors(void) {
        int n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void send_bytes(int socket, const void *bytes, size_t length, const int *fd) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = { .bytes = { 0 } };
        union {
                unsigned char bytes[1024];
                struct wire_hello hello;
        } copy;
        struct iovec part = { .iov_base = &copy, .iov_len = length };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        memcpy(&copy, bytes, length);
        if (fd != NULL) {
                header.msg_control = &control;
                header.msg_controllen = sizeof(control);
                CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
                CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
                CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fd, sizeof(*fd));
        }
        cr_assert_eq(sendmsg(socket, &header, 0), (ssize_t)length);
}

/* Red when a length is not checked against the packet, or a descriptor which
 * came along stays open. */
Test(peer, takes_messages_and_nothing_else) {
        struct wire_hello hello = { .header = wire_header_of(WIRE_HELLO, 1), .version_min = 1,
                                    .version_max = 1, .lanes = 1 };
        unsigned char large[1024] = { 0 };
        union wire_message message;
        int sockets[2], before;

        cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
        cr_expect_eq(message_receive(sockets[0], &message), -EAGAIN);
        send_bytes(sockets[1], &hello, sizeof(hello), NULL);
        cr_assert_eq(message_receive(sockets[0], &message), 0);
        cr_expect_eq(message.header.type, WIRE_HELLO);
        cr_expect_eq(message.hello.lanes, 1);

        send_bytes(sockets[1], &hello, sizeof(hello) - 1, NULL);
        cr_expect_eq(message_receive(sockets[0], &message), -EPROTO);
        /* one that is whole as far as it is read */
        message.refused = (struct wire_refused){ .header = wire_header_of(WIRE_REFUSED, 1),
                                                 .error = 1 };
        memcpy(large, &message.refused, sizeof(message.refused));
        send_bytes(sockets[1], large, sizeof(large), NULL);
        cr_expect_eq(message_receive(sockets[0], &message), -EPROTO);

        before = count_descriptors();
        send_bytes(sockets[1], &hello, sizeof(hello), &sockets[1]);
        cr_expect_eq(message_receive(sockets[0], &message), -EPROTO);
        cr_expect_eq(count_descriptors(), before);

        close(sockets[1]);
        cr_expect_eq(message_receive(sockets[0], &message), -ECONNRESET);
}

/* In a child: socketpair() notes the groups which its caller has then. */
static int groups_of(gid_t gid, const gid_t *groups, size_t n, gid_t asked) {
        int sockets[2], status;
        struct peer peer;
        pid_t child = fork();

        if (child == 0) {
                if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
                    setresuid(65534, 65534, 65534) < 0 ||
                    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) < 0 ||
                    peer_identify(sockets[0], &peer) < 0)
                        _exit(2);
                _exit(peer_in_group(sockets[0], &peer, asked) ? 1 : 0);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* Red when the effective group, the supplementary ones, or more of them than
 * there is room for at first are forgotten. */
Test(peer, knows_all_groups_of_a_peer) {
        gid_t groups[1000];

        if (geteuid() != 0)
                cr_skip_test("needs root to take other groups");
        for (gid_t i = 0; i < 1000; i++)
                groups[i] = 100000 + i;
        cr_expect_eq(groups_of(5000, NULL, 0, 5000), 1);
        cr_expect_eq(groups_of(5000, NULL, 0, 0), 0);
        cr_expect_eq(groups_of(5000, groups, 3, 100002), 1);
        cr_expect_eq(groups_of(5000, groups, 3, 100003), 0);
        cr_expect_eq(groups_of(5000, groups, 1000, 100999), 1);
        cr_expect_eq(groups_of(5000, groups, 1000, 101000), 0);
}
