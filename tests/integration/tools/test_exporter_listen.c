/* SPDX-License-Identifier: MIT */
/* Where sfshm-exporter(8) listens: ports, sockets of the file system, those of systemd. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/support/exporter.h"
#include "tests/support/ports.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

static struct private_daemon d;
static struct exporter e;
static struct exporter_reply reply;
static struct tool_result result;

static void set_up(void) {
        private_daemon_prepare(&d);
}

static void clean(void) {
        private_daemon_remove(&d);
}
TestSuite(exporter_listen, .init = set_up, .fini = clean);

static void expect_status(int status, const char *part) {
        cr_expect_eq(result.status, status, "%d: %s", result.status, result.err);
        cr_expect_not_null(strstr(result.err, part), "'%s' is not in: %s", part, result.err);
}

#define RUN(...) tool_run(&result, "SFSHM_EXPORTER", TOOL_ARGUMENTS(__VA_ARGS__), "", 0)

Test(exporter_listen, command_line) {
        static const char *const bad[] = {
                "",        "9463",        ":9463",           "127.0.0.1:",      "127.0.0.1:0",
                "x:9463",  "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:0x10",  "::1:9463",
                "[::1]",   "[::1:9463",   "[127.0.0.1]:1",   "127.0.0.1 :9463", "[]:1",
        };
        char path[200] = "unix:/";

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                RUN("--listen", bad[i]);
                expect_status(2, "--listen takes ADDRESS:PORT");
        }
        memset(path + 6, 'x', 150);
        RUN("--listen", path);
        expect_status(2, "1 to 107 bytes");
        RUN("--listen", "unix:");
        expect_status(2, "1 to 107 bytes");
        RUN("--colour");
        expect_status(2, "--help'.");
        RUN("1");
        expect_status(2, "only options are expected");
        RUN("--socket", "/x", "--shm", "/x");
        expect_status(2, "exclude each other");
        RUN("--listen", "unix:/nonexistent/x");
        expect_status(1, "cannot listen on unix:/nonexistent/x: No such file");
}

Test(exporter_listen, socket_of_the_file_system) {
        char socket[128], listen[140];
        struct stat status;

        snprintf(socket, sizeof(socket), "%s/metrics", d.directory);
        snprintf(listen, sizeof(listen), "unix:%s", socket);
        exporter_start(&e, &d, socket);
        exporter_get(&e, "/healthz", &reply);
        cr_expect_eq(reply.status, 502, "%s", reply.text);
        cr_expect(stat(socket, &status) == 0 && (status.st_mode & 07777) == 0660);
        RUN("--listen", listen);
        expect_status(1, "Address already in use");
        /* what a killed one left is no obstacle */
        kill(e.pid, SIGKILL);
        waitpid(e.pid, NULL, 0);
        cr_expect_eq(stat(socket, &status), 0);
        exporter_start(&e, &d, socket);
        exporter_stop(&e);
        cr_expect_lt(stat(socket, &status), 0, "it remained");
}

Test(exporter_listen, a_port_in_use) {
        char listen[64];

        exporter_start(&e, &d, "");
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", e.port);
        RUN("--listen", listen);
        expect_status(1, "Address already in use");
        exporter_stop(&e);
}

/* ---- socket activation */

static int listening(unsigned port) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = htons((uint16_t)port),
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(fd, 16), 0);
        return fd;
}

/* As systemd does; `pid` 0: the exporter's own. */
static pid_t spawn_with(int a, int b, const char *n, int pid, const char *listen) {
        pid_t child = fork_bound();
        char text[16];

        if (child != 0)
                return child;
        dup2(a, 40);
        dup2(b, 41);
        dup2(40, 3);
        dup2(41, 4);
        snprintf(text, sizeof(text), "%d", pid != 0 ? pid : (int)getpid());
        setenv("LISTEN_PID", text, 1);
        setenv("LISTEN_FDS", n, 1);
        execl(getenv("SFSHM_EXPORTER"), "sfshm-exporter", "--socket", d.socket,
              listen != NULL ? "--listen" : NULL, listen, (char *)NULL);
        _exit(127);
}

static int status_of(pid_t child) {
        int status;

        cr_assert_eq(waitpid(child, &status, 0), child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Test(exporter_listen, sockets_of_systemd) {
        struct exporter other;
        int a, b;

        e.port = port_reserve();
        other.port = port_reserve();
        a = listening(e.port);
        b = listening(other.port);
        e.pid = spawn_with(a, b, "2", 0, NULL);
        close(a);
        close(b);
        exporter_get(&e, "/healthz", &reply);
        cr_expect_eq(reply.status, 502, "%s", reply.text);
        exporter_get(&other, "/readyz", &reply);
        cr_expect_eq(reply.status, 502, "%s", reply.text);
        exporter_stop(&e);
}

Test(exporter_listen, what_systemd_must_not_pass) {
        unsigned port = port_reserve();
        int file = open("/dev/null", O_RDWR), socket = listening(port);
        char listen[64];

        snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
        cr_expect_eq(status_of(spawn_with(file, file, "1", 0, NULL)), 1, "no socket");
        cr_expect_eq(status_of(spawn_with(socket, file, "2", 0, NULL)), 1, "one of two");
        cr_expect_eq(status_of(spawn_with(socket, socket, "9", 0, NULL)), 1, "too many");
        cr_expect_eq(status_of(spawn_with(socket, socket, "1", 0, listen)), 2, "and --listen");
        /* they are somebody else's: that port is taken */
        cr_expect_eq(status_of(spawn_with(socket, socket, "1", 1, listen)), 1, "of another process");
        close(socket);
        close(file);
}
