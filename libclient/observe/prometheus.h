/* SPDX-License-Identifier: MIT */
#pragma once
/* The Prometheus text exposition format, with every metric of shm/metrics.h. */
#include <stdio.h>

#include "libclient/observe/sample.h"

void prometheus_print(FILE *out, const struct sample *sample);
