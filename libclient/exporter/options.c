/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/options.h"

#include <getopt.h>
#include <string.h>

#include "libclient/exporter/listen.h"
#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/print.h"

static const char usage[] =
        "Usage: sfshm-exporter [OPTION]...\n"
        "\n"
        "Shows over HTTP what sfshmd does: /metrics for Prometheus, / for people, /healthz and\n"
        "/readyz for probes. It only reads, and needs no privilege but the daemon's group.\n"
        "\n"
        "      --listen ADDRESS  where: ADDRESS:PORT, [ADDRESS]:PORT or unix:PATH\n"
        "                        (" LISTEN_DEFAULT ", or the sockets of systemd)\n"
        "      --socket PATH     the daemon's socket ($SFSHM_SOCKET or its default)\n"
        "      --shm NAME|DIR    segments without a socket: no daemon is asked\n"
        "  -h, --help            show this\n"
        "  -V, --version         show the version\n"
        "\n"
        "Exit status: 0 after SIGTERM or SIGINT; 1 on an error; 2 of a wrong command line.\n";

static const struct option long_options[] = {
        { "listen", required_argument, NULL, 'l' },
        { "socket", required_argument, NULL, 's' },
        { "shm", required_argument, NULL, 'm' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
};

static int set_option(struct options *options, int code) {
        switch (code) {
        case 'l':
                options->listen = optarg;
                return 0;
        case 's':
                options->socket = optarg;
                return 0;
        case 'm':
                options->shm = optarg;
                return 0;
        case 'h':
        case 'V':
                options->done = true;
                fputs(code == 'h' ? usage : "sfshm-exporter " SFSHM_VERSION "\n", stdout);
                return print_finish(stdout);
        default:
                return print_usage_hint();
        }
}

int options_read(struct options *ret, int argc, char *argv[]) {
        char quoted[PRINT_QUOTED_SIZE];
        int code, status = 0;

        *ret = (struct options){ .done = false };
        while (status == 0 && !ret->done &&
               (code = getopt_long(argc, argv, "hV", long_options, NULL)) != -1)
                status = set_option(ret, code);
        if (status != 0 || ret->done)
                return status;
        if (optind < argc)
                return print_usage_error("%s is an argument, only options are expected",
                                         print_quoted(argv[optind], strlen(argv[optind]), quoted));
        ret->target = (struct take_target){ daemon_socket_path(ret->socket), ret->shm };
        return take_check(ret->socket, ret->shm);
}
