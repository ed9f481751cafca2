/* SPDX-License-Identifier: MIT */
#include "shm/locator.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t locator_format(const struct locator *locator, char ret[LOCATOR_SIZE]) {
        int n = snprintf(ret, LOCATOR_SIZE,
                         "shm %s\nclock %" PRIu64 " %" PRIu64 " %" PRIu32 "\nboot ", locator->shm,
                         locator->clock_device, locator->clock_inode, locator->generation);

        for (size_t i = 0; i < sizeof(locator->boot_id); i++)
                n += snprintf(ret + n, LOCATOR_SIZE - (size_t)n, "%02x", locator->boot_id[i]);
        return (size_t)(n + snprintf(ret + n, LOCATOR_SIZE - (size_t)n, "\n"));
}

/* Whatever sscanf() tolerates, another text does not come out of locator_format(). */
int locator_parse(const char *text, size_t length, struct locator *ret) {
        char copy[LOCATOR_SIZE] = "", again[LOCATOR_SIZE];
        struct locator locator = { .generation = 0 };
        int at = 0;

        if (length >= LOCATOR_SIZE)
                return -EBADMSG;
        memcpy(copy, text, length);
        if (sscanf(copy, "shm %255[^\n]\nclock %20" SCNu64 " %20" SCNu64 " %10" SCNu32 "\nboot %n",
                   locator.shm, &locator.clock_device, &locator.clock_inode, &locator.generation,
                   &at) != 4 || at == 0)
                return -EBADMSG;
        for (size_t i = 0; i < sizeof(locator.boot_id); i++)
                if (sscanf(copy + at + 2 * i, "%2hhx", &locator.boot_id[i]) != 1)
                        return -EBADMSG;
        if (locator_format(&locator, again) != length || memcmp(copy, again, length) != 0)
                return -EBADMSG;
        *ret = locator;
        return 0;
}
