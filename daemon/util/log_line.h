/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One line of the log: how it looks, and one write(2) to standard error.
 *   to the journal        <4>no reply from client 7 (event=client.slow)
 *   to a terminal, pipe   sfshmd[812]: warning: no reply from client 7 (event=client.slow)
 * Standard error is the journal if $JOURNAL_STREAM names its device and inode; the journal
 * adds name and process ID itself. Bytes that are not printable ASCII are written as \xHH
 * and a backslash as \\, so that no name can forge a line.
 */
#include <stdarg.h>
#include <stdint.h>

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
};

/* The longest sentence; escaped it may be four times as long. A line is one write whatever
 * its length, but writes to pipes are atomic only up to PIPE_BUF. */
#define LOG_SENTENCE_MAX 2048u
#define LOG_EVENT_MAX 64u

struct log_line {
        enum log_level level;
        uint64_t more; /* lines of this kind that its rate limit suppressed before it */
        char event[LOG_EVENT_MAX];
        char sentence[LOG_SENTENCE_MAX];
};

/* As much of event and sentence as fits; a sentence that was cut ends in a mark. */
void log_line_format(struct log_line *line, enum log_level level, uint64_t more,
                     const char *event, const char *format, va_list args)
        __attribute__((format(printf, 5, 0)));

/* 0 or -errno; blocks as long as standard error does. The rest of a line that was written
 * in part is lost as well, and the next one begins on a line of its own. One thread at a
 * time. */
int log_line_write(const struct log_line *line);
