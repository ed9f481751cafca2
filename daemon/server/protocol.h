/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is said on a connection, one message of it per call, and what is
 * answered. Ledger thread only.
 */
#include "daemon/server/connection.h"

/* epoll reported `events` for it (0: it is new). */
void conversation_handle(struct connections *connections, struct connection *connection,
                         uint32_t events, int64_t now_ns);
/* Answers held ones that can be answered now. */
void conversation_welcome(struct connections *connections, int64_t now_ns);
/* Drops or refuses what has waited too long, ends throttling. */
void conversation_expire(struct connections *connections, int64_t now_ns);
