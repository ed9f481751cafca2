/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One line of the log: how it looks, and one write(2) to standard error.
 *   to the journal        <4>a client of uid 7 was refused: … (event=refused)
 *   to a terminal, pipe   sfshmd[812]: warning: a client of uid 7 was refused: … (event=refused)
 * Standard error is the journal if $JOURNAL_STREAM names its device and inode; the journal
 * adds name and process ID itself. Bytes that are not printable ASCII are written as \xHH
 * and a backslash as \\, so that no name can forge a line.
 */
#include <stdarg.h>
#include <stdint.h>

#include "daemon/util/log_events.h"

/* The longest sentence; escaped it may be four times as long. A line is one write whatever
 * its length, but writes to pipes are atomic only up to PIPE_BUF. */
#define LOG_SENTENCE_MAX 2048u

struct log_line {
        struct log_event event;
        uint64_t more; /* lines of this kind that its rate limit suppressed before it */
        char sentence[LOG_SENTENCE_MAX];
};

/* As much of the sentence as fits; one that was cut ends in a mark. */
void log_line_format(struct log_line *line, struct log_event event, uint64_t more,
                     const char *format, va_list args) __attribute__((format(printf, 4, 0)));

/* 0 or -errno; blocks as long as standard error does. The rest of a line that was written
 * in part is lost as well, and the next one begins on a line of its own. One thread at a
 * time. */
int log_line_write(const struct log_line *line);
