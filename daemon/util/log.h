/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The log on stderr, one line and one write(2) for each event:
 *   to the journal        <4>no reply from client 7 (event=client.slow)
 *   to a terminal, pipe   sfshmd[812]: warning: no reply from client 7 (event=client.slow)
 * stderr is the journal if $JOURNAL_STREAM names its device and inode; the journal adds
 * name and process ID itself. Bytes that are not printable ASCII are written as \xHH and a
 * backslash as \\, so that no name can forge a line. The function that turns a condition
 * into an error logs it once: it knows what happened, to what, and what to do. Callers
 * pass the negative errno up and stay silent. errno is left unchanged.
 */
#include <stdbool.h>
#include <stdint.h>

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
};

/* The least important level that is shown; INFO at first. */
/* `event` is one word; `format` makes the sentence. */
void log_event(enum log_level level, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* Logs at ERROR and returns -error (a positive errno). */
int log_failure(int error, const char *event, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* At most one log line a second of a kind. */
struct log_ratelimit {
        int64_t open_ns;     /* no line before */
        uint64_t suppressed; /* since the last line */
};

#define LOG_RATELIMIT_TEXT 48u
/* True when a line may be written. ret_more: "", or " (N more before)" for the
 * suppressed lines. */
bool log_ratelimit_pass(struct log_ratelimit *ratelimit, int64_t now_ns,
                        char ret_more[LOG_RATELIMIT_TEXT]);
