/* SPDX-License-Identifier: MIT */
#pragma once
/* Why the daemon and the library do not understand each other: asked anew. */

#include <stdbool.h>

#define EXPLAIN_TEXT 400
/* Says HELLO at `socket` and tells what is wrong with the answer, in a sentence
 * that names both versions. False (and nothing in `text`) when that does not
 * show. Never waits longer than a second. */
bool explain(const char *socket, char text[EXPLAIN_TEXT]);
