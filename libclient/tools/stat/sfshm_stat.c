/* SPDX-License-Identifier: MIT */
/* sfshm-stat(1): shows what the host's sfshmd does, and whether it is alive. */
#include <getopt.h>
#include <string.h>

#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/interval.h"
#include "libclient/observe/number.h"
#include "libclient/observe/print.h"
#include "libclient/observe/prometheus.h"
#include "libclient/tools/stat/stat.h"
#include "libclient/observe/take.h"
#include "libclient/tools/top/live.h"
#include "libclient/tools/top/top.h"
#include "shm/process/process.h"

static const char usage[] =
        "Usage: sfshm-stat [OPTION]... [INTERVAL [COUNT]]\n"
        "       sfshm-stat --top [--batch] [--socket PATH | --shm NAME|DIR] [INTERVAL [COUNT]]\n"
        "       sfshm-stat --check [--socket PATH | --shm NAME|DIR]\n"
        "\n"
        "Shows what sfshmd does: once in full, or in one line at once and one after every\n"
        "INTERVAL seconds, COUNT lines or without end.\n"
        "\n"
        "      --json            one JSON object for each sample\n"
        "      --prometheus      Prometheus text exposition format\n"
        "      --output FILE     with --prometheus: replace FILE each time\n"
        "      --check           one sentence, and the exit status of a monitoring plugin:\n"
        "                        0 OK, 1 warning, 2 critical, 3 unknown\n"
        "      --clients         show every client as well\n"
        "      --top             a full screen of state, workers and clients; h shows its keys\n"
        "      --batch           with --top: print frames, without a terminal\n"
        "  -t, --time            begin each line with the time\n"
        "      --socket PATH     the daemon's socket ($SFSHM_SOCKET or its default)\n"
        "      --shm NAME|DIR    segments without a socket: no daemon is asked\n"
        "  -h, --help            show this\n"
        "  -V, --version         show the version\n"
        "\n"
        "Exit status: 0; 1 on an error; 2 of a wrong command line; 3 if sfshmd is dead or\n"
        "does not answer; 4 if it holds IDs back. --prometheus: 0 in these states too.\n";

static const struct option long_options[] = {
        { "json", no_argument, NULL, 'j' },
        { "prometheus", no_argument, NULL, 'p' },
        { "output", required_argument, NULL, 'o' },
        { "check", no_argument, NULL, 'k' },
        { "clients", no_argument, NULL, 'c' },
        { "time", no_argument, NULL, 't' },
        { "top", no_argument, NULL, 'T' },
        { "batch", no_argument, NULL, 'b' },
        { "shm", required_argument, NULL, 'm' },
        { "socket", required_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
};

struct settings {
        bool json, prometheus, check, clients, time, top, batch;
        bool done; /* the status is final */
        const char *shm, *socket, *output;
        struct take_target target;
        int64_t interval_ns; /* 0: once */
        uint64_t count;      /* 0: without end */
};

/* Another sample will not change that. */
static bool is_unreadable(const struct sample *sample) {
        return sample->state == SAMPLE_UNCLEAR || sample->no_statistics[0] != '\0';
}

/* `rates` are those since the last sample; NULL without an interval. Returns 0 or 1. */
static int show_sample(const struct settings *settings, const struct sample *sample,
                       const struct rates *rates, uint64_t line) {
        struct stat_output output;

        if (stat_output_open(&output, settings->output) != 0)
                return SAMPLE_EXIT_FAILED;
        if (settings->prometheus) {
                prometheus_print(output.file, sample);
        } else if (settings->json) {
                stat_print_json(output.file, sample, rates, settings->clients);
        } else if (rates != NULL) {
                stat_print_line(output.file, sample, rates, settings->clients ? 0 : line,
                                settings->time);
                if (settings->clients)
                        stat_print_clients(output.file, sample);
        } else if (sample_is_up(sample) && sample->has_statistics) {
                stat_print_summary(output.file, sample, settings->clients);
        }
        return stat_output_close(&output);
}

/* The first line, of *sample, is shown at once and has no rates. Segments are opened each time:
 * a daemon may start, stop and come back. */
static int show_intervals(const struct settings *settings, struct sample *sample) {
        int64_t at_ns = interval_now_ns();
        struct rates rates = { .known = false };
        int status = show_sample(settings, sample, &rates, 0);

        for (uint64_t line = 1; status == 0 && !is_unreadable(sample) &&
                                (settings->count == 0 || line < settings->count);
             line++) {
                struct sample after;

                interval_sleep(&at_ns, settings->interval_ns);
                take_sample(&settings->target, &after);
                rates_between(sample, &after, &rates);
                status = show_sample(settings, &after, &rates, line);
                sample_clear(sample);
                *sample = after;
        }
        return status;
}

static int show(const struct settings *settings) {
        struct sample sample;
        int status, complaint;

        take_sample(&settings->target, &sample);
        status = settings->interval_ns == 0 ? show_sample(settings, &sample, NULL, 0)
                                            : show_intervals(settings, &sample);
        complaint = take_complain(&sample);
        /* who scrapes reads sfshm_up */
        if (settings->prometheus && complaint != SAMPLE_EXIT_FAILED)
                complaint = 0;
        sample_clear(&sample);
        return status != 0 ? status : complaint;
}

static int show_check(struct settings *settings) {
        struct sample sample;
        int check;

        settings->done = true;
        take_clock(&settings->target, &sample);
        check = stat_print_check(stdout, &sample);
        return print_finish(stdout) != 0 ? STAT_CHECK_UNKNOWN : check;
}

static int show_top(const struct settings *settings) {
        const struct top_settings top = {
                .target = settings->target,
                .interval_ns = settings->interval_ns > 0 ? settings->interval_ns : TOP_INTERVAL_NS,
                .count = settings->count,
        };

        if (settings->batch)
                return top_batch(&top, stdout);
#ifdef SFSHM_TOP
        return live_run(&top);
#else
        return print_usage_error("this build has no screen, only --top --batch");
#endif
}

static int read_words(struct settings *settings, char *words[], int n) {
        char quoted[PRINT_QUOTED_SIZE];

        if (n > 2)
                return print_usage_error("%s is one argument too many: [INTERVAL [COUNT]]",
                                         print_quoted(words[2], strlen(words[2]), quoted));
        if (n > 0 && interval_parse(words[0], &settings->interval_ns) < 0)
                return print_usage_error("INTERVAL: %s is not " INTERVAL_FORM,
                                         print_quoted(words[0], strlen(words[0]), quoted));
        if (n > 1 && (number_parse(words[1], strlen(words[1]), &settings->count) < 0 ||
                      settings->count == 0))
                return print_usage_error("COUNT: %s is not a number above 0",
                                         print_quoted(words[1], strlen(words[1]), quoted));
        return 0;
}

static int set_option(struct settings *settings, int code) {
        switch (code) {
        case 'j':
                settings->json = true;
                return 0;
        case 'p':
                settings->prometheus = true;
                return 0;
        case 'o':
                settings->output = optarg;
                return 0;
        case 'k':
                settings->check = true;
                return 0;
        case 'c':
                settings->clients = true;
                return 0;
        case 't':
                settings->time = true;
                return 0;
        case 'T':
                settings->top = true;
                return 0;
        case 'b':
                settings->batch = true;
                return 0;
        case 'm':
                settings->shm = optarg;
                return 0;
        case 's':
                settings->socket = optarg;
                return 0;
        case 'h':
        case 'V':
                settings->done = true;
                fputs(code == 'h' ? usage : "sfshm-stat " SFSHM_VERSION "\n", stdout);
                return print_finish(stdout);
        default:
                return print_usage_hint();
        }
}

static int check_settings(struct settings *settings) {
        settings->target = (struct take_target){ daemon_socket_path(settings->socket),
                                                 settings->shm };
        if (settings->json && settings->prometheus)
                return print_usage_error("--json and --prometheus exclude each other");
        if (settings->output != NULL && !settings->prometheus)
                return print_usage_error("--output is for --prometheus");
        if (settings->batch && !settings->top)
                return print_usage_error("--batch is for --top");
        if (settings->top && (settings->json || settings->prometheus || settings->check ||
                              settings->clients || settings->time))
                return print_usage_error("--top takes only --batch, --socket or --shm");
        if (settings->check && (settings->json || settings->prometheus || settings->clients ||
                                settings->interval_ns != 0 || settings->time))
                return print_usage_error("--check takes only --socket or --shm");
        if (settings->time && (settings->json || settings->prometheus || settings->interval_ns == 0))
                return print_usage_error("--time needs INTERVAL and the output of text");
        return take_check(settings->socket, settings->shm);
}

static int run(struct settings *settings, int argc, char *argv[]) {
        int code, status = 0;

        while (status == 0 && !settings->done &&
               (code = getopt_long(argc, argv, "thV", long_options, NULL)) != -1)
                status = set_option(settings, code);
        if (status == 0 && !settings->done)
                status = read_words(settings, argv + optind, argc - optind);
        if (status == 0 && !settings->done)
                status = check_settings(settings);
        if (status != 0 || settings->done)
                return status;
        if (settings->top)
                return show_top(settings);
        return settings->check ? show_check(settings) : show(settings);
}

/* Monitors take 2 for critical, not for a wrong command line. */
static bool has_check(char *const argv[]) {
        while (*++argv != NULL && strcmp(*argv, "--") != 0)
                if (strcmp(*argv, "--check") == 0)
                        return true;
        return false;
}

int main(int argc, char *argv[]) {
        bool check = has_check(argv); /* before the arguments change places */
        struct settings settings = { .json = false };
        int status;

        process_begin();
        status = run(&settings, argc, argv);
        return check && !settings.done ? STAT_CHECK_UNKNOWN : status;
}
