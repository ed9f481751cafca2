/* SPDX-License-Identifier: MIT */
#pragma once
/* Is this a build with ASan or TSan? Starts take several times as long there, and a report
 * needs no second round. */
#include <stdbool.h>

static inline bool sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        return true;
#elif defined(__has_feature)
        return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
        return false;
#endif
}
