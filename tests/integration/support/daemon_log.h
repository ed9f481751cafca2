/* SPDX-License-Identifier: MIT */
#pragma once
/* What a private daemon has logged. */
#include <stdbool.h>

#include "tests/support/private_daemon.h"

bool log_says(const struct private_daemon *d, const char *part);
void expect_log(const struct private_daemon *d, const char *part);
void wait_for_log(const struct private_daemon *d, const char *part);
/* Empties the log: what is found later happened later. */
void forget_log(const struct private_daemon *d);
/* For wait_until(): starts the private_daemon again, with an empty log, whenever it found
 * no free worker ID. */
bool starts_in_the_end(void *context);
