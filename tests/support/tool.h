/* SPDX-License-Identifier: MIT */
#pragma once
/* Runs a built tool and keeps its output. */
#include <stddef.h>

#include "tests/support/private_daemon.h"

#define TOOL_OUTPUT_MAX 262144
#define TOOL_ARGUMENTS_MAX 64
#define TOOL_ARGUMENTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct tool_result {
        int status; /* exit status; 128 + signal */
        char out[TOOL_OUTPUT_MAX], err[TOOL_OUTPUT_MAX];
};

/* `variable` names the program in the environment; `arguments` end with NULL;
 * `input` of `length` bytes is its standard input. */
void tool_run(struct tool_result *ret, const char *variable, const char *const arguments[],
              const char *input, size_t length);
/* sfshm with these words (NULL-terminated) and the settings of the daemon; its exit status. */
int tool_run_with(struct tool_result *ret, const struct private_daemon *d,
                  const char *const words[]);
