/* SPDX-License-Identifier: MIT */
#pragma once
/* What is wrong beside the state of the daemon, and what to do: as the alert rules see it. */
#include <stdio.h>

#include "libclient/observe/sample.h"

/* One <li> each. Returns how many. */
unsigned troubles_print(FILE *out, const struct sample *sample, const struct rates *rates);
