/* SPDX-License-Identifier: MIT */
/*
 * sfshm run: a private daemon for one command.
 *
 *   sfshm ─┬─ keeper ── sfshmd
 *          └─ COMMAND
 *
 * All that the daemon needs is in one directory on /dev/shm. The keeper, in a session of
 * its own, starts the daemon, says so through a pipe, and waits until nobody has the other
 * end of a second pipe any more: that of sfshm, which closes it when COMMAND has ended,
 * and which the kernel closes if sfshm is killed. Then it stops the daemon and removes the
 * directory. If the keeper is killed, the daemon gets SIGTERM.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/tools/command.h"
#include "libclient/observe/print.h"

#define DIRECTORY "/dev/shm/sfshm-run-XXXXXX"
#define PATH_SIZE 64 /* of what is in it */
#define START_LIMIT_MS 30000
#define STOP_LIMIT_S 5 /* a daemon without a coordinator takes a few milliseconds */
#define PAUSE_MAX_MS 50
#define STATUS_CANNOT_RUN 126
#define STATUS_NOT_FOUND 127

struct private_run {
        char directory[sizeof(DIRECTORY)];
        char socket[PATH_SIZE], log[PATH_SIZE];
        uint64_t workers;
        sigset_t mask;    /* that the command and the daemon begin with */
        sigset_t signals; /* that are passed on to the command, and SIGCHLD; blocked */
        int alive, ready; /* sfshm's ends of the pipes */
        pid_t keeper;
};

static void pause_ms(int64_t ms) {
        struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

        (void)nanosleep(&pause, NULL);
}

/* Everything below `directory`, and itself. */
static void remove_directory(int parent, const char *directory) {
        int fd = openat(parent, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *list = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        while (list != NULL && (entry = readdir(list)) != NULL)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    unlinkat(fd, entry->d_name, 0) < 0 && errno == EISDIR)
                        remove_directory(fd, entry->d_name);
        if (list != NULL)
                closedir(list); /* and fd */
        (void)unlinkat(parent, directory, AT_REMOVEDIR);
}

/* ---- the keeper and its daemon */

/* This process and what it executes may be part of a service: sfshmd is none. */
static void leave_service(void) {
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        unsetenv("LISTEN_FDS");
        unsetenv("JOURNAL_STREAM");
}

static void daemon_exec(const struct private_run *run) {
        char socket[PATH_SIZE + 32], state[PATH_SIZE + 32], shm[PATH_SIZE + 32];
        char space[PATH_SIZE + 32], count[64];
        const char *argv[] = { "sfshmd",  "--config", "/dev/null", "--set",   socket,
                               "--set",   state,      "--set",     shm,       "--set",
                               space,     "--set",    count,       "--set",   "workers.first=0",
                               NULL };

        snprintf(socket, sizeof(socket), "daemon.socket=%s", run->socket);
        snprintf(state, sizeof(state), "daemon.state_dir=%s/state", run->directory);
        snprintf(shm, sizeof(shm), "daemon.shm=%s", run->directory);
        snprintf(space, sizeof(space), "workers.space=%s", run->directory);
        snprintf(count, sizeof(count), "workers.count=%" PRIu64, run->workers);
        exec_daemon((char *const *)argv);
}

static pid_t daemon_fork(const struct private_run *run) {
        pid_t parent = getpid(), daemon = fork();
        int log;

        if (daemon != 0)
                return daemon;
        log = open(run->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0 || dup2(log, STDERR_FILENO) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 ||
            getppid() != parent)
                _exit(EXIT_FAILURE);
        sigprocmask(SIG_SETMASK, &run->mask, NULL);
        leave_service();
        daemon_exec(run);
        _exit(EXIT_FAILURE);
}

/* Until it serves; false: it has ended, or takes too long. */
static bool daemon_serves(const struct private_run *run, pid_t daemon) {
        int64_t waited_ms = 0, ms = 1;
        sfshm *handle;

        while (sfshm_open(&handle, run->socket, 0) < 0) {
                siginfo_t ended = { .si_pid = 0 };

                if (waitid(P_PID, (id_t)daemon, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 ||
                    ended.si_pid != 0 || waited_ms > START_LIMIT_MS)
                        return false;
                pause_ms(ms);
                waited_ms += ms;
                ms = ms * 2 < PAUSE_MAX_MS ? ms * 2 : PAUSE_MAX_MS;
        }
        sfshm_close(handle);
        return true;
}

static void show_log(const struct private_run *run) {
        char line[1024];
        FILE *log = fopen(run->log, "re");

        while (log != NULL && fgets(line, sizeof(line), log) != NULL)
                fputs(line, stderr);
        if (log != NULL)
                fclose(log);
}

/* Returns its wait status. SIGCHLD is blocked, so none is missed. */
static int daemon_stop(pid_t daemon) {
        const struct timespec limit = { .tv_sec = STOP_LIMIT_S };
        sigset_t child;
        int status = 0;

        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        (void)kill(daemon, SIGTERM);
        while (waitpid(daemon, &status, WNOHANG) == 0)
                if (sigtimedwait(&child, NULL, &limit) < 0 && errno == EAGAIN)
                        (void)kill(daemon, SIGKILL);
        return status;
}

/* `alive` ends when sfshm does; `ready` gets a byte when the daemon serves. */
static void keep(const struct private_run *run, int alive, int ready) {
        pid_t daemon;
        bool serves;
        char byte = 0;
        int status;

        (void)setsid();
        daemon = daemon_fork(run);
        serves = daemon > 0 && daemon_serves(run, daemon);
        if (serves)
                (void)!write(ready, &byte, 1);
        close(ready);
        while (serves && read(alive, &byte, 1) < 0 && errno == EINTR)
                ;
        status = daemon > 0 ? daemon_stop(daemon) : 1;
        if (!serves || status != 0) {
                show_log(run);
                print_error(serves ? "sfshmd ended early or with an error; its log is above" :
                                     "sfshmd does not start; its log is above");
        }
        remove_directory(AT_FDCWD, run->directory);
        _exit(serves ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* 0, or 1 after printing an error. */
static int keeper_start(struct private_run *run) {
        int alive[2], ready[2];

        if (pipe2(alive, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
                return print_error("cannot make a pipe: %s", strerror(errno));
        run->keeper = fork();
        if (run->keeper < 0)
                return print_error("cannot start a process: %s", strerror(errno));
        if (run->keeper == 0) {
                int null = open("/dev/null", O_RDWR | O_CLOEXEC);

                close(alive[1]);
                close(ready[0]);
                (void)dup2(null, STDIN_FILENO);
                (void)dup2(null, STDOUT_FILENO);
                keep(run, alive[0], ready[1]);
        }
        close(alive[0]);
        close(ready[1]);
        run->alive = alive[1];
        run->ready = ready[0];
        return 0;
}

/* ---- the command */

static pid_t command_fork(const struct private_run *run, char *const argv[]) {
        pid_t parent = getpid(), command = fork();
        int error;

        if (command != 0)
                return command;
        /* without its daemon it would wait for one */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        sigprocmask(SIG_SETMASK, &run->mask, NULL);
        setenv("SFSHM_SOCKET", run->socket, 1);
        execvp(argv[0], argv);
        error = errno;
        print_error("cannot run %s: %s", argv[0], strerror(error));
        _exit(error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN);
}

/* Returns the exit status of the command, 128 + N if it died of signal N. A signal of the
 * terminal reaches the command by itself; others are passed on. */
static int command_wait(const struct private_run *run, pid_t command) {
        siginfo_t signal;
        int status;

        for (;;) {
                if (sigwaitinfo(&run->signals, &signal) < 0)
                        continue;
                if (signal.si_signo != SIGCHLD && signal.si_code <= 0)
                        (void)kill(command, signal.si_signo);
                if (signal.si_signo == SIGCHLD && waitpid(command, &status, WNOHANG) == command)
                        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
}

/* ---- both */

static void block_signals(struct private_run *run) {
        static const int passed[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
                                      SIGUSR2, SIGALRM, SIGWINCH };

        sigemptyset(&run->signals);
        for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
                sigaddset(&run->signals, passed[i]);
        sigaddset(&run->signals, SIGCHLD);
        sigprocmask(SIG_BLOCK, &run->signals, &run->mask);
        signal(SIGCHLD, SIG_DFL); /* ignored, it would lose the exit status */
}

/* Whether the keeper says that the daemon serves. */
static bool wait_until_ready(const struct private_run *run) {
        char byte;
        ssize_t n;

        do
                n = read(run->ready, &byte, 1);
        while (n < 0 && errno == EINTR);
        close(run->ready);
        return n == 1;
}

int command_run(const struct command_options *options, char *const arguments[], int n) {
        struct private_run run = { .directory = DIRECTORY, .workers = options->workers };
        int status = EXIT_FAILURE;

        if (n == 0)
                return print_usage_error("'run' needs a command: sfshm run -- COMMAND...");
        if (mkdtemp(run.directory) == NULL)
                return print_error("cannot make the directory %s: %s", run.directory,
                                   strerror(errno));
        snprintf(run.socket, sizeof(run.socket), "%s/sock", run.directory);
        snprintf(run.log, sizeof(run.log), "%s/log", run.directory);
        block_signals(&run);
        if (keeper_start(&run) != 0) {
                remove_directory(AT_FDCWD, run.directory);
                return EXIT_FAILURE;
        }
        if (wait_until_ready(&run)) {
                pid_t command = command_fork(&run, arguments);

                status = command > 0 ? command_wait(&run, command) :
                                       print_error("cannot start a process: %s", strerror(errno));
        }
        close(run.alive);
        while (waitpid(run.keeper, NULL, 0) < 0 && errno == EINTR)
                ;
        /* if the keeper was killed */
        remove_directory(AT_FDCWD, run.directory);
        return status;
}
