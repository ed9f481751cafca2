/* SPDX-License-Identifier: MIT */
/* Who made this ID: 'sfshm who' names the process that made it, or says why it cannot. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/private_daemon.h"
#include "tests/support/tool.h"

#define MADE_MAX 200000
#define ASKED 1000
#define AT_ONCE 200

static struct private_daemon d;
static char record[160];
static pid_t recorder;

/* Shared with all children. */
static struct made {
        _Atomic size_t n;
        _Atomic bool stop;
        struct {
                _Atomic uint64_t id; /* 0: not yet */
                int32_t pid;
        } ids[MADE_MAX];
} *made;

static void begin(void) {
        private_daemon_prepare(&d);
        private_daemon_set(&d, "reserve.standing=2s");
        snprintf(record, sizeof(record), "%s/record", d.directory);
        made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        cr_assert_neq(made, MAP_FAILED);
}

static void end(void) {
        if (recorder > 0)
                kill(recorder, SIGKILL);
        private_daemon_remove(&d);
}

TestSuite(who, .init = begin, .fini = end);

static void start_recorder(void) {
        const char *program = getenv("SFSHM_RECORDER");

        cr_assert_not_null(program);
        recorder = fork_bound();
        if (recorder == 0) {
                execl(program, program, "--directory", record, "--shm", d.shm, (char *)NULL);
                _exit(127);
        }
}

static void stop_recorder(int signal) {
        int status;

        kill(recorder, signal);
        cr_assert_eq(waitpid(recorder, &status, 0), recorder);
        cr_expect(signal == SIGKILL || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        recorder = 0;
}

/* ---- clients */

static void keep(uint64_t id) {
        size_t i = atomic_fetch_add(&made->n, 1);

        if (i >= MADE_MAX)
                return;
        made->ids[i].pid = getpid();
        atomic_store(&made->ids[i].id, id);
}

/* Takes IDs until it has `most` or is told to stop. */
static void run_client(unsigned flags, uint64_t most) {
        sfshm *s = NULL;

        while (sfshm_open(&s, d.socket, flags) < 0 && !atomic_load(&made->stop))
                until_pause();
        for (uint64_t n = 0; s != NULL && n < most && !atomic_load(&made->stop);) {
                uint64_t id;

                if (sfshm_next(s, &id) == 0) {
                        keep(id);
                        n++;
                }
                if (most == UINT64_MAX)
                        until_pause();
        }
        _exit(0);
}

static pid_t start_client(unsigned flags, uint64_t most) {
        pid_t pid = fork_bound();

        if (pid == 0)
                run_client(flags, most);
        return pid;
}

static void one_shots(unsigned n) {
        for (unsigned i = 0; i < n; i++)
                start_client(0, 50);
        for (unsigned i = 0; i < n; i++)
                cr_assert_gt(wait(NULL), 0);
}

static void until_more(size_t n) {
        size_t goal = atomic_load(&made->n) + n;

        UNTIL(atomic_load(&made->n) >= goal);
}

/* ---- questions */

static unsigned right, wrong, unsaid;

static bool find(const char *line, const char *part) {
        return strstr(line, part) != NULL;
}

static void judge(const char *line, size_t i) {
        char pid[48];

        snprintf(pid, sizeof(pid), "\"pid\":%" PRId32 ",", made->ids[i].pid);
        if (find(line, "\"answer\":\"process\"")) {
                right += find(line, pid);
                wrong += !find(line, pid);
                cr_expect(find(line, pid), "made by %" PRId32 ": %s", made->ids[i].pid, line);
        } else {
                unsaid += find(line, "\"answer\":\"unknown\"");
                wrong += !find(line, "\"answer\":\"unknown\"");
                cr_expect(find(line, "\"answer\":\"unknown\""), "made by %" PRId32 ": %s",
                          made->ids[i].pid, line);
        }
}

static void ask_some(const size_t *which, size_t n, const char *shm) {
        const char *arguments[] = { "who", "--json", "--directory", record, "--shm", shm, NULL };
        static struct tool_result result;
        char input[AT_ONCE * 24] = "", *line = result.out;
        size_t length = 0;

        for (size_t i = 0; i < n; i++)
                length += (size_t)snprintf(input + length, sizeof(input) - length, "%" PRIu64 "\n",
                                           atomic_load(&made->ids[which[i]].id));
        tool_run(&result, "SFSHM_TOOL", arguments, input, length);
        for (size_t i = 0; i < n; i++) {
                char *stop = strchr(line, '\n');

                cr_assert_not_null(stop, "%zu answers to %zu IDs: %s", i, n, result.err);
                *stop = '\0';
                judge(line, which[i]);
                line = stop + 1;
        }
}

static void ask(const char *shm) {
        size_t n = atomic_load(&made->n), which[AT_ONCE], k = 0;

        right = wrong = unsaid = 0;
        n = n < MADE_MAX ? n : MADE_MAX;
        for (unsigned i = 0; i < ASKED; i++) {
                size_t at = (size_t)rand() % n;

                if (atomic_load(&made->ids[at].id) == 0)
                        continue;
                which[k++] = at;
                if (k == AT_ONCE) {
                        ask_some(which, k, shm);
                        k = 0;
                }
        }
        ask_some(which, k, shm);
        fprintf(stderr, "of %zu IDs: %u right, %u wrong, %u not said\n", n, right, wrong, unsaid);
        cr_expect_eq(wrong, 0);
}

/* Red when an end that was shortened, a restart or a loss is not told, or when the recorder
 * does not continue where it was killed. */
Test(who, a_thousand_ids_of_twenty_clients) {
        pid_t steady[8];

        private_daemon_start(&d);
        start_recorder();
        for (unsigned i = 0; i < 8; i++)
                steady[i] = start_client(i < 2 ? SFSHM_PARALLEL : 0, UINT64_MAX);
        until_more(1000);
        one_shots(4);
        kill(steady[7], SIGKILL);
        until_more(500);
        private_daemon_signal(&d, SIGKILL, true);
        until_more(200);
        private_daemon_start(&d);
        cr_assert_gt(waitpid(steady[7], NULL, 0), 0);
        one_shots(4);
        stop_recorder(SIGKILL);
        until_more(500);
        start_recorder();
        one_shots(4);
        kill(steady[6], SIGKILL);
        cr_assert_gt(waitpid(steady[6], NULL, 0), 0);
        until_more(500);
        private_daemon_stop(&d);
        private_daemon_start(&d);
        until_more(8000);
        ask(d.shm);
        cr_expect_geq(right, ASKED * 95 / 100);

        atomic_store(&made->stop, true);
        for (unsigned i = 0; i < 6; i++)
                cr_assert_eq(waitpid(steady[i], NULL, 0), steady[i]);
        private_daemon_stop(&d);
        stop_recorder(SIGTERM);
        private_daemon_lose_segments(&d);
        ask(d.shm); /* of the record alone */
        cr_expect_geq(right, ASKED * 90 / 100);
}

static const char *who(uint64_t id) {
        static struct tool_result result;
        char text[24];
        const char *arguments[] = { "who", "--directory", record, "--shm", d.shm, text, NULL };

        snprintf(text, sizeof(text), "%" PRIu64, id);
        tool_run(&result, "SFSHM_TOOL", arguments, NULL, 0);
        return result.out;
}

/* Without a recorder the ring alone answers, and a worker ID of another host is not ours. */
Test(who, of_the_ring_alone) {
        uint64_t id;
        const char *answer;
        char pid[48];

        private_daemon_start(&d);
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        snprintf(pid, sizeof(pid), "process %d (", (int)getpid());
        answer = who(id);
        cr_expect(find(answer, pid), "%s", answer);
        cr_expect(find(answer, "or one that it forked with its handle"), "%s", answer);
        answer = who(id + (UINT64_C(900) << 12));
        cr_expect(find(answer, "its worker ID was not this host's"), "%s", answer);
}

/* Red when others may read who makes IDs, or when an ID from before is made up. */
Test(who, the_record_is_for_the_group) {
        struct stat st;
        char path[200];
        uint64_t id;

        private_daemon_start(&d);
        start_recorder();
        cr_assert_eq(private_daemon_next(&d, &id), 0);
        snprintf(path, sizeof(path), "%s/0000000000000001.sfshm", record);
        UNTIL(stat(path, &st) == 0);
        cr_expect_eq(st.st_mode & 07777, 0640);
        cr_expect(stat(record, &st) == 0 && (st.st_mode & 07777) == 0750);
        snprintf(path, sizeof(path), "/dev/shm%s.history", d.shm);
        cr_expect(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
        private_daemon_stop(&d);
        stop_recorder(SIGTERM);
        private_daemon_lose_segments(&d);
        cr_expect(find(who(id), "process "), "%s", who(id));
        cr_expect(find(who(id + (UINT64_C(1) << 40)), "cannot say: that time is not recorded yet"),
                  "%s", who(id + (UINT64_C(1) << 40)));
}
