/* SPDX-License-Identifier: MIT */
#include "tests/cluster/net.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

#define TEXT_MAX 1024u

/* ---- without root */

static int write_text(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

        if (fd >= 0)
                close(fd);
        return done ? 0 : -1;
}

/* Before main(), while there is one thread: root of a user namespace. Where that fails
 * net_begin() says why. */
__attribute__((constructor)) static void become_root(void) {
        unsigned uid = geteuid(), gid = getegid();
        char map[64];

        if (uid == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return;
        snprintf(map, sizeof(map), "0 %u 1", uid);
        (void)write_text("/proc/self/uid_map", map);
        (void)write_text("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", gid);
        (void)write_text("/proc/self/gid_map", map);
        /* the machine's one belongs to nobody here, and daemons want it root's */
        (void)mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
}

/* ---- commands */

/* The exit status; 127 without such a program. */
static int run(const struct net_host *where, const char *text, char *const argv[]) {
        int fds[2], status = 0;
        pid_t child;

        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        child = fork_bound();
        cr_assert_geq(child, 0);
        if (child == 0) {
                dup2(fds[0], STDIN_FILENO);
                if (where != NULL)
                        net_enter((void *)where);
                execvp(argv[0], argv);
                _exit(127);
        }
        close(fds[0]);
        /* fits into the pipe */
        cr_assert_eq(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
        close(fds[1]);
        cr_assert_eq(waitpid(child, &status, 0), child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int run_ip(const struct net_host *where, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
static int run_ip(const struct net_host *where, const char *format, ...) {
        char text[TEXT_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        return run(where, text, (char *[]){ "ip", "-batch", "-", NULL });
}

static int run_nft(const struct net_host *where, const char *text) {
        return run(where, text, (char *[]){ "nft", "-f", "-", NULL });
}

/* ---- hosts */

void net_begin(void) {
        int r;

        if (unshare(CLONE_NEWNET) < 0)
                cr_skip_test("this machine allows no network namespaces: unshare: %s",
                             strerror(errno));
        r = run_ip(NULL, "link add hub type bridge\naddr add 10.77.0.254/24 dev hub\n"
                         "link set hub up\nlink set lo up\n");
        if (r != 0)
                cr_skip_test("ip cannot make a bridge in a network namespace (status %d; "
                             "127: apt-get install iproute2)", r);
        r = run_nft(NULL, "table inet probe {\n chain in {\n"
                          " type filter hook input priority 0\n }\n}\n");
        if (r != 0)
                cr_skip_test("nft cannot make a filter in a network namespace (status %d; "
                             "127: apt-get install nftables)", r);
}

void net_enter(void *host) {
        if (setns(((struct net_host *)host)->fd, CLONE_NEWNET) < 0)
                _exit(126);
}

static int new_namespace(void) {
        int hub = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd;

        cr_assert_geq(hub, 0);
        cr_assert_eq(unshare(CLONE_NEWNET), 0, "unshare: %s", strerror(errno));
        fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        cr_assert_geq(fd, 0);
        cr_assert_eq(setns(hub, CLONE_NEWNET), 0);
        close(hub);
        return fd;
}

void net_add(struct net_host *host, unsigned number) {
        struct net_host h = { .number = number };

        snprintf(h.address, sizeof(h.address), "10.77.0.%u", number);
        h.fd = new_namespace();
        cr_assert_eq(run_ip(&h, "link add eth0 type veth peer name port%u netns %d\n"
                                "addr add %s/24 dev eth0\nlink set eth0 up\nlink set lo up\n",
                            number, gettid(), h.address), 0);
        cr_assert_eq(run_ip(NULL, "link set port%u master hub up\n", number), 0);
        cr_assert_eq(run_nft(&h, "table inet loss {\n set from {\n type ipv4_addr\n }\n"
                                 " chain in {\n type filter hook input priority 0\n"
                                 " ip saddr @from drop\n }\n}\n"), 0);
        *host = h;
}

void net_drop(const struct net_host *host, const struct net_host *from) {
        char text[TEXT_MAX];

        snprintf(text, sizeof(text), "add element inet loss from { %s }\n", from->address);
        cr_assert_eq(run_nft(host, text), 0);
}

void net_part(const struct net_host *a, const struct net_host *b) {
        net_drop(a, b);
        net_drop(b, a);
}

void net_heal(const struct net_host *host) {
        cr_assert_eq(run_nft(host, "flush set inet loss from\n"), 0);
}
