/* SPDX-License-Identifier: MIT */
#include "libclient/tools/options.h"

#include <getopt.h>
#include <stddef.h>
#include <string.h>

#include "libclient/observe/number.h"
#include "libclient/observe/print.h"
#include "shm/id.h"
#include "shm/isotime.h"

#define WORKERS_MAX 1024 /* of the default layout */
#define COUNT_MAX (UINT64_C(1) << 40)

static int value_error(const char *option, const char *value, const char *allowed) {
        char quoted[PRINT_QUOTED_SIZE];

        return print_usage_error("%s: %s is not %s", option,
                                 print_quoted(value, strlen(value), quoted), allowed);
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
        if (number_parse_count(text, &options->count) < 0 || options->count > COUNT_MAX)
                return value_error("-n", text,
                                   "a number from 0 to 1099511627776, such as 1000, 1k or 1e6");
        return 0;
}

static int set_workers(struct command_options *options, const char *text) {
        if (number_parse(text, strlen(text), &options->workers) < 0 || options->workers < 1 ||
            options->workers > WORKERS_MAX)
                return value_error("--workers", text, "a number from 1 to 1024");
        return 0;
}

static int add_setting(struct command_options *options, const char *text) {
        const char **end = options->sets;

        while (*end != NULL)
                end++;
        *end = text;
        return 0;
}

/* Each sets a flag or a text, or calls `set`, which returns 0, or 2 after printing an
 * error. */
#define FIELD(name) offsetof(struct command_options, name)
static const struct known_option {
        const char *name, *argument; /* NULL: it takes none */
        int letter;                  /* 0: none */
        unsigned group;
        size_t flag, text; /* FIELD(); 0: neither */
        int (*set)(struct command_options *options, const char *value);
        const char *help;
} known[] = {
        { "count", "N", 'n', GROUP_NEXT, .set = set_count,
          .help = "how many IDs (1): 1000, 1k, 1e6" },
        { "parallel", NULL, 0, GROUP_NEXT, .flag = FIELD(parallel),
          .help = "several lanes: unique and k-sorted, but not in one order" },
        { "json", NULL, 0, GROUP_JSON, .flag = FIELD(json),
          .help = "one JSON object on each line, IDs as strings" },
        { "socket", "PATH", 0, GROUP_SOCKET, .text = FIELD(socket),
          .help = "the daemon's socket ($SFSHM_SOCKET or its default)" },
        { "shm", "NAME|DIR", 0, GROUP_SHM, .text = FIELD(shm),
          .help = "the daemon's daemon.shm (/sfshm)" },
        { "directory", "DIR", 0, GROUP_WHO, .text = FIELD(directory),
          .help = "the record (/var/lib/sfshm-recorder)" },
        { "layout", "T/W/S", 0, GROUP_LAYOUT, .set = set_layout,
          .help = "bits of tick, worker and sequence, such as 41/10/12" },
        { "epoch", "TIME", 0, GROUP_LAYOUT, .set = set_epoch,
          .help = "the time of tick 0, such as 2025-01-01" },
        { "region-bits", "N", 0, GROUP_LAYOUT, .set = set_region_bits,
          .help = "how many high bits of the worker are the region" },
        { "above", "ID|TIME", 0, GROUP_FENCE, .text = FIELD(above),
          .help = "a decimal ID of the configured layout, or a time" },
        { "force", NULL, 0, GROUP_FENCE, .flag = FIELD(force),
          .help = "also a time that seems wrong, or if the host is alive" },
        { "begin", NULL, 0, GROUP_WORKERS, .flag = FIELD(begin),
          .help = "begin a space of IDs in the coordinator, once for all hosts" },
        { "space", "HEX", 0, GROUP_WORKERS, .text = FIELD(space),
          .help = "the space that --begin continues, if this host does not know it" },
        { "release", "IDS", 0, GROUP_WORKERS, .text = FIELD(release),
          .help = "free worker IDs of a dead host: 7 or 0-3,7" },
        { "all-regions", NULL, 0, GROUP_WORKERS, .flag = FIELD(all_regions),
          .help = "not only the configured region" },
        { "yes", NULL, 0, GROUP_WORKERS, .flag = FIELD(yes), .help = "do not ask for confirmation" },
        { "workers", "N", 0, GROUP_RUN, .set = set_workers,
          .help = "how many worker IDs (1): 4.1 million IDs/s each" },
        { "config", "FILE", 'c', GROUP_FENCE, .text = FIELD(config), .help = "as for sfshmd" },
        { "set", "KEY=VALUE", 's', GROUP_FENCE, .set = add_setting, .help = "as for sfshmd" },
        { "help", NULL, 'h', GROUP_ALWAYS, .flag = FIELD(help), .help = "show this" },
        { "version", NULL, 'V', GROUP_ALWAYS, .flag = FIELD(version), .help = "show the version" },
};
#define KNOWN (sizeof(known) / sizeof(known[0]))
_Static_assert(KNOWN <= 32, "one bit for each in struct options_given");

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

/* The table as getopt_long(3) wants it. */
static void fill_getopt(struct option ret[KNOWN + 1], char ret_letters[2 * KNOWN + 1]) {
        ret[KNOWN] = (struct option){ .name = NULL };
        for (size_t i = 0; i < KNOWN; i++) {
                ret[i] = (struct option){ .name = known[i].name,
                                          .has_arg = known[i].argument != NULL,
                                          .val = known[i].letter };
                if (known[i].letter != 0)
                        *ret_letters++ = (char)known[i].letter;
                if (known[i].letter != 0 && known[i].argument != NULL)
                        *ret_letters++ = ':';
        }
        *ret_letters = '\0';
}

int options_parse(struct command_options *ret, struct options_given *ret_given, int argc,
                  char *argv[]) {
        struct option long_options[KNOWN + 1];
        char letters[2 * KNOWN + 1];
        int code, at;

        *ret_given = (struct options_given){ 0 };
        fill_getopt(long_options, letters);
        while ((code = getopt_long(argc, argv, letters, long_options, &at)) != -1) {
                if (code == '?') {
                        print_usage_hint();
                        return -1;
                }
                for (at = code == 0 ? at : 0; known[at].letter != code; at++)
                        ;
                ret_given->rows |= UINT32_C(1) << at;
                ret->offline |= known[at].group == GROUP_LAYOUT;
                if (set_option(ret, &known[at], optarg) != 0)
                        return -1;
        }
        return optind;
}

int options_check(const struct command_options *options, const struct options_given *given,
                  const char *command, unsigned groups) {
        for (size_t i = 0; i < KNOWN; i++) {
                if ((given->rows >> i & 1) == 0 || (known[i].group & (groups | GROUP_ALWAYS)) != 0)
                        continue;
                if (known[i].group == GROUP_LAYOUT)
                        return print_usage_error("'%s' takes no layout: the daemon decides on it",
                                                 command);
                return print_usage_error("'%s' takes no --%s", command, known[i].name);
        }
        if (options->offline && options->socket)
                return print_usage_error("--socket and a layout exclude each other: with a layout "
                                         "the daemon is not asked");
        if (options->layout.region_bits > options->layout.worker_bits)
                return print_usage_error("--region-bits %u is more than the %u worker bits of the "
                                         "layout", options->layout.region_bits,
                                         options->layout.worker_bits);
        return 0;
}

void options_print(FILE *out, unsigned groups) {
        for (size_t i = 0; i < KNOWN; i++) {
                char left[32];

                if ((known[i].group & groups) == 0)
                        continue;
                snprintf(left, sizeof(left), "--%s%s%s", known[i].name,
                         known[i].argument != NULL ? " " : "",
                         known[i].argument != NULL ? known[i].argument : "");
                if (known[i].letter != 0)
                        fprintf(out, "  -%c, %-17s", known[i].letter, left);
                else
                        fprintf(out, "      %-17s", left);
                fprintf(out, " %s\n", known[i].help);
        }
}
