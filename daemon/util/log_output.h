/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a line of the log leaves the daemon.
 *   to the journal        fields, see log_journal.h; without its socket a line on standard
 *                         error: <4>a client of uid 7 was refused: … (event=refused)
 *   to a terminal, pipe   sfshmd[812]: warning: a client of uid 7 was refused: …
 *                         (event=refused), or an object of JSON, see log_json.h
 * Standard error is the journal if $JOURNAL_STREAM names its device and inode; the journal
 * adds name and process ID itself. Bytes that are not printable ASCII are written as \xHH
 * and a backslash as \\, so that no name can forge a line.
 */
#include <stdbool.h>

#include "daemon/util/log_line.h"

/* How lines look outside the journal; before any other thread starts. */
void log_output_json(bool json);

/* 0 or -errno; blocks as long as the journal or standard error does. A line is one write
 * whatever its length, but writes to pipes are atomic only up to PIPE_BUF. The rest of a line
 * that was written in part is lost as well, and the next one begins on a line of its own.
 * One thread at a time. */
int log_output_write(const struct log_line *line);
