/* SPDX-License-Identifier: MIT */
/*
 * The log's thread with a standard error that takes nothing: the callers return, and in the
 * end each line was written, in order, or is in the number of the lost ones at its place.
 * All of them hang when log_put() writes by itself.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "tests/support/until.h"

TestSuite(log_queue, .timeout = 120);

#define LINES 3000u

static unsigned logged; /* lines; the next one has this number */

static void say(unsigned n) {
        while (n-- > 0) {
                log_event_limited(1 << 30, EVENT_STOP, "line %u of thread %u", logged,
                                  0u);
                logged++;
        }
}

static void begin(int fd) {
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        unsetenv("JOURNAL_STREAM");
        cr_assert_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        cr_assert_eq(log_start(), 0);
}

/* Every line has its place: written, or in the number told there. */
static void expect_all(char *text) {
        unsigned next = 0, lost;

        for (char *line = strtok(text, "\r\n"); line != NULL; line = strtok(NULL, "\r\n")) {
                unsigned number;

                if (sscanf(line, "sfshmd[%*d]: warning: %u line", &lost) == 1 &&
                    strstr(line, "(event=log-lost)") != NULL) {
                        next += lost;
                } else if (strstr(line, "(event=stop)") != NULL) {
                        cr_assert_eq(sscanf(line, "sfshmd[%*d]: info: line %u", &number), 1, "%s",
                                     line);
                        cr_assert_eq(number, next, "line %u after %u", number, next);
                        next++;
                }
        }
        cr_assert_eq(next, logged, "%u lines of %u are told of", next, logged);
}

struct reading {
        int fd;
        size_t length;
        char text[1 << 20];
};
static struct reading reading;

/* Reads what is there; true when the last line came. */
static bool last_line_came(void *context) {
        char last[32];
        ssize_t n;

        (void)context;
        while ((n = read(reading.fd, reading.text + reading.length,
                         sizeof(reading.text) - 1 - reading.length)) > 0)
                reading.length += (size_t)n;
        snprintf(last, sizeof(last), "line %u ", logged - 1);
        return strstr(reading.text, last) != NULL;
}

/* One line at a time, as the first may still find the ring full. */
static bool next_line_comes(void *context) {
        (void)context;
        say(1);
        return wait_until(last_line_came, NULL, 1000);
}

/* Nobody reads, and 3,000 lines are too many for it and for the ring. Then somebody does,
 * and all is as before. */
static void says_later(int reader) {
        say(LINES);
        cr_assert_gt(log_lost(), 0);
        cr_assert_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
        reading.fd = reader;
        cr_assert(wait_until(next_line_comes, NULL, 60000));
        log_stop();
        cr_assert_not_null(strstr(reading.text, "(event=log-lost)"));
        expect_all(reading.text);
}

static void small_pipe(int ret_ends[2], int flags) {
        cr_assert_eq(pipe2(ret_ends, flags), 0);
        cr_assert_gt(fcntl(ret_ends[1], F_SETPIPE_SZ, 4096), 0);
}

Test(log_queue, full_pipe) {
        int ends[2];

        small_pipe(ends, 0);
        begin(ends[1]);
        says_later(ends[0]);
}

/* Somebody who shares the file made it so. Red when EAGAIN is an error. */
Test(log_queue, full_pipe_without_blocking) {
        int ends[2];

        small_pipe(ends, O_NONBLOCK);
        begin(ends[1]);
        says_later(ends[0]);
}

Test(log_queue, socket_that_nobody_reads) {
        int pair[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        begin(pair[1]);
        says_later(pair[0]);
}

/* As the journal's, a message for each line. */
Test(log_queue, datagram_socket_that_nobody_reads) {
        int pair[2];

        cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
        begin(pair[1]);
        says_later(pair[0]);
}

Test(log_queue, terminal_stopped_by_xoff) {
        int master, terminal;

        cr_assert_eq(openpty(&master, &terminal, NULL, NULL, NULL), 0);
        begin(terminal);
        cr_assert_eq(write(master, "\x13", 1), 1);
        say(LINES);
        cr_assert_gt(log_lost(), 0);
        cr_assert_eq(write(master, "\x11", 1), 1);
        says_later(master);
}

static bool lost_all(void *context) {
        (void)context;
        return log_lost() == logged;
}

static const char *contents(int fd) {
        ssize_t n = pread(fd, reading.text, sizeof(reading.text) - 1, 0);

        cr_assert_geq(n, 0);
        reading.text[n] = '\0';
        return reading.text;
}

static bool tells(void *context) {
        return strstr(contents(*(int *)context), "event=log-lost") != NULL;
}

/* All is lost; then standard error is an empty file, and the thread says so without
 * anything new to say. Red when wait_for_work() waits for the next line. */
static void says_by_itself(int file) {
        const char *text;

        say(100);
        cr_assert(wait_until(lost_all, NULL, 60000), "%u lines, %u lost", logged,
                  (unsigned)log_lost());
        cr_assert_eq(dup2(file, STDERR_FILENO), STDERR_FILENO);
        cr_assert(wait_until(tells, &file, 60000));
        say(10);
        log_stop();
        text = contents(file);
        cr_assert_not_null(strstr(text, "warning: 100 lines lost: "), "%s", text);
        expect_all(reading.text);
}

Test(log_queue, full_disk) {
        int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        cr_assert_geq(full, 0);
        begin(full);
        says_by_itself(memfd_create("log", MFD_CLOEXEC));
}

Test(log_queue, pipe_without_a_reader) {
        int ends[2];

        cr_assert_eq(pipe(ends), 0);
        close(ends[0]);
        begin(ends[1]);
        says_by_itself(memfd_create("log", MFD_CLOEXEC));
}

Test(log_queue, closed) {
        int file = memfd_create("log", MFD_CLOEXEC);

        begin(STDERR_FILENO);
        close(STDERR_FILENO);
        says_by_itself(file);
}

static bool lost_some(void *context) {
        (void)context;
        return log_lost() > 0;
}

/* A line is cut where the limit is. Red when what follows is written behind it. */
Test(log_queue, file_that_may_not_grow) {
        int file = memfd_create("log", MFD_CLOEXEC);
        struct rlimit limit;

        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur = 1000;
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        begin(file);
        say(100);
        cr_assert(wait_until(lost_some, NULL, 60000));
        limit.rlim_cur = limit.rlim_max;
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_assert(wait_until(tells, &file, 60000));
        say(10);
        log_stop();
        contents(file);
        cr_assert_not_null(strstr(reading.text, "\nsfshmd["));
        /* the cut line has no event any more, and is among the lost ones */
        expect_all(reading.text);
}

static void *say_hundred(void *context) {
        unsigned thread = *(unsigned *)context;

        for (unsigned i = 0; i < 100; i++)
                log_event_limited(1 << 30, EVENT_STOP, "line %u of thread %u", i,
                                  thread);
        return NULL;
}

/* Each thread's lines are in order, and none is torn. Red when two take the same slot. */
Test(log_queue, many_threads) {
        enum { THREADS = 8 };
        unsigned numbers[THREADS], next[THREADS] = { 0 }, seen = 0;
        int file = memfd_create("log", MFD_CLOEXEC);
        pthread_t threads[THREADS];

        begin(file);
        for (unsigned i = 0; i < THREADS; i++) {
                numbers[i] = i;
                cr_assert_eq(pthread_create(&threads[i], NULL, say_hundred, &numbers[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        log_stop();
        contents(file);
        for (char *line = strtok(reading.text, "\n"); line; line = strtok(NULL, "\n")) {
                unsigned number, thread;

                if (strstr(line, "event=log-lost") != NULL)
                        continue;
                cr_assert_eq(sscanf(line, "sfshmd[%*d]: info: line %u of thread %u (event=stop)",
                                    &number, &thread), 2, "%s", line);
                cr_assert_lt(thread, THREADS);
                cr_assert_geq(number, next[thread]);
                next[thread] = number + 1;
                seen++;
        }
        cr_assert_eq(seen + log_lost(), THREADS * 100u);
}

static void *read_slowly(void *context) {
        int fd = *(int *)context;
        ssize_t n;

        do {
                poll(NULL, 0, 1);
                n = read(fd, reading.text + reading.length,
                         reading.length + 1000 < sizeof(reading.text) ? 1000 : 1);
                reading.length += n > 0 ? (size_t)n : 0;
        } while (n > 0);
        return NULL;
}

/* Red when log_stop() does not wait for what is in the ring. */
Test(log_queue, last_lines_are_written) {
        pthread_t reader;
        int ends[2];

        small_pipe(ends, 0);
        begin(ends[1]);
        cr_assert_eq(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
        say(200);
        log_stop();
        close(ends[1]);
        close(STDERR_FILENO);
        pthread_join(reader, NULL);
        cr_assert_not_null(strstr(reading.text, "line 199 "));
        expect_all(reading.text);
}

/* Red when log_stop() joins a thread that is blocked for ever. */
Test(log_queue, stop_with_a_full_pipe) {
        int ends[2];

        small_pipe(ends, 0);
        begin(ends[1]);
        say(LINES);
        log_stop();
        say(1); /* whoever is late does not wait either */
        cr_assert_gt(log_lost(), 0);
}
