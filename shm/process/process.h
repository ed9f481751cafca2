/* SPDX-License-Identifier: MIT */
#pragma once
/* How every program of sfshm begins and ends. Not for the library: the process is not its. */
#include <stdio.h>

/*
 * The first call of main(). Whoever started the program may have closed descriptors 0 to 2,
 * and the next open() would get one of them: a socket or a fence file that messages are
 * written to. They are opened on /dev/null, such that the program notices as it would have:
 * reading standard input and writing standard output fail with EBADF; what goes to standard
 * error is discarded. And a file that may not grow (RLIMIT_FSIZE) is an error of the write,
 * EFBIG, and not the end of the program by SIGXFSZ.
 */
void process_begin(void);

/* Writes what is buffered. 0, or -errno if that or anything before could not be written: a
 * program that succeeded has told so. */
int process_finish(FILE *out);
