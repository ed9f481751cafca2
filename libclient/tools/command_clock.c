/* SPDX-License-Identifier: MIT */
/* sfshm clock: shows the guarded clock beside the wall clock. sfshm clock accept. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "libclient/tools/command.h"
#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/print.h"
#include "libclient/observe/take.h"
#include "shm/isotime.h"

/* Returns the exit status. */
static int say_unanswered(const char *socket, int error) {
        if (error == -ECONNRESET)
                return print_error("sfshmd at %s closed the connection without an answer: either "
                                   "it is of an older version, which does not know 'clock "
                                   "accept', or it has just stopped; its log says which", socket);
        if (error == -ETIMEDOUT)
                print_error("sfshmd at %s does not answer", socket);
        else if (error == -EPROTO)
                print_error("the process that listens at %s did not answer as sfshmd does", socket);
        else if (error == -ENOENT || error == -ECONNREFUSED)
                print_error("sfshmd at %s is not running (%s): start it", socket, strerror(-error));
        else
                return print_error("cannot ask sfshmd at %s: %s", socket, strerror(-error));
        return SAMPLE_EXIT_DEAD;
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
        if (sample->guarded_unix_ms == SAMPLE_UNKNOWN)
                return;
        printf("IDs' time   %s\nwall clock  %s\n", guarded, wall);
        printf("difference  %s%" PRId64 ".%03" PRId64 " s\n", ahead_ms < 0 ? "-" : "+",
               imaxabs(ahead_ms) / 1000, imaxabs(ahead_ms) % 1000);
}

static void show_ms(const char *key, int64_t ms) {
        if (ms == SAMPLE_UNKNOWN)
                printf(",\"%s\":null", key);
        else
                printf(",\"%s\":%" PRId64, key, ms);
}

static void show_json(const struct sample *sample, int64_t wall_ms) {
        bool known = sample->guarded_unix_ms != SAMPLE_UNKNOWN;

        printf("{\"state\":\"%s\",\"reason\":", sample_state_names[sample->state].json);
        if (sample->has_clock)
                printf("\"%s\"", clock_reason_name(sample->reason));
        else
                fputs("null", stdout);
        show_ms("guarded_unix_ms", sample->guarded_unix_ms);
        show_ms("wall_unix_ms", wall_ms);
        show_ms("offset_ms", known ? sample->guarded_unix_ms - wall_ms : SAMPLE_UNKNOWN);
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                show_ms("resume_ms", sample->resume_ms);
        puts("}");
}

static int show_sample(const struct sample *sample, bool json) {
        int status = take_complain(sample);

        if (json)
                show_json(sample, wall_unix_ms());
        else if (sample_is_up(sample) && sample->guarded_unix_ms == SAMPLE_UNKNOWN &&
                 !sample_is_held(sample))
                return print_error("the clock of sfshmd is before its epoch");
        else if (sample_is_up(sample))
                show_text(sample, wall_unix_ms());
        return print_finish(stdout) != 0 ? SAMPLE_EXIT_FAILED : status;
}

static int show_clock(const struct command_options *options) {
        struct take_target target = { daemon_socket_path(options->socket), options->shm };
        struct sample sample;

        if (take_check(options->socket, options->shm) != 0)
                return EXIT_USAGE;
        take_clock(&target, &sample);
        return show_sample(&sample, options->json);
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
