/* SPDX-License-Identifier: MIT */
/*
 * Linked into the tests of a ThreadSanitizer build only. Criterion's process
 * isolation maps its arena at a random address which it draws from rand_r(),
 * as 0x200000000000 + (r & 0x3fffff) << 24; TSan refuses nearly all of these.
 * This rand_r() draws only from what TSan leaves to the program on x86-64 and
 * what position-independent executables do not use: 0x550000000000 and up.
 */
#include <stdlib.h>

#define ARENA_FIRST 0x350000
#define ARENA_COUNT 0x4000

int rand_r(unsigned *seed) {
        *seed = *seed * 1103515245u + 12345u;
        return ARENA_FIRST + (int)(*seed >> 16) % ARENA_COUNT;
}
