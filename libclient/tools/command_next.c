/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>

#include "libclient/tools/command.h"
#include "libclient/observe/daemon_socket.h"
#include "libclient/tools/id_line.h"
#include "libclient/observe/print.h"
#include "libclient/observe/sample.h"

#define CHUNK 4096u /* IDs per request: a tick of one worker */

/* Of an error of the library. */
static int status_of(int error) {
        switch (error) {
        case -ENOENT:
        case -ECONNREFUSED:
        case -ENOTCONN:
        case -ETIMEDOUT:
                return SAMPLE_EXIT_DEAD;
        case -ETIME:
                return SAMPLE_EXIT_HELD;
        default:
                return SAMPLE_EXIT_FAILED;
        }
}

int command_open(const struct command_options *options, unsigned flags, sfshm **ret) {
        const char *socket = daemon_socket_path(options->socket);
        int r = sfshm_open(ret, socket, flags);
        char why[DAEMON_SOCKET_TEXT];

        /* for these the daemon has a text that the library cannot pass on */
        if ((r == -EPROTO || r == -ETIME || r == -EDQUOT || r == -ENOSPC) &&
            daemon_socket_explain(socket, why))
                print_error("cannot attach to sfshmd at %s: %s", socket, why);
        else if (r < 0)
                print_error("cannot attach to sfshmd at %s: %s", socket, sfshm_strerror(r));
        return r < 0 ? status_of(r) : 0;
}

static int print_ids(const uint64_t *ids, size_t n, const struct sfshm_layout *layout, bool json) {
        for (size_t i = 0; i < n; i++) {
                int r = 0;

                if (json)
                        r = id_line_print_json(stdout, layout, ids[i]);
                else
                        printf("%" PRIu64 "\n", ids[i]);
                if (r < 0)
                        return print_error("cannot decode %" PRIu64 ": %s", ids[i],
                                           sfshm_strerror(r));
        }
        return 0;
}

static int next_ids(sfshm *s, const struct command_options *options) {
        static uint64_t ids[CHUNK];
        struct sfshm_layout layout;
        uint64_t left = options->count;
        int r = sfshm_get_layout(s, &layout);

        if (r < 0)
                return print_error("cannot read the layout: %s", sfshm_strerror(r));
        while (left > 0) {
                size_t n = left < CHUNK ? (size_t)left : CHUNK;

                r = n == 1 ? sfshm_next(s, ids) : sfshm_next_batch(s, ids, n);
                if (r < 0) {
                        print_error("no ID after %" PRIu64 " of %" PRIu64 ": %s",
                                    options->count - left, options->count, sfshm_strerror(r));
                        return status_of(r);
                }
                if (print_ids(ids, n, &layout, options->json) != 0)
                        return 1;
                if (ferror(stdout))
                        break; /* do not waste IDs that nobody can read */
                left -= n;
        }
        return print_finish(stdout);
}

int command_next(const struct command_options *options, char *const arguments[], int n) {
        sfshm *s = NULL;
        int status;

        (void)arguments, (void)n;
        if (options->count == 0)
                return 0;
        status = command_open(options, options->parallel ? SFSHM_PARALLEL : 0, &s);
        if (status != 0)
                return status;
        status = next_ids(s, options);
        sfshm_close(s);
        return status;
}
