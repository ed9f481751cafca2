/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The exit status of a start that failed. Clients want the service manager to
 * restart a daemon at once and for ever. So it must be told when a restart cannot
 * help, and what may pass by itself must not be retried in a busy loop.
 */

enum exit_status {
        STATUS_RUNTIME = 1, /* may pass by itself, or failed after a while of service */
        STATUS_USAGE = 2,   /* command line or configuration */
        STATUS_REFUSED = 3, /* durable state or surroundings: the operator must settle it */
};

/* For the error (-errno) of a start. An error that is not known to need the operator
 * is retried: a daemon that stays away without need is the worse mistake. */
enum exit_status exit_status_of(int error);

/* Tells the service manager, if there is one. For STATUS_RUNTIME, then waits a
 * second before it may retry, or until SIGTERM or SIGINT, which are blocked. */
void exit_status_tell(enum exit_status status);
