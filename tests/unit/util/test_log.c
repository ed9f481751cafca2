/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/util/log_journal.h"
#include "tests/support/capture.h"

static void set_journal_stream(ino_t more) {
        char stream[64];
        struct stat st;

        cr_assert(fstat(STDERR_FILENO, &st) == 0);
        snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)(st.st_ino + more));
        cr_assert(setenv("JOURNAL_STREAM", stream, 1) == 0);
}

Test(log, outside_the_journal_a_line_names_process_level_and_event) {
        char expected[128];

        capture_begin();
        unsetenv("JOURNAL_STREAM");
        log_event(EVENT_REFUSED, "client %d is %s", 7, "slow");
        snprintf(expected, sizeof(expected),
                 "sfshmd[%d]: warning: client 7 is slow (event=refused)\n", (int)getpid());
        cr_assert_str_eq(capture_take(), expected);
}

Test(log, in_the_journal_a_line_begins_with_its_priority) {
        log_journal_socket = "/nonexistent";
        capture_begin();
        set_journal_stream(0);
        log_event(EVENT_REFUSED, "slow");
        cr_assert_str_eq(capture_take(), "<4>slow (event=refused)\n");
}

/* The variable is inherited by what a service starts with another stderr. */
Test(log, another_files_journal_stream_is_not_ours) {
        capture_begin();
        set_journal_stream(1);
        log_event(EVENT_STATE, "text");
        cr_assert_contains(capture_take(), "]: error: text (event=state)\n");
}

Test(log, control_characters_cannot_forge_a_line) {
        const char *line;

        capture_begin();
        unsetenv("JOURNAL_STREAM");
        log_event(EVENT_STATE, "name %s", "a\nsfshmd[1]: \x1b[2J\x7f\x80\\n");
        line = capture_take();
        cr_assert_contains(line, "name a\\x0asfshmd[1]: \\x1b[2J\\x7f\\x80\\\\n (event=state)\n");
        cr_assert(strchr(line, '\n') == line + strlen(line) - 1);
}

Test(log, failure_returns_the_negative_error) {
        capture_begin();
        cr_assert_eq(log_failure(EBUSY, EVENT_REFUSED, "it is busy"), -EBUSY);
        cr_assert_contains(capture_take(), "error: it is busy (event=refused)");
}

Test(log, errno_is_readable_by_the_sentence_and_left_alone) {
        capture_begin();
        errno = ENOENT;
        log_event(EVENT_STATE, "no: %m");
        cr_assert_eq(errno, ENOENT);
        cr_assert_contains(capture_take(), "no: No such file or directory");
        close(STDERR_FILENO);
        errno = EPERM;
        log_event(EVENT_STATE, "to nobody");
        cr_assert_eq(errno, EPERM);
}

/* On a SOCK_SEQPACKET each write(2) is one message. */
Test(log, a_line_is_one_write_however_long) {
        static char longest[100000], message[65536];
        int pair[2];
        ssize_t n;

        cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
        cr_assert(dup2(pair[0], STDERR_FILENO) >= 0);
        unsetenv("JOURNAL_STREAM");
        memset(longest, '\n', sizeof(longest) - 1);
        log_event(EVENT_STATE, "begin %s", longest);
        log_event(EVENT_STATE, "next");
        n = recv(pair[1], message, sizeof(message) - 1, MSG_DONTWAIT);
        cr_assert(n > 0);
        message[n] = '\0';
        cr_assert_contains(message, "begin \\x0a\\x0a");
        cr_assert_contains(message, "\\x0a [cut] (event=state)\n");
        n = recv(pair[1], message, sizeof(message) - 1, MSG_DONTWAIT);
        cr_assert(n > 0);
        message[n] = '\0';
        cr_assert_contains(message, "error: next (event=state)\n");
        cr_assert(recv(pair[1], message, sizeof(message), MSG_DONTWAIT) < 0);
}
