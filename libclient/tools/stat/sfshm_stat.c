/* SPDX-License-Identifier: MIT */
/* sfshm-stat(1): shows what the host's sfshmd does, and whether it is alive. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "libclient/tools/daemon_socket.h"
#include "libclient/tools/number.h"
#include "libclient/tools/print.h"
#include "libclient/tools/stat/stat.h"
#include "shm/process/process.h"

#define EXIT_DEAD 3
#define INTERVAL_MIN_NS INT64_C(10000000)
#define INTERVAL_MAX_NS (INT64_C(31536000) * 1000000000) /* a year */

static const char usage[] =
        "Usage: sfshm-stat [OPTION]... [INTERVAL [COUNT]]\n"
        "\n"
        "Shows what sfshmd does: once in full, or in one line at once and one after every\n"
        "INTERVAL seconds, COUNT lines or without end.\n"
        "\n"
        "      --json            one JSON object for each sample\n"
        "      --prometheus      Prometheus text exposition format\n"
        "      --clients         show every client as well\n"
        "  -t, --time            begin each line with the time\n"
        "      --shm NAME|DIR    the daemon's daemon.shm (/sfshm)\n"
        "      --socket PATH     the daemon's socket ($SFSHM_SOCKET or its default)\n"
        "  -h, --help            show this\n"
        "  -V, --version         show the version\n"
        "\n"
        "Exit status: 0; 1 on an error; 2 of a wrong command line; 3 if sfshmd is not\n"
        "running.\n";

static const struct option long_options[] = {
        { "json", no_argument, NULL, 'j' },
        { "prometheus", no_argument, NULL, 'p' },
        { "clients", no_argument, NULL, 'c' },
        { "time", no_argument, NULL, 't' },
        { "shm", required_argument, NULL, 'm' },
        { "socket", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
};

struct settings {
        bool json, prometheus, clients, time;
        const char *shm, *socket;
        int64_t interval_ns; /* 0: once */
        uint64_t count;      /* 0: without end */
};

static int say_dead(const struct sample *sample, const char *shm) {
        char clock[SEGMENTS_PATH_SIZE], seen[96] = "";
        int64_t age = sample_age_ms(sample);

        segments_path(shm, "clock", clock);
        if (sample->has_statistics)
                snprintf(seen, sizeof(seen), "; it was pid %u, its last statistics are %.1f s old",
                         sample->statistics.header.pid,
                         age == SAMPLE_UNKNOWN ? 0.0 : (double)age / 1e3);
        print_error("sfshmd is not running (%s, says %s%s): start it", sample->dead_reason, clock,
                    seen);
        return EXIT_DEAD;
}

/* `rates` are those since the last sample; NULL without an interval. Returns 0 or 1. */
static int show_sample(const struct settings *settings, const struct sample *sample,
                       const struct rates *rates, uint64_t line) {
        if (settings->prometheus) {
                stat_print_prometheus(stdout, sample);
        } else if (settings->json) {
                stat_print_json(stdout, sample, rates, settings->clients);
        } else if (rates != NULL) {
                stat_print_line(stdout, sample, rates, settings->clients ? 0 : line,
                                settings->time);
                if (settings->clients)
                        stat_print_clients(stdout, sample);
        } else if (sample->state != SAMPLE_DEAD) {
                stat_print_summary(stdout, sample, settings->clients);
        }
        return print_finish(stdout);
}

static int64_t monotonic_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Sleeps until one interval after *at_ns, and sets *at_ns to that time. An interval that was
 * missed, because this process was stopped, is not made up for. */
static void sleep_interval(int64_t *at_ns, int64_t interval_ns) {
        int64_t now = monotonic_ns();
        struct timespec until;

        *at_ns = *at_ns + interval_ns < now ? now : *at_ns + interval_ns;
        until = (struct timespec){ .tv_sec = (time_t)(*at_ns / 1000000000),
                                   .tv_nsec = (long)(*at_ns % 1000000000) };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                ;
}

/* The first line, of *sample, is shown at once and has no rates. Segments are opened each time:
 * a daemon may start, stop and come back. */
static int show_intervals(const struct settings *settings, struct sample *sample) {
        int64_t at_ns = monotonic_ns();
        struct rates rates = { .known = false };
        int status = show_sample(settings, sample, &rates, 0);

        for (uint64_t line = 1; status == 0 && (settings->count == 0 || line < settings->count);
             line++) {
                struct sample after;

                sleep_interval(&at_ns, settings->interval_ns);
                status = sample_take(&after, settings->shm, settings->socket);
                if (status == 0) {
                        rates_between(sample, &after, &rates);
                        status = show_sample(settings, &after, &rates, line);
                }
                sample_clear(sample);
                *sample = after;
        }
        return status;
}

static int show(const struct settings *settings) {
        struct sample sample;
        int status = sample_take(&sample, settings->shm, settings->socket);

        if (status == 0)
                status = settings->interval_ns == 0 ? show_sample(settings, &sample, NULL, 0)
                                                    : show_intervals(settings, &sample);
        if (status == 0 && sample.state == SAMPLE_DEAD)
                status = say_dead(&sample, settings->shm);
        sample_clear(&sample);
        return status;
}

static int read_words(struct settings *settings, char *words[], int n) {
        char quoted[PRINT_QUOTED_SIZE];

        if (n > 2)
                return print_usage_error("%s is one argument too many: [INTERVAL [COUNT]]",
                                         print_quoted(words[2], strlen(words[2]), quoted));
        if (n > 0 &&
            (number_parse_seconds(words[0], &settings->interval_ns) < 0 ||
             settings->interval_ns < INTERVAL_MIN_NS || settings->interval_ns > INTERVAL_MAX_NS))
                return print_usage_error("INTERVAL: %s is not a number of seconds from 0.01 to "
                                         "31536000",
                                         print_quoted(words[0], strlen(words[0]), quoted));
        if (n > 1 && (number_parse(words[1], strlen(words[1]), &settings->count) < 0 ||
                      settings->count == 0))
                return print_usage_error("COUNT: %s is not a number above 0",
                                         print_quoted(words[1], strlen(words[1]), quoted));
        return 0;
}

int main(int argc, char *argv[]) {
        struct settings settings = {
                .shm = SEGMENTS_DEFAULT_SHM,
                .socket = daemon_socket_path(NULL),
        };
        int code;

        process_begin();
        while ((code = getopt_long(argc, argv, "thV", long_options, NULL)) != -1) {
                switch (code) {
                case 'j':
                        settings.json = true;
                        break;
                case 'p':
                        settings.prometheus = true;
                        break;
                case 'c':
                        settings.clients = true;
                        break;
                case 't':
                        settings.time = true;
                        break;
                case 'm':
                        settings.shm = optarg;
                        break;
                case 's':
                        settings.socket = optarg;
                        break;
                case 'h':
                case 'V':
                        fputs(code == 'h' ? usage : "sfshm-stat " SFSHM_VERSION "\n", stdout);
                        return print_finish(stdout);
                default:
                        return print_usage_hint();
                }
        }
        if (settings.json && settings.prometheus)
                return print_usage_error("--json and --prometheus exclude each other");
        if (read_words(&settings, argv + optind, argc - optind) != 0)
                return EXIT_USAGE;
        if (settings.time && (settings.json || settings.prometheus || settings.interval_ns == 0))
                return print_usage_error("--time needs INTERVAL and the output of text");
        return show(&settings);
}
