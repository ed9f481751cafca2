/* SPDX-License-Identifier: MIT */
#pragma once
/* Base64 of RFC 4648, the standard alphabet, padded. Pure. */
#include <stddef.h>

char *base64_encode(const void *bytes, size_t size); /* malloc'ed; NULL: no memory */
/* malloc'ed and NUL-terminated; NULL: no base64, or no memory. */
char *base64_decode(const char *text, size_t length);
