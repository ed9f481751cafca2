/* SPDX-License-Identifier: MIT */
#include "tests/support/etcd_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"

static unsigned free_port(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        close(fd);
        return ntohs(address.sin_port);
}

static void run(const struct etcd_server *e) {
        char data[96], log[96], cluster[96];
        int fd;

        snprintf(data, sizeof(data), "%s/data", e->directory);
        snprintf(log, sizeof(log), "%s/log", e->directory);
        snprintf(cluster, sizeof(cluster), "default=%s", e->peer_url);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("etcd", "etcd", "--data-dir", data, "--listen-client-urls", e->url,
               "--advertise-client-urls", e->url, "--listen-peer-urls", e->peer_url,
               "--initial-advertise-peer-urls", e->peer_url, "--initial-cluster", cluster, NULL);
        _exit(127);
}

char *etcd_server_ctl(const struct etcd_server *e, char *const arguments[]) {
        static const size_t limit = 1 << 20;
        char *argv[16] = { "etcdctl", "--endpoints", (char *)e->url }, *text = calloc(1, limit);
        size_t used = 0;
        ssize_t n;
        int fds[2];
        pid_t child;

        for (int i = 0; arguments[i] != NULL; i++)
                argv[3 + i] = arguments[i];
        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        child = fork_bound();
        if (child == 0) {
                dup2(fds[1], STDOUT_FILENO);
                dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
                setenv("ETCDCTL_API", "3", 1);
                execvp("etcdctl", argv);
                _exit(127);
        }
        close(fds[1]);
        while ((n = read(fds[0], text + used, limit - 1 - used)) > 0)
                used += (size_t)n;
        close(fds[0]);
        waitpid(child, NULL, 0);
        return text;
}

static bool serves(void *context) {
        char *text = ETCDCTL(context, "endpoint", "status");
        bool yes = strstr(text, "http") != NULL;

        free(text);
        return yes;
}

void etcd_server_start(struct etcd_server *e) {
        cr_assert_eq(e->pid, 0, "it runs already");
        e->pid = fork();
        cr_assert_geq(e->pid, 0);
        if (e->pid == 0)
                run(e);
        cr_assert(wait_until(serves, e, 30000), "etcd does not serve; its log is in %s",
                  e->directory);
}

void etcd_server_begin(struct etcd_server *e) {
        *e = (struct etcd_server){ .pid = 0 };
        strcpy(e->directory, "/tmp/sfshm-etcd-XXXXXX");
        cr_assert_not_null(mkdtemp(e->directory), "mkdtemp: %s", strerror(errno));
        snprintf(e->url, sizeof(e->url), "http://127.0.0.1:%u", free_port());
        snprintf(e->peer_url, sizeof(e->peer_url), "http://127.0.0.1:%u", free_port());
        etcd_server_start(e);
}

void etcd_server_stop(struct etcd_server *e) {
        if (e->pid != 0) {
                kill(e->pid, SIGKILL);
                waitpid(e->pid, NULL, 0);
        }
        e->pid = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)st, (void)type, (void)where;
        return remove(path);
}

void etcd_server_end(struct etcd_server *e) {
        etcd_server_stop(e);
        nftw(e->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
