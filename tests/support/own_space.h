/* SPDX-License-Identifier: MIT */
#pragma once

/* A name for workers.space that no other process has; valid for ever. */
char *own_space(void);
