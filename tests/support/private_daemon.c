/* SPDX-License-Identifier: MIT */
#include "tests/support/private_daemon.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/clock.h"
#include "shm/wire.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

#define START_LIMIT_MS 30000

pid_t fork_bound(void) {
        pid_t child = fork();

        if (child == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return child;
}

void expect_children(size_t n) {
        while (n-- > 0) {
                int status = 0;

                cr_assert_gt(wait(&status), 0);
                cr_assert_eq(status, 0, "a child ended with %#x", (unsigned)status);
        }
}

void private_daemon_set(struct private_daemon *d, const char *format, ...) {
        va_list arguments;

        cr_assert_lt(d->n_sets, PRIVATE_DAEMON_SETS);
        va_start(arguments, format);
        vsnprintf(d->sets[d->n_sets++], sizeof(d->sets[0]), format, arguments);
        va_end(arguments);
}

void private_daemon_unset_first(struct private_daemon *d) {
        cr_assert_str_eq(d->sets[0], "workers.first=0");
        memmove(d->sets[0], d->sets[1], sizeof(d->sets[0]) * --d->n_sets);
}

void private_daemon_prepare(struct private_daemon *d) {
        *d = (struct private_daemon){ .uid = geteuid() };
        scratch_directory(d->directory, "test");
        cr_assert_eq(chmod(d->directory, 0755), 0);
        snprintf(d->socket, sizeof(d->socket), "%s/sock", d->directory);
        snprintf(d->state, sizeof(d->state), "%s/state", d->directory);
        snprintf(d->shm, sizeof(d->shm), "/sfshm-test-%s", strrchr(d->directory, '-') + 1);
        snprintf(d->log, sizeof(d->log), "%s/log", d->directory);
        private_daemon_set(d, "workers.first=0");
        private_daemon_set(d, "daemon.socket=%s", d->socket);
        private_daemon_set(d, "daemon.state_dir=%s", d->state);
        private_daemon_set(d, "daemon.shm=%s", d->shm);
        private_daemon_set(d, "workers.space=%s", d->shm);
}

static void become(const struct private_daemon *d) {
        if (d->uid == geteuid())
                return;
        if (chown(d->directory, d->uid, (gid_t)-1) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(d->uid, d->uid, d->uid) < 0 || setresuid(d->uid, d->uid, d->uid) < 0)
                _exit(126);
}

/* `words`: more arguments, NULL-terminated. */
static void run(struct private_daemon *d, const char *log_path, const char *const words[]) {
        const char *binary = d->binary != NULL ? d->binary : getenv("SFSHMD");
        char *argv[2 * PRIVATE_DAEMON_SETS + 8] = { "sfshmd" };
        unsigned n = 1;
        int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
        int program = open(binary != NULL ? binary : "sfshmd", O_PATH | O_CLOEXEC);

        for (unsigned i = 0; i < d->n_sets; i++) {
                argv[n++] = "--set";
                argv[n++] = d->sets[i];
        }
        if (d->config != NULL) {
                argv[n++] = "--config";
                argv[n++] = (char *)d->config;
        }
        for (size_t i = 0; words[i] != NULL; i++)
                argv[n++] = (char *)words[i];
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
        become(d);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlives its test; after become(), which clears it */
        if (d->before_exec != NULL)
                d->before_exec(d->before_exec_context);
        execv(binary != NULL ? binary : "sfshmd", argv);
        /* the build may be below a directory that is closed to d->uid, as /root is */
        fexecve(program, argv, environ);
        _exit(127);
}

static bool has_coordinator(const struct private_daemon *d) {
        for (unsigned i = 0; i < d->n_sets; i++)
                if (strncmp(d->sets[i], "workers.backend=", 16) == 0)
                        return true;
        return false;
}

static bool file_says(const char *path, const char *part) {
        char text[4096] = "";
        FILE *file = fopen(path, "re");

        if (file != NULL) {
                (void)!fread(text, 1, sizeof(text) - 1, file);
                fclose(file);
        }
        return strstr(text, part) != NULL;
}

/* Another host may have done it. */
static bool begins_space(void *context) {
        static const char *const words[] = { "--workers", "--begin", NULL };
        struct private_daemon *d = context;
        char path[sizeof(d->log) + 8];
        pid_t child;
        int status = 0;

        if (d->begun || !has_coordinator(d))
                return true;
        snprintf(path, sizeof(path), "%s.begin", d->log);
        remove(path);
        child = fork();
        cr_assert_geq(child, 0);
        if (child == 0)
                run(d, path, words);
        cr_assert_eq(waitpid(child, &status, 0), child);
        d->begun = (WIFEXITED(status) && WEXITSTATUS(status) == 0) || file_says(path, "was begun");
        remove(path);
        return d->begun;
}

void private_daemon_begin_space(struct private_daemon *d) {
        cr_assert(wait_until(begins_space, d, START_LIMIT_MS), "no space can be begun");
}

void private_daemon_spawn(struct private_daemon *d) {
        static const char *const none[] = { NULL };

        cr_assert_eq(d->pid, 0, "it runs already");
        (void)begins_space(d); /* later, if the coordinator is away or denies access */
        d->pid = fork();
        cr_assert_geq(d->pid, 0);
        if (d->pid == 0)
                run(d, d->log, none);
}

/* The state of its log's thread, as in /proc/PID/stat; 0: there is none. */
static char log_thread_state(pid_t pid) {
        char path[64], line[256], state = 0;
        struct dirent *task;
        DIR *tasks;

        snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        tasks = opendir(path);
        while (tasks != NULL && state == 0 && (task = readdir(tasks)) != NULL) {
                FILE *file;

                snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid, task->d_name);
                file = fopen(path, "re");
                if (file != NULL && fgets(line, sizeof(line), file) != NULL)
                        (void)sscanf(line, "%*d (sfshmd-log) %c", &state);
                if (file != NULL)
                        fclose(file);
        }
        if (tasks != NULL)
                closedir(tasks);
        return state;
}

static bool log_is_written(void *context) {
        const struct private_daemon *d = context;
        char state = log_thread_state(d->pid);

        return state != 'R' && state != 'D';
}

/* What the daemon had to say before it did what the test has seen wakes the log's thread
 * before; it sleeps again when all is written. */
char *private_daemon_log(const struct private_daemon *d) {
        static const size_t limit = 1 << 20;
        char *text = calloc(1, limit);
        FILE *file;

        (void)wait_until(log_is_written, (void *)(uintptr_t)d, START_LIMIT_MS);
        file = fopen(d->log, "re");
        if (file != NULL) {
                (void)!fread(text, 1, limit - 1, file);
                fclose(file);
        }
        return text;
}

/* Does it answer, and wait for no worker IDs? A release that knows no QUERY hangs up. */
static bool serves(const struct private_daemon *d) {
        const struct wire_query query = { .header = wire_header_of(WIRE_QUERY, WIRE_VERSION) };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        const struct timeval limit = { .tv_sec = 2 };
        struct wire_status status;
        bool yes = false;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->socket);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            send(fd, &query, sizeof(query), MSG_NOSIGNAL) == (ssize_t)sizeof(query)) {
                ssize_t n = recv(fd, &status, sizeof(status), 0);

                yes = n == (ssize_t)sizeof(status) ? status.reason < CLOCK_REASON_WORKERS : n == 0;
        }
        close(fd);
        return yes;
}

static bool answers_or_died(void *context) {
        struct private_daemon *d = context;
        siginfo_t info = { .si_pid = 0 };

        return serves(d) ||
               (waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                info.si_pid != 0);
}

static bool died(const struct private_daemon *d) {
        siginfo_t info = { .si_pid = 0 };

        return waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
}

void private_daemon_start(struct private_daemon *d) {
        private_daemon_begin_space(d);
        private_daemon_spawn(d);
        if (!wait_until(answers_or_died, d, START_LIMIT_MS) || died(d)) {
                char *log = private_daemon_log(d);

                cr_assert_fail("sfshmd does not start; its log:\n%s", log);
        }
}

struct waiting {
        struct private_daemon *daemon;
        const char *part;
};

static bool says(void *context) {
        const struct waiting *waiting = context;
        char *log = private_daemon_log(waiting->daemon);
        bool yes = strstr(log, waiting->part) != NULL;

        free(log);
        return yes || died(waiting->daemon);
}

void private_daemon_waits(struct private_daemon *d, const char *part) {
        struct waiting waiting = { d, part };

        private_daemon_spawn(d);
        cr_assert(wait_until(says, &waiting, START_LIMIT_MS), "its log does not say %s", part);
        private_daemon_stop(d);
}

int private_daemon_start_fails(struct private_daemon *d) {
        int status = 0;

        private_daemon_spawn(d);
        cr_assert(wait_until(answers_or_died, d, START_LIMIT_MS));
        cr_assert(died(d), "sfshmd started, which it should have refused");
        waitpid(d->pid, &status, 0);
        d->pid = 0;
        cr_assert(WIFEXITED(status), "sfshmd died of signal %d", WTERMSIG(status));
        return WEXITSTATUS(status);
}

int private_daemon_signal(struct private_daemon *d, int signal, bool wait) {
        int status = 0;

        cr_assert_gt(d->pid, 0, "it does not run");
        cr_assert_eq(kill(d->pid, signal), 0);
        if (signal == SIGSTOP) /* its other threads run until one has taken the signal */
                cr_assert_eq(waitpid(d->pid, NULL, WUNTRACED), d->pid);
        if (wait) {
                cr_assert_eq(waitpid(d->pid, &status, 0), d->pid);
                d->pid = 0;
        }
        return status;
}

void private_daemon_stop(struct private_daemon *d) {
        int status = private_daemon_signal(d, SIGTERM, true);

        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                char *log = private_daemon_log(d);

                cr_assert_fail("sfshmd ended with wait status %#x; its log:\n%s", (unsigned)status,
                               log);
        }
}

void private_daemon_lose_segments(const struct private_daemon *d) {
        static const char *const names[] = { "clock", "ledger", "statistics", "history" };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                char name[160];

                snprintf(name, sizeof(name), "%s.%s", d->shm, names[i]);
                shm_unlink(name);
        }
}

void private_daemon_remove(struct private_daemon *d) {
        if (d->pid != 0) {
                kill(d->pid, SIGKILL);
                kill(d->pid, SIGCONT);
                waitpid(d->pid, NULL, 0);
                d->pid = 0;
        }
        private_daemon_lose_segments(d);
        remove_tree(d->directory);
}

struct opening {
        const struct private_daemon *d;
        unsigned flags;
        sfshm *s;
        int r;
};

static bool is_open(void *context) {
        struct opening *o = context;

        o->r = sfshm_open(&o->s, o->d->socket, o->flags);
        return o->r != -ETIME || !has_coordinator(o->d);
}

sfshm *private_daemon_open(const struct private_daemon *d, unsigned flags) {
        struct opening o = { .d = d, .flags = flags };

        (void)wait_until(is_open, &o, START_LIMIT_MS);
        if (o.r < 0) {
                char *log = private_daemon_log(d);

                cr_assert_fail("sfshm_open: %s; the daemon's log:\n%s", sfshm_strerror(o.r), log);
        }
        return o.s;
}

struct taking {
        const struct private_daemon *d;
        sfshm *s;
        uint64_t *id;
        int r;
};

static bool has_taken(void *context) {
        struct taking *t = context;

        t->r = sfshm_next(t->s, t->id);
        return t->r != -ETIME || !has_coordinator(t->d);
}

int private_daemon_next(const struct private_daemon *d, uint64_t *ret_id) {
        struct taking t = { .d = d, .s = private_daemon_open(d, 0), .id = ret_id };

        cr_assert_eq(sfshm_set_timeout(t.s, INT64_C(60000000000)), 0);
        (void)wait_until(has_taken, &t, START_LIMIT_MS);
        sfshm_close(t.s);
        return t.r;
}
