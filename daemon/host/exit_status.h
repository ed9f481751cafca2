/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How a start that failed ends. A service manager that restarts at once and for
 * ever, as clients want it, must be told when that is of no use; and what may
 * pass by itself must not be tried as fast as a processor can.
 */

enum refusal_status {
        STATUS_RUNTIME = 1, /* may pass by itself, or went on for a while */
        STATUS_USAGE = 2,   /* command line or configuration */
        STATUS_REFUSED = 3, /* durable state or surroundings: a person must settle it */
};

/* For the error (-errno) of a start. What is not known to be for a person is
 * tried again: a daemon that stays away for nothing is the worse mistake. */
enum refusal_status refusal_status(int error);

/* Under a service manager: tells it, and for STATUS_RUNTIME waits a second
 * before it may try again, or until SIGTERM or SIGINT, which are blocked. */
void refusal_tell(enum refusal_status status);
