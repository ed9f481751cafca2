/* SPDX-License-Identifier: MIT */
/*
 * Dead, does not answer, idle, holds IDs back: each is another answer, in every form of
 * sfshm-stat and of sfshm clock. And whoever listens at a socket, a tool shows no other
 * daemon than the one behind it.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/locator.h"
#include "shm/wire.h"
#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

#define UID_STRANGER 65534

static struct private_daemon d;
static struct tool_result result;

static void setup(void) {
        unsetenv("SFSHM_SOCKET");
        private_daemon_prepare(&d);
}

static void teardown(void) {
        private_daemon_remove(&d);
}
TestSuite(answers, .init = setup, .fini = teardown);

/* ---- the forms */

static const struct answer {
        const char *name; /* in JSON */
        int status, check;
        bool up;
} dead = { "dead", 3, 2, false }, silent = { "silent", 3, 2, false },
  idle = { "idle", 0, 0, true }, waiting = { "waiting", 4, 1, true };

static const char *const check_words[] = { "OK: ", "WARNING: ", "CRITICAL: ", "UNKNOWN: " };

static bool has(const char *text, const char *part) {
        if (strstr(text, part) == NULL)
                fprintf(stderr, "\"%s\" is not in: %s\n", part, text);
        return strstr(text, part) != NULL;
}

static bool gave(int status) {
        if (result.status != status)
                fprintf(stderr, "status %d: %s%s\n", result.status, result.out, result.err);
        return result.status == status;
}

#define STAT(...) tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket, __VA_ARGS__), "", 0)
#define TOOL(...) tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("--socket", d.socket, __VA_ARGS__), "", 0)

static bool text_says(const struct answer *a, const char *why) {
        tool_run(&result, "SFSHM_STAT_TOOL", TOOL_ARGUMENTS("--socket", d.socket), "", 0);
        return gave(a->status) && (a->up ? has(result.out, "daemon     sfshmd ")
                                         : has(result.err, why) && result.out[0] == '\0');
}

static bool interval_says(const struct answer *a, const char *why) {
        STAT("0.01", "1");
        return gave(a->status) && has(result.out, "\n") && (a->up || has(result.err, why));
}

static bool json_says(const struct answer *a, const char *why) {
        char state[64];

        snprintf(state, sizeof(state), "{\"state\":\"%s\",\"answers\":%s,", a->name,
                 a->up ? "true" : "false");
        STAT("--json");
        return gave(a->status) && has(result.out, state) && (a->up || has(result.out, why));
}

static bool prometheus_says(const struct answer *a, const char *why) {
        (void)why;
        STAT("--prometheus");
        return gave(0) && has(result.out, a->up ? "\nsfshm_up 1\n" : "\nsfshm_up 0\n");
}

static bool check_says(const struct answer *a, const char *why) {
        STAT("--check");
        return gave(a->check) && has(result.out, check_words[a->check]) &&
               has(result.out, a->up ? a == &idle ? "hands out IDs" : "holds IDs back" : why) &&
               strchr(result.out, '\n') == strrchr(result.out, '\n');
}

static bool clock_says(const struct answer *a, const char *why) {
        TOOL("clock");
        return gave(a->status) && (a->up ? has(result.out, "\ndifference  ")
                                         : has(result.err, why));
}

static bool clock_json_says(const struct answer *a, const char *why) {
        char state[64];

        (void)why;
        snprintf(state, sizeof(state), "{\"state\":\"%s\",", a->name);
        TOOL("clock", "--json");
        return gave(a->status) && has(result.out, state);
}

struct expected {
        const struct answer *answer;
        const char *why;
};

/* All at once, as one that waits for an answer takes 2 s. */
static bool all_forms_say(void *context) {
        static bool (*const forms[])(const struct answer *, const char *) = {
                text_says, interval_says, json_says, prometheus_says, check_says, clock_says,
                clock_json_says,
        };
        const struct expected *expected = context;
        bool all = true;

        fflush(NULL);
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                pid_t child = fork_bound();

                cr_assert_geq(child, 0);
                if (child == 0)
                        _exit(forms[i](expected->answer, expected->why) ? 0 : 1);
        }
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                int status = 1;

                cr_assert_gt(wait(&status), 0);
                all &= status == 0;
        }
        return all;
}

/* Where the processor is short, a daemon that is well may not answer within 2 s. */
static void expect_answer(const struct answer *a, const char *why) {
        struct expected expected = { a, why };

        cr_assert(wait_until(all_forms_say, &expected, 30000), "not %s: %s", a->name, why);
}

static bool is_idle(void *context) {
        (void)context;
        TOOL("clock", "--json");
        return strstr(result.out, "\"idle\"") != NULL;
}

/* It is reachable before the first look at its clock. */
static void start(void) {
        private_daemon_start(&d);
        cr_assert(wait_until(is_idle, NULL, 30000), "%s%s", result.out, result.err);
}

/* ---- the answers */

Test(answers, idle) {
        start();
        expect_answer(&idle, "");
}

/* red without QUERY: shared memory looks idle */
Test(answers, stopped_by_a_signal) {
        int64_t begun_ns;

        start();
        expect_answer(&idle, "");
        private_daemon_signal(&d, SIGSTOP, false);
        begun_ns = test_monotonic_ns();
        expect_answer(&silent, "no answer within 2 s");
        cr_log_info("all forms took %lld ms", (long long)(test_monotonic_ns() - begun_ns) / 1000000);
        private_daemon_signal(&d, SIGCONT, false);
        expect_answer(&idle, "");
}

Test(answers, killed) {
        start();
        private_daemon_signal(&d, SIGKILL, true);
        expect_answer(&dead, "its ticker died");
        /* it is another that starts here */
        start();
        expect_answer(&idle, "");
}

/* red when the file beside the socket goes with the daemon */
Test(answers, ended) {
        start();
        private_daemon_stop(&d);
        expect_answer(&dead, "it was stopped");
}

Test(answers, killed_and_its_memory_gone) {
        start();
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        expect_answer(&dead, "nobody listens there");
}

Test(answers, never_started) {
        expect_answer(&dead, "there is no such file");
}

static struct clock_segment *map_clock(void) {
        char name[160];
        void *map;
        int fd;

        snprintf(name, sizeof(name), "%s.clock", d.shm);
        fd = shm_open(name, O_RDWR, 0);
        cr_assert_geq(fd, 0);
        map = mmap(NULL, sizeof(struct clock_segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        cr_assert_neq(map, MAP_FAILED);
        return map;
}

/* a live owner word of another boot */
Test(answers, before_the_last_reboot) {
        struct clock_segment *clock;

        start();
        private_daemon_signal(&d, SIGKILL, true);
        clock = map_clock();
        clock->boot_id[3] ^= 1;
        atomic_store(&clock->owner, 77);
        expect_answer(&dead, "from before the last reboot");
}

static bool is_waiting(void *context) {
        (void)context;
        TOOL("clock", "--json");
        return strstr(result.out, "\"waiting\"") != NULL;
}

/* What was lost may have issued IDs up to the fence. */
Test(answers, holds_ids_back) {
        start();
        cr_assert_eq(private_daemon_next(&d, &(uint64_t){ 0 }), 0);
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_lose_segments(&d);
        private_daemon_start(&d);
        cr_assert(wait_until(is_waiting, NULL, 30000), "%s%s", result.out, result.err);
        expect_answer(&waiting, "");
        STAT("--check");
        cr_expect(has(result.out, "IDs up to the fence may exist"));
        TOOL("next");
        cr_expect(gave(4));
}

/* ---- who else may listen there */

enum manner { SAYS_NOTHING, HANGS_UP, TALKS_NONSENSE, LIES };

/* The real daemon's answer, for who lies. */
static struct wire_status overheard(void) {
        struct wire_query query = { wire_header_of(WIRE_QUERY, WIRE_VERSION) };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct wire_status status;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(send(fd, &query, sizeof(query), MSG_NOSIGNAL), (ssize_t)sizeof(query));
        cr_assert_eq(recv(fd, &status, sizeof(status), 0), (ssize_t)sizeof(status));
        close(fd);
        return status;
}

static void serve(int fd, enum manner manner, const struct wire_status *status) {
        for (;;) {
                int peer = accept(fd, NULL, NULL);
                char message[WIRE_MESSAGE_MAX];

                if (recv(peer, message, sizeof(message), 0) <= 0 || manner == HANGS_UP)
                        close(peer);
                else if (manner != SAYS_NOTHING)
                        (void)!send(peer, status, sizeof(*status) - (manner == TALKS_NONSENSE),
                                    MSG_NOSIGNAL);
        }
}

/* Listens at the daemon's socket as that user. */
static pid_t impostor(uid_t uid, enum manner manner, const struct wire_status *status) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ready[2];
        char byte;
        pid_t child;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d.socket);
        unlink(d.socket);
        cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(chmod(d.socket, 0666), 0);
        cr_assert_eq(pipe(ready), 0);
        child = fork_bound();
        if (child == 0) {
                /* the kernel keeps who called listen() */
                if (uid != geteuid() && (setgroups(0, NULL) < 0 || setresuid(uid, uid, uid) < 0))
                        _exit(1);
                if (listen(fd, 64) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                serve(fd, manner, status);
        }
        close(fd);
        cr_assert_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
        return child;
}

static void end_impostor(pid_t child) {
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(waitpid(child, NULL, 0), child);
}

Test(answers, who_listens_there_says_nothing_or_nonsense) {
        struct wire_status status = { .pid = 1 };
        pid_t child = impostor(geteuid(), SAYS_NOTHING, &status);

        expect_answer(&silent, "no answer within 2 s");
        end_impostor(child);
        child = impostor(geteuid(), TALKS_NONSENSE, &status);
        expect_answer(&silent, "did not answer as sfshmd does");
        end_impostor(child);
}

/* A daemon that does not know QUERY hangs up. Red when that is taken for death. */
Test(answers, an_older_daemon_is_shown_where_its_segments_are_known) {
        struct wire_status status = { .pid = 1 };
        struct clock_segment *clock;
        char beside[128];
        pid_t child;

        start();
        private_daemon_signal(&d, SIGKILL, true);
        clock = map_clock();
        atomic_store(&clock->owner, 77);
        child = impostor(geteuid(), HANGS_UP, &status);
        expect_answer(&idle, "");
        snprintf(beside, sizeof(beside), "%s.shm", d.socket);
        cr_assert_eq(unlink(beside), 0);
        STAT("--check");
        cr_expect(gave(3) && has(result.out, "UNKNOWN: ") && has(result.out, "--shm"));
        STAT("--json");
        cr_expect(gave(1) && has(result.out, "{\"state\":\"unknown\","));
        end_impostor(child);
}

/* Another user's process on the socket, which names the daemon's own memory. */
Test(answers, a_squatter_is_told_apart) {
        struct clock_segment *clock;
        struct wire_status status;
        char beside[128];
        pid_t child;

        if (geteuid() != 0)
                cr_skip("needs root, for a second uid");
        start();
        status = overheard();
        private_daemon_signal(&d, SIGKILL, true);
        clock = map_clock();
        atomic_store(&clock->owner, 77); /* as if it lived elsewhere */
        child = impostor(UID_STRANGER, LIES, &status);
        expect_answer(&silent, "of uid 65534 listens there, but this sfshmd is of uid 0");
        snprintf(beside, sizeof(beside), "%s.shm", d.socket);
        cr_assert_eq(unlink(beside), 0);
        STAT("--json");
        cr_expect(has(result.err, "belongs to uid 0, not to the daemon's uid 65534"));
        cr_expect_null(strstr(result.out, "\"counters\""), "%s", result.out);
        end_impostor(child);
}

/* ---- the file beside the socket */

/* Red when a file that anybody can make for a socket that is not there is believed. */
Test(answers, a_strangers_file_is_not_believed) {
        char beside[128], clock[160];

        if (geteuid() != 0)
                cr_skip("needs root, for a second uid");
        start();
        private_daemon_stop(&d);
        cr_assert_eq(chmod(d.directory, 01777), 0);
        expect_answer(&dead, "it was stopped");
        snprintf(beside, sizeof(beside), "%s.shm", d.socket);
        cr_assert_eq(chmod(beside, 0646), 0);
        expect_answer(&dead, "there is no such file");
        cr_assert_eq(chmod(beside, 0644), 0);
        cr_assert_eq(chown(beside, UID_STRANGER, (gid_t)-1), 0);
        /* it names memory of his own */
        snprintf(clock, sizeof(clock), "/dev/shm%s.clock", d.shm);
        cr_assert_eq(chown(clock, UID_STRANGER, (gid_t)-1), 0);
        expect_answer(&dead, "there is no such file");
}

/* Its segments went on to a daemon on another socket. Red without the generation. */
Test(answers, another_daemon_on_the_same_memory_is_not_shown) {
        struct private_daemon second;

        start();
        private_daemon_signal(&d, SIGKILL, true);
        private_daemon_prepare(&second);
        private_daemon_set(&second, "daemon.shm=%s", d.shm);
        private_daemon_set(&second, "daemon.state_dir=%s", d.state);
        private_daemon_start(&second);
        (void)private_daemon_next(&second, &(uint64_t){ 0 });
        expect_answer(&dead, "nobody listens there");
        private_daemon_stop(&second);
        private_daemon_remove(&second);
}

/* ---- the layout */

static void expect_layout(const char *when) {
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("decode", "--json", "--socket", d.socket,
                                                       "1025"), "", 0);
        cr_expect(gave(0), "%s", when);
        cr_expect_str_empty(result.err, "%s: %s", when, result.err);
        cr_expect(has(result.out, "\"time\":\"2026-01-01T00:00:00.000Z\""), "%s", when);
        cr_expect(has(result.out, "\"worker\":1,\"sequence\":1"), "%s", when);
        tool_run(&result, "SFSHM_TOOL", TOOL_ARGUMENTS("first", "--socket", d.socket,
                                                       "2026-01-01T00:00:00.001Z"), "", 0);
        cr_expect(gave(0) && has(result.out, "4194304\n"), "%s", when);
}

/* Red when decode attaches. */
Test(answers, the_layout_is_known_in_an_outage_and_at_max_clients) {
        char beside[128];
        sfshm *s;

        private_daemon_set(&d, "id.layout=41/12/10");
        private_daemon_set(&d, "id.epoch=2026-01-01");
        private_daemon_set(&d, "daemon.max_clients=1");
        start();
        s = private_daemon_open(&d, 0);
        expect_layout("at max_clients");
        snprintf(beside, sizeof(beside), "%s.shm", d.socket);
        cr_assert_eq(rename(beside, d.log), 0);
        expect_layout("without the file");
        cr_assert_eq(rename(d.log, beside), 0);
        private_daemon_signal(&d, SIGSTOP, false);
        expect_layout("while it is stopped");
        private_daemon_signal(&d, SIGCONT, false);
        sfshm_close(s);
        private_daemon_signal(&d, SIGKILL, true);
        expect_layout("after its death");
}

/* ---- --output */

Test(answers, output_is_replaced_whole) {
        char path[128], command[256];
        struct stat status;

        snprintf(path, sizeof(path), "%s/sfshm.prom", d.directory);
        for (int i = 0; i < 2; i++) {
                STAT("--prometheus", "--output", path);
                cr_assert(gave(0));
                cr_assert_str_empty(result.out);
                cr_assert_eq(stat(path, &status), 0);
                cr_assert_eq(status.st_mode, S_IFREG | 0644, "mode %o", status.st_mode);
                snprintf(command, sizeof(command), "grep -qx 'sfshm_up %d' %s", i, path);
                cr_assert_eq(system(command), 0);
                if (i == 0)
                        start();
        }
        snprintf(command, sizeof(command), "test \"$(ls %s/sfshm.prom*)\" = %s", d.directory, path);
        cr_assert_eq(system(command), 0, "a temporary file stays");
        STAT("--prometheus", "--output", "/nonexistent/sfshm.prom");
        cr_assert(gave(1));
        cr_assert(has(result.err, "/nonexistent/sfshm.prom: No such file"));
}
