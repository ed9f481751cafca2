/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The lease's thread: when the next fence is written, what it says, and what a failed
 * write leads to.
 */

/* Of a struct lease, until its `stop`; returns NULL. */
void *writer_run(void *lease);
