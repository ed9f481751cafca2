/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "daemon/config/keys.h"
#include "daemon/config/load.h"
#include "daemon/lease/backends.h"
#include "daemon/repair/fence_above.h"
#include "daemon/repair/workers.h"
#include "daemon/util/log.h"
#include "daemon/host/notify.h"
#include "daemon/host/exit_status.h"
#include "daemon/server/server.h"
#include "daemon/startup/segments.h"
#include "daemon/util/time.h"

enum {
        OPTION_FENCE_ABOVE = 256,
        OPTION_FORCE,
        OPTION_WORKERS,
        OPTION_JSON,
        OPTION_ALL_REGIONS,
        OPTION_RELEASE,
        OPTION_ABOVE,
        OPTION_YES,
};

struct options {
        const char *config;
        char **sets; /* NULL-terminated, as many as there are arguments at most */
        const char *fence_above; /* NULL: serve */
        bool workers;            /* --workers: */
        struct workers_request request; /* its `force` is that of --fence-above as well */
        bool done;   /* --help or --version was answered */
};

static const char help[] =
        "Usage: sfshmd [--config FILE] [--set SECTION.KEY=VALUE]...\n"
        "       sfshmd --fence-above ID|TIME [--force] [--config FILE] [--set ...]...\n"
        "       sfshmd --workers [--json] [--all-regions] [--config FILE] [--set ...]...\n"
        "       sfshmd --workers --release IDS [--above ID|TIME] [--force] [--yes] ...\n"
        "Hands out unique, time-sorted 64-bit IDs to the processes of this host.\n"
        "\n"
        "  -c, --config FILE            read FILE instead of /etc/sfshm/sfshmd.conf\n"
        "  -s, --set SECTION.KEY=VALUE  overrides the files; may be given repeatedly\n"
        "      --fence-above ID|TIME    only lets the next start begin above that, see sfshm(1)\n"
        "      --force                  although that is more than a day ahead\n"
        "      --workers                only shows who has which worker IDs, see sfshm(1)\n"
        "  -h, --help                   shows this\n"
        "  -V, --version                shows the version\n"
        "\n"
        "Without a privilege, for a trial:\n"
        "  sfshmd --set workers.first=0 --set daemon.socket=$HOME/sfshm.sock \\\n"
        "         --set daemon.state_dir=$HOME/sfshm-state --set daemon.shm=/sfshm-$USER\n"
        "See sfshmd(8) and sfshmd.conf(5).\n";

static void set_request(struct options *options, int option) {
        struct workers_request *request = &options->request;

        options->workers |= option == OPTION_WORKERS;
        request->force |= option == OPTION_FORCE;
        request->json |= option == OPTION_JSON;
        request->all_regions |= option == OPTION_ALL_REGIONS;
        request->yes |= option == OPTION_YES;
        if (option == OPTION_RELEASE)
                request->release = optarg;
        if (option == OPTION_ABOVE)
                request->above = optarg;
}

/* Options which would be ignored are mistakes. */
static int check_request(const struct options *options) {
        const struct workers_request *request = &options->request;
        bool release = options->workers && request->release != NULL;
        const char *wrong = NULL;

        if (options->workers && options->fence_above != NULL)
                wrong = "--workers and --fence-above exclude each other";
        else if (request->force && options->fence_above == NULL && !release)
                wrong = "--force is an option of --fence-above and --release only";
        else if (!options->workers && (request->json || request->all_regions || request->release))
                wrong = "--json, --all-regions and --release are options of --workers only";
        else if (!release && (request->above || request->yes))
                wrong = "--above and --yes are options of --release only";
        else if (release && (request->json || request->all_regions))
                wrong = "--release takes neither --json nor --all-regions";
        if (wrong == NULL)
                return 0;
        fprintf(stderr, "sfshmd: %s\n", wrong);
        return -EINVAL;
}

/* 0, or -EINVAL after saying why. */
static int parse_options(int argc, char *argv[], struct options *options) {
        static const struct option known[] = {
                { "config", required_argument, NULL, 'c' },
                { "set", required_argument, NULL, 's' },
                { "fence-above", required_argument, NULL, OPTION_FENCE_ABOVE },
                { "force", no_argument, NULL, OPTION_FORCE },
                { "workers", no_argument, NULL, OPTION_WORKERS },
                { "json", no_argument, NULL, OPTION_JSON },
                { "all-regions", no_argument, NULL, OPTION_ALL_REGIONS },
                { "release", required_argument, NULL, OPTION_RELEASE },
                { "above", required_argument, NULL, OPTION_ABOVE },
                { "yes", no_argument, NULL, OPTION_YES },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { NULL, 0, NULL, 0 },
        };
        size_t n_sets = 0;
        int option;

        while ((option = getopt_long(argc, argv, "c:s:hV", known, NULL)) != -1) {
                if (option == 'c') {
                        options->config = optarg;
                } else if (option == 's') {
                        options->sets[n_sets++] = optarg;
                } else if (option == OPTION_FENCE_ABOVE) {
                        options->fence_above = optarg;
                } else if (option >= OPTION_FORCE) {
                        set_request(options, option);
                } else if (option == 'h' || option == 'V') {
                        fputs(option == 'h' ? help : "sfshmd " SFSHM_VERSION "\n", stdout);
                        options->done = true;
                        return 0;
                } else {
                        fputs("Try 'sfshmd --help'.\n", stderr);
                        return -EINVAL;
                }
        }
        if (optind < argc) {
                fprintf(stderr, "sfshmd: unexpected argument '%s'; try 'sfshmd --help'\n",
                        argv[optind]);
                return -EINVAL;
        }
        return check_request(options);
}

/* Before any thread starts: all signals that end us, or reload, are read by the server. */
static void prepare_process(void) {
        struct rlimit files;
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        pthread_sigmask(SIG_BLOCK, &signals, NULL);
        signal(SIGPIPE, SIG_IGN);
        if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
                files.rlim_cur = files.rlim_max;
                /* two descriptors a client, three for one that is to be stored or was;
                 * without them fewer clients fit */
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

struct daemon {
        struct listen_fds passed;
        struct lease *lease;
        struct segments segments;
        struct ledger *ledger;
        struct fence fence;
        struct ticker *ticker;
        struct wall_clock *wall_clock;
        struct clone_watch *clone_watch;
        struct statistics_inputs inputs;
        struct statistics *statistics;
        struct server *server;
        struct server_parts parts;
        struct cds_list_head clients;
};

static uint64_t tick_now(const struct daemon *daemon) {
        return segments_tick(&daemon->segments, time_ns(CLOCK_BOOTTIME));
}

static int start_parts(struct daemon *daemon, struct reload *reload) {
        struct segments *segments = &daemon->segments;
        int r;

        lease_start_renewal(daemon->lease, segments_clock(segments));
        r = ledger_new(&daemon->ledger, segments_ledger(segments), segments->run, tick_now(daemon));
        if (r == 0) {
                ledger_copy_fence(daemon->ledger, &segments_clock(segments)->fence);
                fence_init(&daemon->fence, daemon->lease, daemon->ledger,
                           id_tick_max(&reload->config->layout));
                r = ticker_new(&daemon->ticker, segments_clock(segments));
        }
        if (r == 0)
                r = wall_clock_new(&daemon->wall_clock, &wall_clock_kernel);
        if (r == 0)
                r = clone_watch_new(&daemon->clone_watch, &clone_watch_kernel);
        if (r == 0)
                r = statistics_new(&daemon->statistics, segments_statistics(segments),
                                   &daemon->clients, &daemon->inputs, daemon->ticker,
                                   daemon->lease);
        if (r < 0)
                return log_failure(-r, "start", "the daemon cannot start: %s", strerror(-r));
        daemon->parts = (struct server_parts){
                .config = reload->config,
                .reload = reload,
                .clock = &segments->clock,
                .guard = &segments->guard,
                .wall_clock = daemon->wall_clock,
                .clone_watch = daemon->clone_watch,
                .ticker = daemon->ticker,
                .lease = daemon->lease,
                .ledger = daemon->ledger,
                .fence = &daemon->fence,
                .ledger_segment = segments_ledger(segments),
                .clients = &daemon->clients,
                .inputs = &daemon->inputs,
                .statistics = daemon->statistics,
                .passed = &daemon->passed,
                .adopted = segments->adopted,
        };
        return server_new(&daemon->server, &daemon->parts);
}

static void release_lease(struct daemon *daemon) {
        uint64_t now_tick = tick_now(daemon);

        if (daemon->ledger == NULL)
                lease_release(daemon->lease, 0);
        else
                fence_release(&daemon->fence,
                              guard_above_fence(&daemon->segments.guard, now_tick) ? now_tick : 0);
}

static void stop_parts(struct daemon *daemon) {
        if (daemon->ticker != NULL)
                ticker_set_running(daemon->ticker, false);
        server_free(daemon->server);
        statistics_free(daemon->statistics);
        ticker_free(daemon->ticker);
        wall_clock_free(daemon->wall_clock);
        clone_watch_free(daemon->clone_watch);
        release_lease(daemon);
        ledger_free(daemon->ledger);
        segments_close(&daemon->segments);
        listen_fds_free(&daemon->passed);
}

/* Its exit status. */
static int run(struct reload *reload) {
        struct daemon daemon = { .segments = { .clock = SEGMENT_NONE,
                                               .ledger = SEGMENT_NONE,
                                               .statistics = SEGMENT_NONE } };
        int r, status = EXIT_SUCCESS;
        bool ready = false;

        CDS_INIT_LIST_HEAD(&daemon.clients);
        r = listen_fds_take(&daemon.passed);
        if (r == 0)
                r = backends_lease_new(&daemon.lease, reload->config);
        if (r == 0)
                r = segments_start(&daemon.segments, reload->config, daemon.lease);
        if (r == 0)
                r = start_parts(&daemon, reload);
        if (r == 0) {
                const struct run run = ledger_run(daemon.ledger);
                const unsigned bits = reload->config->layout.sequence_bits;

                log_event(LOG_LEVEL_INFO, "start", "sfshmd " SFSHM_VERSION " serves workers %"
                          PRIu32 " to %" PRIu64 " on %s", run.start >> bits,
                          (run_end(run) >> bits) - 1, server_socket(daemon.server));
                sd_notify(0, "READY=1");
                ready = true;
                r = server_run(daemon.server);
                (void)notify_send("STOPPING=1", NULL, 0);
        }
        stop_parts(&daemon);
        if (r == 0)
                log_event(LOG_LEVEL_INFO, "stop", "stopped; what clients hold runs out by itself");
        else
                status = ready ? STATUS_RUNTIME : (int)exit_status_of(r);
        if (r < 0 && !ready)
                exit_status_tell(status);
        return status;
}

int main(int argc, char *argv[]) {
        struct options options = { .sets = calloc((size_t)argc + 1, sizeof(char *)) };
        struct config *config = NULL;
        int r = STATUS_USAGE;

        if (options.sets == NULL)
                return STATUS_RUNTIME;
        if (parse_options(argc, argv, &options) == 0) {
                r = EXIT_SUCCESS;
                if (!options.done && config_load(&config, options.config, options.sets) < 0)
                        r = STATUS_USAGE;
        }
        if (config != NULL && (options.fence_above != NULL || options.workers)) {
                r = options.workers ? workers_command(config, &options.request) :
                                      fence_above(config, options.fence_above,
                                                  options.request.force);
                r = r == 0 ? EXIT_SUCCESS : r == -EINVAL ? STATUS_USAGE : (int)exit_status_of(r);
        } else if (config != NULL) {
                struct reload reload = { .config = config, .path = options.config,
                                         .sets = options.sets };

                prepare_process();
                r = run(&reload);
        }
        config_free(config);
        free(options.sets);
        return r;
}
