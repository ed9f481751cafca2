/* SPDX-License-Identifier: MIT */
#pragma once
/* Asks the running daemon to do something, and takes its ANSWER. */
#include "shm/wire.h"

/* Sends a message of `type` to the socket at `path` and waits 5 s at most. 0,
 * whatever the answer is; -ECONNRESET: the daemon closed the connection without
 * one, as an older daemon does that does not know the type; -ETIMEDOUT;
 * -EPROTO: it is no answer; -errno of connecting. The text is safe to print. */
int ask_daemon(const char *path, enum wire_type type, struct wire_answer *ret);
