/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/config/load.h"
#include "daemon/repair/fence_above.h"
#include "daemon/repair/workers.h"
#include "daemon/util/log.h"
#include "daemon/util/log_output.h"
#include "daemon/host/notify.h"
#include "daemon/host/exit_status.h"
#include "daemon/server/start.h"
#include "shm/process/process.h"

enum {
        OPTION_FENCE_ABOVE = 256,
        OPTION_FORCE,
        OPTION_WORKERS,
        OPTION_JSON,
        OPTION_ALL_REGIONS,
        OPTION_RELEASE,
        OPTION_BEGIN,
        OPTION_SPACE,
        OPTION_ABOVE,
        OPTION_YES,
        OPTION_CHECK,
        OPTION_LOG,
};

struct options {
        const char *config;
        char **sets; /* NULL-terminated; with room for all arguments */
        const char *fence_above; /* NULL: serve */
        bool check;              /* --check */
        bool json_log;           /* --log=json */
        bool workers;            /* --workers: */
        struct workers_request request; /* `force` is also that of --fence-above */
        bool done; /* --help or --version was answered */
};

static const char help[] =
        "Usage: sfshmd [--config FILE] [--set SECTION.KEY=VALUE]...\n"
        "       sfshmd --fence-above ID|TIME [--force] [--config FILE] [--set ...]...\n"
        "       sfshmd --check [--config FILE] [--set ...]...\n"
        "       sfshmd --workers [--json] [--all-regions] [--config FILE] [--set ...]...\n"
        "       sfshmd --workers --release IDS [--above ID|TIME] [--force] [--yes] ...\n"
        "       sfshmd --workers --begin [--above ID|TIME] [--space HEX] [--force] ...\n"
        "Hands out unique, time-sorted 64-bit IDs to the processes of this host.\n"
        "\n"
        "  -c, --config FILE            read FILE instead of /etc/sfshm/sfshmd.conf\n"
        "  -s, --set SECTION.KEY=VALUE  overrides the files; may be given repeatedly\n"
        "      --check                  tells what a start would refuse, and changes nothing\n"
        "      --log FORMAT             text, or json for an object a line, unless they go to the journal\n"
        "      --fence-above ID|TIME    makes the next start begin above that, see sfshm(1)\n"
        "      --force                  even if that is more than a day ahead\n"
        "      --workers                shows which hosts have which worker IDs, see sfshm(1)\n"
        "  -h, --help                   shows this\n"
        "  -V, --version                shows the version\n"
        "\n"
        "To try it without privileges:\n"
        "  sfshmd --set workers.first=0 --set daemon.socket=$HOME/sfshm.sock \\\n"
        "         --set daemon.state_dir=$HOME/sfshm-state --set daemon.shm=/sfshm-$USER\n"
        "See sfshmd(8) and sfshmd.conf(5).\n";

static void set_request(struct options *options, int option) {
        struct workers_request *request = &options->request;

        options->workers |= option == OPTION_WORKERS;
        options->check |= option == OPTION_CHECK;
        request->force |= option == OPTION_FORCE;
        request->json |= option == OPTION_JSON;
        request->all_regions |= option == OPTION_ALL_REGIONS;
        request->yes |= option == OPTION_YES;
        request->begin |= option == OPTION_BEGIN;
        if (option == OPTION_SPACE)
                request->space = optarg;
        if (option == OPTION_RELEASE)
                request->release = optarg;
        if (option == OPTION_ABOVE)
                request->above = optarg;
}

static int say_usage(void) {
        fputs("Try 'sfshmd --help'.\n", stderr);
        return -EINVAL;
}

static int set_log(struct options *options, const char *format) {
        options->json_log = strcmp(format, "json") == 0;
        if (options->json_log || strcmp(format, "text") == 0)
                return 0;
        fprintf(stderr, "sfshmd: --log is text or json, not '%s'\n", format);
        return say_usage();
}

/* An option that would be ignored is an error. */
static int check_request(const struct options *options) {
        const struct workers_request *request = &options->request;
        bool changes = options->workers && (request->release != NULL || request->begin);
        const char *wrong = NULL;

        if (options->workers && options->fence_above != NULL)
                wrong = "--workers and --fence-above exclude each other";
        else if (options->check && (options->workers || options->fence_above != NULL))
                wrong = "--check excludes --workers and --fence-above";
        else if (request->force && options->fence_above == NULL && !changes)
                wrong = "--force is an option of --fence-above, --release and --begin only";
        else if (!options->workers && (request->json || request->all_regions || request->release ||
                                       request->begin || request->space))
                wrong = "--json, --all-regions, --release, --begin and --space are options of "
                        "--workers only";
        else if (request->begin && request->release)
                wrong = "--begin and --release exclude each other";
        else if (request->space && !request->begin)
                wrong = "--space is an option of --begin only";
        else if (!request->release && request->yes)
                wrong = "--yes is an option of --release only";
        else if (!changes && request->above)
                wrong = "--above is an option of --release and --begin only";
        else if (changes && (request->json || request->all_regions))
                wrong = "--release and --begin take neither --json nor --all-regions";
        if (wrong == NULL)
                return 0;
        fprintf(stderr, "sfshmd: %s\n", wrong);
        return say_usage();
}

/* 0; or -EINVAL, after a message. */
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
                { "begin", no_argument, NULL, OPTION_BEGIN },
                { "space", required_argument, NULL, OPTION_SPACE },
                { "yes", no_argument, NULL, OPTION_YES },
                { "check", no_argument, NULL, OPTION_CHECK },
                { "log", required_argument, NULL, OPTION_LOG },
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
                } else if (option == OPTION_LOG) {
                        if (set_log(options, optarg) < 0)
                                return -EINVAL;
                } else if (option >= OPTION_FORCE) {
                        set_request(options, option);
                } else if (option == 'h' || option == 'V') {
                        fputs(option == 'h' ? help : "sfshmd " SFSHM_VERSION "\n", stdout);
                        options->done = true;
                        return 0;
                } else {
                        return say_usage(); /* below the message of getopt_long(3) */
                }
        }
        if (optind < argc) {
                fprintf(stderr, "sfshmd: unexpected argument '%s'\n", argv[optind]);
                return say_usage();
        }
        return check_request(options);
}

static bool options_serve(const struct options *options) {
        return !options->done && !options->check && !options->workers &&
               options->fence_above == NULL;
}

/* Before any thread starts that does not block them: the server reads the signals that stop
 * it, and SIGHUP. */
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
                /* A client takes two descriptors, or three if it will be stored or was
                 * adopted. If this fails, fewer clients fit. */
                (void)setrlimit(RLIMIT_NOFILE, &files);
        }
}

/* Returns the exit status. */
static int serve(struct reload *reload) {
        struct server server;
        int status = EXIT_SUCCESS, r = server_start(&server, reload);
        bool ready = r == 0;

        if (r == -ECANCELED) {
                r = 0;
                (void)notify_send("STOPPING=1", NULL, 0);
        } else if (ready) {
                r = server_run(&server);
                (void)notify_send("STOPPING=1", NULL, 0);
        }
        server_stop(&server);
        if (r == 0)
                log_event(EVENT_STOP, "stopped; what clients hold runs out by itself");
        else
                status = ready ? STATUS_RUNTIME : (int)exit_status_of(r);
        if (r < 0 && !ready)
                exit_status_tell(status);
        if (server.stuck) {
                log_stop();
                _exit(status);
        }
        return status;
}

/* Returns the exit status. Somebody may run it, and believe it, as another user. */
static int check(const struct config *config) {
        int start = server_check(config), coordinator = workers_check(config);
        int r = start < 0 ? start : coordinator;

        if (r == 0)
                printf("sfshmd would start as uid %u.\n", (unsigned)geteuid());
        return r == 0 ? EXIT_SUCCESS : (int)exit_status_of(r);
}

/* Of what does not serve. Returns `status`, or that the output failed. */
static int finish_output(int status) {
        int r = process_finish(stdout);

        if (r < 0)
                fprintf(stderr, "sfshmd: cannot write the output: %s\n", strerror(-r));
        return r < 0 && status == EXIT_SUCCESS ? STATUS_RUNTIME : status;
}

int main(int argc, char *argv[]) {
        struct options options = { .sets = calloc((size_t)argc + 1, sizeof(char *)) };
        struct config *config = NULL;
        int r = STATUS_USAGE;

        process_begin();
        if (options.sets == NULL)
                return STATUS_RUNTIME;
        if (parse_options(argc, argv, &options) == 0) {
                r = EXIT_SUCCESS;
                log_output_json(options.json_log);
                if (options_serve(&options) && log_start() < 0)
                        r = STATUS_RUNTIME;
                else if (!options.done && config_load(&config, options.config, options.sets) < 0)
                        r = STATUS_USAGE;
        }
        if (config != NULL && (options.fence_above != NULL || options.workers)) {
                r = options.workers ? workers_command(config, &options.request) :
                                      fence_above(config, options.fence_above,
                                                  options.request.force);
                r = r == 0 ? EXIT_SUCCESS : r == -EINVAL ? STATUS_USAGE : (int)exit_status_of(r);
        } else if (config != NULL && options.check) {
                r = check(config);
        } else if (config != NULL) {
                struct reload reload = { .config = config, .path = options.config,
                                         .sets = options.sets };

                prepare_process();
                r = serve(&reload);
        }
        log_stop();
        if (!options_serve(&options))
                r = finish_output(r);
        config_free(config);
        free(options.sets);
        return r;
}
