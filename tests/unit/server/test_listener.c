/* SPDX-License-Identifier: MIT */
/* What systemd passes. In a child each, whose descriptor 3 is nobody else's. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/server/listener.h"
#include "tests/support/capture.h"
#include "tests/support/scratch.h"

static char directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 8];

static void set_up(void) {
        scratch_directory(directory, "listener");
        snprintf(path, sizeof(path), "%s/passed", directory);
        capture_begin();
}

static void tear_down(void) {
        unlink(path);
        rmdir(directory);
}

TestSuite(listener, .init = set_up, .fini = tear_down);

/* The child's exit status: 0 as expected, else which of the checks failed. */
static int open_passed(const char *n, int type, int expected) {
        struct config config = { .socket = (char *)"/nowhere/sock", .socket_group = (char *)"" };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct listener listener = LISTENER_NONE;
        struct listen_fds passed;
        char pid[16];
        int fd = socket(AF_UNIX, type, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ||
            dup2(fd, 3) < 0 || dup2(fd, 4) < 0)
                return 1;
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", n, 1);
        if (listen_fds_take(&passed) < 0)
                return 5;
        if (listener_open(&listener, &config, &passed) != expected)
                return 2;
        listen_fds_free(&passed);
        if (expected == 0 && (listener.path == NULL || strcmp(listener.path, path) != 0))
                return 3;
        listener_close(&listener);
        return access(path, F_OK) == 0 ? 0 : 4;
}

static const char *in_child(const char *n, int type, int expected) {
        int status = 0;
        pid_t child = fork();

        if (child == 0)
                _exit(open_passed(n, type, expected));
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%#x", (unsigned)status);
        return capture_take();
}

/* Red when the path of the configuration is shown for it, or it is unlinked. */
Test(listener, a_passed_socket_is_known_by_its_own_path) {
        in_child("1", SOCK_SEQPACKET, 0);
}

/* Red when the number is blamed for what is wrong with the type. */
Test(listener, a_passed_socket_of_another_type_is_refused) {
        const char *text = in_child("1", SOCK_STREAM, -EINVAL);

        cr_assert_contains(text, "use ListenSequentialPacket=");
        cr_assert_null(strstr(text, "exactly one"), "%s", text);
}

Test(listener, two_passed_sockets_are_refused) {
        cr_assert_contains(in_child("2", SOCK_SEQPACKET, -EINVAL), "2 descriptors; exactly one");
}
