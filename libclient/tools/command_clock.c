/* SPDX-License-Identifier: MIT */
/* sfshm clock: shows the guarded clock beside the wall clock. sfshm clock accept. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "libclient/tools/command.h"
#include "libclient/tools/daemon_socket.h"
#include "libclient/tools/print.h"
#include "libclient/tools/sample.h"
#include "shm/isotime.h"

static int say_unanswered(const char *socket, int error) {
        if (error == -ECONNRESET)
                return print_error("sfshmd at %s closed the connection without an answer: either "
                                   "it is of an older version, which does not know 'clock "
                                   "accept', or it has just stopped; its log says which", socket);
        if (error == -ETIMEDOUT)
                return print_error("sfshmd at %s does not answer", socket);
        if (error == -EPROTO)
                return print_error("the process that listens at %s did not answer as sfshmd "
                                   "does", socket);
        return print_error("cannot ask sfshmd at %s: %s", socket, strerror(-error));
}

static int accept_clock(const char *socket) {
        struct wire_answer answer;
        int r = daemon_socket_ask(socket, WIRE_ACCEPT, &answer);

        if (r < 0)
                return say_unanswered(socket, r);
        if (answer.error != 0)
                return print_error("%s", answer.text);
        puts(answer.text);
        return print_finish(stdout);
}

static int64_t wall_unix_ms(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show_text(const struct sample *sample, int64_t wall_ms) {
        int64_t ahead_ms = sample->guarded_unix_ms - wall_ms;
        char guarded[ISOTIME_SIZE], wall[ISOTIME_SIZE];

        isotime_format(sample->guarded_unix_ms, guarded);
        isotime_format(wall_ms, wall);
        printf("state       %s", sample_state_names[sample->state].words);
        if (*sample_reason_text(sample))
                printf("; %s", sample_reason_text(sample));
        putchar('\n');
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                printf("IDs again   in %" PRId64 ".%03" PRId64 " s\n", sample->resume_ms / 1000,
                       sample->resume_ms % 1000);
        printf("IDs' time   %s\nwall clock  %s\n", guarded, wall);
        printf("difference  %s%" PRId64 ".%03" PRId64 " s\n", ahead_ms < 0 ? "-" : "+",
               imaxabs(ahead_ms) / 1000, imaxabs(ahead_ms) % 1000);
}

static void show_json(const struct sample *sample, int64_t wall_ms) {
        printf("{\"state\":\"%s\",\"reason\":\"%s\",\"guarded_unix_ms\":%" PRId64
               ",\"wall_unix_ms\":%" PRId64 ",\"offset_ms\":%" PRId64,
               sample_state_names[sample->state].column, clock_reason_name(sample->reason),
               sample->guarded_unix_ms, wall_ms,
               sample->guarded_unix_ms - wall_ms);
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                printf(",\"resume_ms\":%" PRId64, sample->resume_ms);
        puts("}");
}

static int show_clock(const struct command_options *options) {
        const char *shm = options->shm != NULL ? options->shm : SEGMENTS_DEFAULT_SHM;
        struct sample sample;

        if (options->socket != NULL)
                return print_error("'clock' reads --shm and does not ask the daemon; --socket is "
                                   "for 'clock accept'");
        if (sample_take_clock(&sample, shm) != 0)
                return 1;
        if (sample.state == SAMPLE_DEAD)
                return print_error("sfshmd is not running (%s): start it", sample.dead_reason);
        if (sample.guarded_unix_ms == SAMPLE_UNKNOWN)
                return print_error("the clock of sfshmd is before its epoch");
        if (options->json)
                show_json(&sample, wall_unix_ms());
        else
                show_text(&sample, wall_unix_ms());
        return print_finish(stdout);
}

int command_clock(const struct command_options *options, char *const arguments[], int n) {
        char quoted[PRINT_QUOTED_SIZE];

        if (n == 0)
                return show_clock(options);
        if (n > 1 || strcmp(arguments[0], "accept") != 0)
                return print_usage_error("'clock' takes 'accept' or nothing, but got %s",
                                         print_quoted(arguments[n - 1], strlen(arguments[n - 1]),
                                                      quoted));
        if (options->json || options->shm != NULL)
                return print_usage_error("'clock accept' takes only --socket");
        return accept_clock(daemon_socket_path(options->socket));
}
