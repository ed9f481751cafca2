/* SPDX-License-Identifier: MIT */
#include "tests/integration/support/daemon_log.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool log_says(const struct private_daemon *d, const char *part) {
        char *log = private_daemon_log(d);
        bool yes = strstr(log, part) != NULL;

        free(log);
        return yes;
}

void expect_log(const struct private_daemon *d, const char *part) {
        char *log = private_daemon_log(d);

        cr_assert_not_null(strstr(log, part), "the log does not say \"%s\":\n%s", part, log);
        free(log);
}

struct log_wait {
        const struct private_daemon *daemon;
        const char *part;
};

static bool log_wait_over(void *context) {
        const struct log_wait *wait = context;

        return log_says(wait->daemon, wait->part);
}

void wait_for_log(const struct private_daemon *d, const char *part) {
        struct log_wait wait = { d, part };

        if (!wait_until(log_wait_over, &wait, 150000))
                expect_log(d, part);
}

bool starts_in_the_end(void *context) {
        struct private_daemon *d = context;

        if (d->pid == 0)
                private_daemon_spawn(d);
        if (log_says(d, "event=start)"))
                return true;
        if (log_says(d, "workers-none")) {
                private_daemon_signal(d, SIGTERM, true); /* it waits; a new one asks sooner */
                remove(d->log);
        }
        return false;
}

void forget_log(const struct private_daemon *d) {
        cr_assert_eq(truncate(d->log, 0), 0);
}
