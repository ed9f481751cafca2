/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Log on stderr, one line and one write(2) an event:
 *   to the journal        <4>no reply from client 7 (event=client.slow)
 *   to a terminal, pipe   sfshmd[812]: warning: no reply from client 7 (event=client.slow)
 * The journal is known by $JOURNAL_STREAM naming stderr's device and inode; it
 * adds name and process ID itself. Bytes which are not printable ASCII are
 * written as \xHH and a backslash as \\, so that nobody's name can forge a line.
 * Whoever turns a condition into an error logs it, once, where what happened,
 * to what and what to do are known; callers pass the negative errno up and stay
 * silent. errno is left as it was.
 */
#include <stdarg.h>
#include <stdbool.h>

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

void log_set_level(enum log_level level); /* what is shown; INFO at first */

/* `event` is one word; `format` makes the sentence. */
void log_event(enum log_level level, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Logs at ERROR and returns -error (a positive errno). */
int log_failure(int error, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
