/* SPDX-License-Identifier: MIT */
/* sfshm-recorder(8): the command line and the loop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "libclient/history/archive.h"
#include "libclient/observe/interval.h"
#include "libclient/observe/number.h"
#include "libclient/observe/print.h"
#include "libclient/observe/segments.h"
#include "libclient/recorder/recorder.h"
#include "shm/process/process.h"

#define TURN_NS 100000000
#define MIB (UINT64_C(1) << 20)
#define DAY_NS (INT64_C(86400) * 1000000000)

static const char usage[] =
        "Usage: sfshm-recorder [OPTION]...\n"
        "\n"
        "Records which process held which positions, for 'sfshm who'. It only reads the\n"
        "daemon's shared memory, and needs no privilege but the daemon's group.\n"
        "\n"
        "      --directory DIR   where (" ARCHIVE_DEFAULT ")\n"
        "      --max-size MIB    of all files together (256)\n"
        "      --max-age DAYS    of a file (7)\n"
        "      --shm NAME|DIR    the daemon's daemon.shm (" SEGMENTS_DEFAULT_SHM ")\n"
        "  -h, --help            show this\n"
        "  -V, --version         show the version\n"
        "\n"
        "Exit status: 0 after SIGTERM or SIGINT; 1 on an error; 2 of a wrong command line.\n";

static const struct option long_options[] = {
        { "directory", required_argument, NULL, 'd' },
        { "max-size", required_argument, NULL, 's' },
        { "max-age", required_argument, NULL, 'a' },
        { "shm", required_argument, NULL, 'm' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
};

struct options {
        const char *directory, *shm;
        uint64_t max_mib, max_days;
        bool done;
};

static int set_number(const char *name, uint64_t most, uint64_t *ret) {
        char quoted[PRINT_QUOTED_SIZE];

        if (number_parse(optarg, strlen(optarg), ret) == 0 && *ret >= 1 && *ret <= most)
                return 0;
        return print_usage_error("--%s: %s is not a number from 1 to %llu", name,
                                 print_quoted(optarg, strlen(optarg), quoted),
                                 (unsigned long long)most);
}

static int set_option(struct options *options, int code) {
        switch (code) {
        case 'd':
                options->directory = optarg;
                return 0;
        case 'm':
                options->shm = optarg;
                return 0;
        case 's':
                return set_number("max-size", UINT64_C(1) << 24, &options->max_mib);
        case 'a':
                return set_number("max-age", 36500, &options->max_days);
        case 'h':
        case 'V':
                options->done = true;
                fputs(code == 'h' ? usage : "sfshm-recorder " SFSHM_VERSION "\n", stdout);
                return print_finish(stdout);
        default:
                return print_usage_hint();
        }
}

static int read_options(struct options *ret, int argc, char *argv[]) {
        char quoted[PRINT_QUOTED_SIZE];
        int code, status = 0;

        *ret = (struct options){ .directory = ARCHIVE_DEFAULT, .shm = SEGMENTS_DEFAULT_SHM,
                                 .max_mib = 256, .max_days = 7 };
        while (status == 0 && !ret->done &&
               (code = getopt_long(argc, argv, "hV", long_options, NULL)) != -1)
                status = set_option(ret, code);
        if (status != 0 || ret->done)
                return status;
        if (optind < argc)
                return print_usage_error("%s is an argument, only options are expected",
                                         print_quoted(argv[optind], strlen(argv[optind]), quoted));
        return segments_name_valid(ret->shm) ? 0 : print_usage_error("--shm is not a name");
}

/* Until SIGTERM or SIGINT, which are blocked. */
static int run(struct recorder *recorder) {
        const struct timespec pause = { .tv_nsec = TURN_NS };
        sigset_t ends;
        int status = 0;

        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        do
                status = recorder_turn(recorder, interval_now_ns());
        while (status == 0 && sigtimedwait(&ends, NULL, &pause) < 0);
        return status;
}

int main(int argc, char *argv[]) {
        struct options options;
        struct recorder recorder;
        sigset_t ends;
        int status;

        process_begin();
        status = read_options(&options, argc, argv);
        if (status != 0 || options.done)
                return status;
        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        sigprocmask(SIG_BLOCK, &ends, NULL);
        umask(0027);
        status = recorder_begin(&recorder, options.shm, options.directory,
                                options.max_mib * MIB, (int64_t)options.max_days * DAY_NS);
        if (status == 0)
                status = run(&recorder);
        recorder_end(&recorder);
        return status;
}
