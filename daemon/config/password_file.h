/* SPDX-License-Identifier: MIT */
#pragma once
/* The file in which a password stands. It is read at each use, so that it may change. */
#include <stddef.h>

#define PASSWORD_MAX 255u
#define PASSWORD_SIZE (PASSWORD_MAX + 2) /* one byte more shows that there are more */

/* The first line of `path`, whole: a part of it would be another password. -EACCES, and
 * `message` says what is wrong with the file of this key. */
int password_file_read(const char *key, const char *path, char password[PASSWORD_SIZE],
                       char *message, size_t size);
