/* SPDX-License-Identifier: MIT */
#pragma once
/* One answer to an HTTP client. */
#include <stddef.h>

#define ANSWER_POLICY 256

struct answer {
        unsigned status; /* of HTTP */
        const char *type;
        unsigned retry_after_s;     /* 0: not said */
        char policy[ANSWER_POLICY]; /* Content-Security-Policy; "": the strictest */
        char *body;                 /* the caller frees it; NULL: no memory */
        size_t size;
};

/* A line of text. */
void answer_line(struct answer *ret, unsigned status, const char *line);
