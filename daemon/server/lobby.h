/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where the daemon waits for its worker IDs: it listens, says what it waits for to whoever
 * asks, and keeps the clients that come meanwhile for the server. Ledger thread only.
 */
struct server;

/* 0 when the worker IDs are there; -ECANCELED after SIGTERM or SIGINT; or the error with
 * which the claim was refused, logged. */
int lobby_run(struct server *server);
