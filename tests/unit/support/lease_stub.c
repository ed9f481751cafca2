/* SPDX-License-Identifier: MIT */
/* The part of daemon/lease/lease.h that the fence calls when it is stuck or comes down, for
 * tests in which it does neither. */
#include <string.h>

#include "daemon/lease/lease.h"

int lease_error(const struct lease *l) {
        (void)l;
        return 0;
}

const char *lease_error_text(const struct lease *l, int error) {
        (void)l;
        return strerror(-error);
}

const char *lease_remedy(const struct lease *l) {
        (void)l;
        return "";
}

const char *lease_place(const struct lease *l) {
        (void)l;
        return "";
}

struct lease *lease_release(struct lease *l, uint64_t last_tick) {
        (void)l, (void)last_tick;
        return NULL;
}
