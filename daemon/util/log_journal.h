/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A line of the log as a message of the journal's native protocol: one datagram to the
 * journal's socket, with the fields MESSAGE=, PRIORITY=, SYSLOG_IDENTIFIER=, SFSHM_EVENT=,
 * MESSAGE_ID=, those of the event, and SUPPRESSED= and DROPPED= as log_json.h has them.
 */
#include "daemon/util/log_line.h"

/* Where the journal listens; tests have another one. */
extern const char *log_journal_socket;

/* 0 or -errno; blocks as long as the journal does. One thread at a time. */
int log_journal_send(const struct log_line *line);
