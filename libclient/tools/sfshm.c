/* SPDX-License-Identifier: MIT */
/* sfshm(1): the command line. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/tools/command.h"
#include "libclient/tools/number.h"
#include "libclient/tools/print.h"
#include "shm/id.h"
#include "shm/isotime.h"

#define COUNT_MAX (UINT64_C(1) << 40)

static const char usage[] =
        "Usage: sfshm next [-n N] [--json] [--parallel] [--socket PATH]\n"
        "       sfshm decode [--json] [LAYOUT] ID...|-\n"
        "       sfshm first [--json] [LAYOUT] TIME\n"
        "       sfshm clock [--json] [--shm NAME|DIR]\n"
        "       sfshm clock accept [--socket PATH]\n"
        "       sfshm fence --above ID|TIME [--force] [--config FILE] [--set KEY=VALUE]...\n"
        "       sfshm workers [--json] [--all-regions] [--config FILE] [--set KEY=VALUE]...\n"
        "       sfshm workers --release IDS [--above ID|TIME] [--force] [--yes] ...\n"
        "\n"
        "next     allocate IDs and print them, one on each line\n"
        "decode   decode IDs (decimal or 0x...; - reads them from standard input)\n"
        "first    print the lowest ID of a time\n"
        "clock    show the daemon's clock; accept: let it follow the wall clock\n"
        "fence    let the next sfshmd start above an ID or a time; stop sfshmd first\n"
        "workers  show which hosts have which worker IDs; --release frees those of a dead\n"
        "         host\n"
        "\n"
        "  -n, --count N        how many IDs (1; at most 1099511627776)\n"
        "      --json           one JSON object on each line, IDs as strings\n"
        "      --parallel       several lanes: unique and k-sorted, but not in one order\n"
        "      --socket PATH    the daemon's socket ($SFSHM_SOCKET, /run/sfshm/sfshm.sock)\n"
        "      --shm NAME|DIR   the daemon's daemon.shm (/sfshm)\n"
        "      --above ID|TIME  a decimal ID of the layout, or a time\n"
        "      --force          even if more than a day ahead, or if the host is alive\n"
        "      --release IDS    worker IDs within the region, such as 7 or 0-3,7\n"
        "      --all-regions    not only the configured region\n"
        "      --yes            do not ask for confirmation\n"
        "  -c, --config FILE    as for sfshmd\n"
        "  -s, --set KEY=VALUE  as for sfshmd\n"
        "      --help           show this\n"
        "      --version        show the version\n"
        "\n"
        "TIME is 2026-11-23T18:00:00Z or another form that sfshm(1) lists.\n"
        "\n"
        "LAYOUT is that of the running daemon, or given by any of:\n"
        "      --layout T/W/S   bits of tick, worker and sequence (41/10/12)\n"
        "      --epoch TIME     the time of tick 0 (2025-01-01T00:00:00Z)\n"
        "      --region-bits N  how many high bits of the worker are the region (0)\n";

/* Groups of options. Each command takes some of them. */
enum option_group {
        GROUP_NEXT = 1 << 0, /* -n, --parallel */
        GROUP_JSON = 1 << 1,
        GROUP_SOCKET = 1 << 2,
        GROUP_SHM = 1 << 3,
        GROUP_LAYOUT = 1 << 4,
        GROUP_FENCE = 1 << 5, /* --above, --force, --config, --set */
        GROUP_WORKERS = 1 << 6, /* --release, --all-regions, --yes */
};

static const struct {
        const char *name;
        command_fn run;
        unsigned takes;      /* enum option_group */
        const char *instead; /* what to use instead of arguments; NULL: it takes some */
} commands[] = {
        { "next", command_next, GROUP_NEXT | GROUP_JSON | GROUP_SOCKET,
          "-n N for several IDs" },
        { "decode", command_decode, GROUP_JSON | GROUP_SOCKET | GROUP_LAYOUT, NULL },
        { "first", command_first, GROUP_JSON | GROUP_SOCKET | GROUP_LAYOUT, NULL },
        { "clock", command_clock, GROUP_JSON | GROUP_SOCKET | GROUP_SHM, NULL },
        { "fence", command_fence, GROUP_FENCE, "--above ID|TIME" },
        { "workers", command_workers, GROUP_FENCE | GROUP_JSON | GROUP_WORKERS,
          "--release IDS" },
};

static int value_error(const char *option, const char *value, const char *allowed) {
        char quoted[PRINT_QUOTED_SIZE];

        return print_error("%s: %s is not %s", option, print_quoted(value, strlen(value), quoted),
                           allowed);
}

static int set_layout(struct command_options *options, const char *text) {
        struct id_layout parsed = id_layout_default;

        if (id_layout_parse(text, &parsed) < 0)
                return value_error("--layout", text,
                                   "a layout: three numbers of bits that add up "
                                   "to 63, such as 41/10/12");
        if (parsed.worker_bits > 32 || parsed.sequence_bits > 32)
                return value_error("--layout", text,
                                   "possible: worker and sequence have at most "
                                   "32 bits each");
        options->layout.tick_bits = parsed.tick_bits;
        options->layout.worker_bits = parsed.worker_bits;
        options->layout.sequence_bits = parsed.sequence_bits;
        return 0;
}

static int set_epoch(struct command_options *options, const char *text) {
        if (id_epoch_parse(text, &options->layout.epoch_unix_ms) < 0)
                return value_error("--epoch", text,
                                   "a time: say " ISOTIME_FORMS " or Unix milliseconds");
        return 0;
}

static int set_region_bits(struct command_options *options, const char *text) {
        uint64_t bits;

        if (number_parse(text, strlen(text), &bits) < 0 || bits > ID_BITS)
                return value_error("--region-bits", text, "a number of bits");
        options->layout.region_bits = (uint8_t)bits;
        return 0;
}

static int set_count(struct command_options *options, const char *text) {
        if (number_parse(text, strlen(text), &options->count) < 0 || options->count < 1 ||
            options->count > COUNT_MAX)
                return value_error("-n", text, "a number from 1 to 1099511627776");
        return 0;
}

static int add_setting(struct command_options *options, const char *text) {
        const char **end = options->sets;

        while (*end != NULL)
                end++;
        *end = text;
        return 0;
}

/* The options. Each sets a flag or a text, or calls `set`, which returns 0, or 1 after
 * printing an error. */
#define FIELD(name) offsetof(struct command_options, name)
static const struct known_option {
        const char *name;
        int letter; /* 0: none */
        unsigned group;
        size_t flag, text; /* FIELD(); 0: neither */
        int (*set)(struct command_options *options, const char *value);
} known_options[] = {
        { "count", 'n', GROUP_NEXT, .set = set_count },
        { "json", 0, GROUP_JSON, .flag = FIELD(json) },
        { "parallel", 0, GROUP_NEXT, .flag = FIELD(parallel) },
        { "socket", 0, GROUP_SOCKET, .text = FIELD(socket) },
        { "shm", 0, GROUP_SHM, .text = FIELD(shm) },
        { "above", 0, GROUP_FENCE, .text = FIELD(above) },
        { "force", 0, GROUP_FENCE, .flag = FIELD(force) },
        { "release", 0, GROUP_WORKERS, .text = FIELD(release) },
        { "all-regions", 0, GROUP_WORKERS, .flag = FIELD(all_regions) },
        { "yes", 0, GROUP_WORKERS, .flag = FIELD(yes) },
        { "config", 'c', GROUP_FENCE, .text = FIELD(config) },
        { "set", 's', GROUP_FENCE, .set = add_setting },
        { "layout", 0, GROUP_LAYOUT, .set = set_layout },
        { "epoch", 0, GROUP_LAYOUT, .set = set_epoch },
        { "region-bits", 0, GROUP_LAYOUT, .set = set_region_bits },
        { "help", 0, 0, .flag = FIELD(help) },
        { "version", 0, 0, .flag = FIELD(version) },
};
#define KNOWN_OPTIONS (sizeof(known_options) / sizeof(known_options[0]))

static int set_option(struct command_options *options, const struct known_option *option,
                      const char *value) {
        if (option->flag != 0)
                *(bool *)((uintptr_t)options + option->flag) = true;
        else if (option->text != 0)
                *(const char **)((uintptr_t)options + option->text) = value;
        else
                return option->set(options, value);
        return 0;
}

/* An option that the command would ignore is an error. */
static int check_options(const struct command_options *options, const char *command,
                         unsigned wrong) {
        if ((wrong & GROUP_LAYOUT) != 0)
                return print_error("'%s' takes no layout: the daemon decides on it", command);
        if ((wrong & GROUP_NEXT) != 0)
                return print_error("-n and --parallel are options of 'next' only");
        if ((wrong & GROUP_FENCE) != 0)
                return print_error("--above, --force, --config and --set are options of 'fence' "
                                   "and 'workers' only");
        if ((wrong & GROUP_WORKERS) != 0)
                return print_error("--release, --all-regions and --yes are options of 'workers' "
                                   "only");
        if ((wrong & GROUP_SHM) != 0)
                return print_error("--shm is an option of 'clock' only");
        if (wrong != 0)
                return print_error("'%s' takes no %s", command,
                                   (wrong & GROUP_JSON) != 0 ? "--json" : "--socket");
        if (options->offline && options->socket)
                return print_error("--socket and a layout exclude each other: "
                                   "with a layout the daemon is not asked");
        if (options->layout.region_bits > options->layout.worker_bits)
                return print_error("--region-bits %u is more than the %u worker bits of the layout",
                                   options->layout.region_bits, options->layout.worker_bits);
        return 0;
}

static int run_command(const struct command_options *options, unsigned given, char *words[],
                       int n) {
        char quoted[PRINT_QUOTED_SIZE];

        if (n == 0) {
                fputs(usage, stderr);
                return 1;
        }
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                if (strcmp(words[0], commands[i].name) != 0)
                        continue;
                if (check_options(options, words[0], given & ~commands[i].takes) != 0)
                        return 1;
                if (n > 1 && commands[i].instead != NULL)
                        return print_error("'%s' takes no argument, but got %s; use %s", words[0],
                                           print_quoted(words[1], strlen(words[1]), quoted),
                                           commands[i].instead);
                return commands[i].run(options, words + 1, n - 1);
        }
        return print_error("%s is not a command: use next, decode, first, clock, fence or "
                           "workers (sfshm --help)",
                           print_quoted(words[0], strlen(words[0]), quoted));
}

static void fill_long_options(struct option ret[KNOWN_OPTIONS + 1]) {
        ret[KNOWN_OPTIONS] = (struct option){ .name = NULL };
        for (size_t i = 0; i < KNOWN_OPTIONS; i++)
                ret[i] = (struct option){ .name = known_options[i].name,
                                          .has_arg = known_options[i].flag == 0,
                                          .val = known_options[i].letter };
}

static int run(struct command_options *options, int argc, char *argv[]) {
        struct option long_options[KNOWN_OPTIONS + 1];
        unsigned given = 0;
        int code, at;

        fill_long_options(long_options);
        while ((code = getopt_long(argc, argv, "n:c:s:", long_options, &at)) != -1) {
                if (code == '?')
                        return print_error("see sfshm --help");
                for (at = code == 0 ? at : 0; known_options[at].letter != code; at++)
                        ;
                given |= known_options[at].group;
                if (set_option(options, &known_options[at], optarg) != 0)
                        return 1;
                if (options->help || options->version) {
                        fputs(options->help ? usage : "sfshm " SFSHM_VERSION "\n", stdout);
                        return print_finish(stdout);
                }
        }
        options->offline = (given & GROUP_LAYOUT) != 0;
        return run_command(options, given, argv + optind, argc - optind);
}

int main(int argc, char *argv[]) {
        struct command_options options = { .count = 1, .layout = SFSHM_LAYOUT_DEFAULT };
        int status;

        /* at most as many as there are arguments */
        options.sets = calloc((size_t)argc + 1, sizeof(*options.sets));
        if (options.sets == NULL)
                return print_error("out of memory");
        status = run(&options, argc, argv);
        free(options.sets);
        return status;
}
