/* SPDX-License-Identifier: MIT */
#pragma once
/* What each path answers for a sample of the daemon; nothing about HTTP's transport. */
#include "libclient/exporter/answer.h"
#include "libclient/exporter/history.h"
#include "libclient/observe/sample.h"

#define ANSWERS_PAGE "/"

/* The paths that need a sample. NULL: there is no such path. */
typedef void answer_function(const struct sample *sample, const struct history *history,
                             struct answer *ret);
answer_function *answer_of(const char *path);
