/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Directories and files of a test's own, in $TMPDIR. They are made in /tmp where
 * $TMPDIR is unset, longer than SCRATCH_PLACE_MAX, or closed to the other users that
 * some tests run as: a socket's path holds no more than 107 bytes, and those below a
 * scratch directory must fit.
 */
#include <stdint.h>

#define SCRATCH_MAX 64
#define SCRATCH_PLACE_MAX 36

/* PLACE/sfshm-SUBJECT-XXXXXX; fails the test when it cannot be made. */
void scratch_directory(char ret_path[SCRATCH_MAX], const char *subject);
/* In memory where that has room for so much, so that no disk delays what it serves. */
void scratch_fast_directory(char ret_path[SCRATCH_MAX], const char *subject, uint64_t room);
/* Likewise an empty file, open for reading and writing. */
int scratch_file(char ret_path[SCRATCH_MAX], const char *subject);
