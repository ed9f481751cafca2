/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A ring of lines in memory, and the thread that writes them. Standard error may block for
 * ever (a full pipe, a socket that nobody reads, a terminal stopped by XOFF), and so may the
 * journal, so no other thread writes to them. Who has something to log takes a free line, fills it in and hands it
 * over, and never waits: neither for the thread nor for the others. A line that finds the
 * ring full, or that standard error refuses (a full disk, a closed pipe), is lost and
 * counted, and the log says how many are when it can be written again:
 *   12 lines lost: standard error could not take them (event=log-lost)
 * The watchdog does not ask this thread: the daemon must live without a log.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/util/log_line.h"

#define LOG_QUEUE_LINES 256u

/* 0 or -errno. */
int log_queue_start(void);
/* Writes what is left, waits for that as long as there is progress and no longer than a few
 * seconds, and ends the thread unless it is blocked. */
void log_queue_stop(void);
/* Between the two? */
bool log_queue_running(void);

/* A line to fill in, to be given to log_queue_put(); NULL: the ring is full, and the line
 * is counted as lost. Any thread. */
struct log_line *log_queue_take(void);
void log_queue_put(struct log_line *line);

/* Lines lost since the start of the process. */
uint64_t log_queue_lost(void);
