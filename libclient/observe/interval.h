/* SPDX-License-Identifier: MIT */
#pragma once
/* The INTERVAL of a program that shows a daemon again and again. */
#include <stdint.h>

#define INTERVAL_FORM "a number of seconds from 0.01 to 31536000"

/* Of the command line, in ns; 31536000 seconds are a year. -EINVAL: not INTERVAL_FORM. */
int interval_parse(const char *text, int64_t *ret_ns);

int64_t interval_now_ns(void); /* CLOCK_MONOTONIC */

/* Sleeps until one interval after *at_ns, and sets *at_ns to that time. An interval that was
 * missed, because this process was stopped, is not made up for. */
void interval_sleep(int64_t *at_ns, int64_t interval_ns);
