/* SPDX-License-Identifier: MIT */
/* What an operator tells the daemon, and what is answered. Who may: see
 * tests/integration/clock/test_clock_accept.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/server/control.h"
#include "daemon/util/log.h"
#include "shm/wire.h"
#include "tests/support/capture.h"

static struct timekeeper timekeeper;

/* In the timekeeper's place. */
static int accepted;
static size_t long_text;

int timekeeper_accept(struct timekeeper *keeper, char text[TIMEKEEPER_TEXT]) {
        cr_assert_eq(keeper, &timekeeper);
        snprintf(text, TIMEKEEPER_TEXT, "a step of 3 s is followed");
        if (long_text > 0) {
                memset(text, 'x', long_text);
                text[long_text] = '\0';
        }
        return accepted;
}

static int accept_of(uid_t uid, struct wire_answer *ret) {
        struct peer peer = { .pid = 7, .uid = uid, .gid = getegid() + 1 };
        union wire_message message;
        int r = control_accept(&timekeeper, -1, &peer, &message.answer);

        cr_assert_eq(wire_check(&message, sizeof(message.answer)), 0);
        cr_assert_eq(message.header.type, WIRE_ANSWER);
        *ret = message.answer;
        return r;
}

/* Red when the sentence gets lost. */
Test(control, what_was_accepted_is_answered_and_logged) {
        struct wire_answer answered;

        capture_begin();
        cr_assert_eq(accept_of(geteuid(), &answered), 0);
        cr_expect_eq(answered.error, 0);
        cr_expect_str_eq(answered.text, "a step of 3 s is followed");
        cr_assert_contains(capture_take(), "asked to accept the wall clock: a step of 3 s");
}

/* Red when the error is sent as it is returned: no ANSWER has a negative one. */
Test(control, what_was_not_accepted_is_answered_whole) {
        struct wire_answer answered;

        accepted = -EALREADY;
        long_text = 3000;
        cr_assert_eq(accept_of(0, &answered), -EALREADY);
        cr_expect_eq(answered.error, EALREADY);
        cr_expect_eq(strlen(answered.text), WIRE_ANSWER_TEXT - 1);
}

/* Red when a stranger is obeyed, or may fill the log. */
Test(control, a_stranger_is_refused_and_logged_once_a_second) {
        struct wire_answer answered;

        capture_begin();
        cr_assert_eq(log_start(), 0);
        for (int i = 0; i < 3; i++)
                cr_assert_eq(accept_of(geteuid() + 1, &answered), -EPERM);
        cr_expect_eq(answered.error, EPERM);
        cr_assert_not_null(strstr(answered.text, "may not accept the clock"));
        log_stop();
        const char *log = capture_take();
        cr_assert_contains(log, "may not accept the clock");
        cr_assert_null(strstr(strstr(log, "asked to accept") + 1, "asked to accept"));
}
