/* SPDX-License-Identifier: MIT */
#pragma once
/* What each path answers for a sample of the daemon; nothing about HTTP's transport. */
#include <stddef.h>

#include "libclient/observe/sample.h"

struct answer {
        unsigned status; /* of HTTP */
        const char *type;
        unsigned retry_after_s; /* 0: not said */
        char *body;             /* the caller frees it; NULL: no memory */
        size_t size;
};

/* The paths that need a sample. NULL: there is no such path. */
typedef void answer_function(const struct sample *sample, struct answer *ret);
answer_function *answer_of(const char *path);

/* A line of text. */
void answer_line(struct answer *ret, unsigned status, const char *line);
