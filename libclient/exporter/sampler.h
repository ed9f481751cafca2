/* SPDX-License-Identifier: MIT */
#pragma once
/* A thread that takes samples of the daemon, one at a time: a daemon that hangs takes it 2 s,
 * and nobody else waits. */
#include <stdbool.h>

#include "libclient/observe/sample.h"
#include "libclient/observe/take.h"

struct sampler;

/* Copies the target, whose strings stay the caller's. 0, or -errno. */
int sampler_new(struct sampler **ret, const struct take_target *target);
/* Waits for a sample that is being taken. Returns NULL. */
struct sampler *sampler_free(struct sampler *sampler);

/* Readable while a sample waits to be collected. */
int sampler_fd(const struct sampler *sampler);
/* Takes a sample, unless one is being taken or waits. */
void sampler_ask(struct sampler *sampler);
/* True with the sample, which is the caller's to clear; false: there is none yet. */
bool sampler_collect(struct sampler *sampler, struct sample *ret);
