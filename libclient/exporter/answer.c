/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/answer.h"

#include <stdio.h>

void answer_line(struct answer *ret, unsigned status, const char *line) {
        int n;

        *ret = (struct answer){ .status = status, .type = "text/plain; charset=utf-8" };
        n = asprintf(&ret->body, "%s\n", line);
        ret->size = n < 0 ? 0 : (size_t)n;
        if (n < 0)
                ret->body = NULL;
}
