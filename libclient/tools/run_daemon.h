/* SPDX-License-Identifier: MIT */
#pragma once
/* For commands which sfshmd carries out, since it knows configuration and state. */
#include "libclient/tools/command.h"

/* Becomes `sfshmd WORDS... --config FILE --set ...`, with those of `options`; `words`
 * end with NULL. Returns only when no sfshmd could be run: 1. */
int run_daemon(const char *const words[], const struct command_options *options);
