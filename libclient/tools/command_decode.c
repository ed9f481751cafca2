/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/tools/command.h"
#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/find.h"
#include "libclient/tools/id_line.h"
#include "libclient/observe/number.h"
#include "libclient/observe/print.h"
#include "shm/isotime.h"

#define ID_MAX ((uint64_t)INT64_MAX)
#define S_PER_DAY 86400
#define TIME_FORMS ISOTIME_FORMS ", Unix milliseconds, now or today"
#define LINE_MAX_BYTES 512 /* a line of --json has some 150 bytes */

struct decoding {
        struct sfshm_layout layout;
        bool json;
        bool titled; /* the header is printed once, above the first line */
};

void command_layout(const struct command_options *options, struct sfshm_layout *ret) {
        const char *socket = daemon_socket_path(options->socket);
        struct id_layout known;
        char why[FIND_WHY];

        *ret = options->layout;
        if (options->offline)
                return;
        if (find_layout(socket, &known, why)) {
                *ret = (struct sfshm_layout){ .tick_bits = known.tick_bits,
                                              .worker_bits = known.worker_bits,
                                              .sequence_bits = known.sequence_bits,
                                              .region_bits = known.region_bits,
                                              .epoch_unix_ms = known.epoch_unix_ms };
                return;
        }
        print_error("note: sfshmd at %s tells no layout (%s): this is the default, 41/10/12 from "
                    "2025-01-01; for another, say --layout and --epoch", socket, why);
}

static int id_error(const char *where, const char *text, size_t length, const char *why) {
        char quoted[PRINT_QUOTED_SIZE];

        return print_error("%s%s is not an ID: %s", where, print_quoted(text, length, quoted), why);
}

/* `where` is "" or "standard input, line 7: ". Returns 0 or 1. */
static int decode_text(struct decoding *decoding, const char *where, const char *text,
                       size_t length) {
        uint64_t id;
        int r = number_parse(text, length, &id);

        if (r == -EINVAL)
                return id_error(where, text, length,
                                "an ID has decimal digits, or 0x and hexadecimal digits");
        if (r == -ERANGE || id > ID_MAX)
                return id_error(where, text, length,
                                "it is larger than the largest, 9223372036854775807");
        r = decoding->json ? id_line_print_json(stdout, &decoding->layout, id)
                           : id_line_print(stdout, &decoding->layout, id, &decoding->titled);
        if (r == -ERANGE)
                return id_error(where, text, length, "its time or one of its parts does not fit");
        if (r < 0)
                return id_error(where, text, length, sfshm_strerror(r));
        return 0;
}

/* A line: an ID, or an object as --json prints it. */
static int decode_line(struct decoding *decoding, const char *where, const char *line,
                       size_t length) {
        const char *id = line;
        size_t digits = length;

        if (length > 0 && line[0] == '{' && !id_line_find_json(line, length, &id, &digits))
                return id_error(where, line, length,
                                "of JSON only objects are read that begin with "
                                "{\"id\":\"...\", as --json prints them");
        return decode_text(decoding, where, id, digits);
}

/* Reads a line without its newline and the blanks around it. Returns its length before it was
 * cut to LINE_MAX_BYTES, or -1 at the end of the input. */
static int64_t read_line(FILE *in, char line[LINE_MAX_BYTES]) {
        int64_t length = 0;
        int c;

        while ((c = getc(in)) != EOF && c != '\n') {
                if (length == 0 && (c == ' ' || c == '\t'))
                        continue;
                if (length < LINE_MAX_BYTES)
                        line[length] = (char)c;
                length++;
        }
        if (c == EOF && length == 0)
                return -1;
        while (length > 0 && length <= LINE_MAX_BYTES && strchr(" \t\r", line[length - 1]) &&
               line[length - 1] != '\0')
                length--;
        return length;
}

static int decode_stream(struct decoding *decoding, FILE *in) {
        char line[LINE_MAX_BYTES], where[48];
        uint64_t number = 1;
        int64_t length;
        int status = 0;

        for (; (length = read_line(in, line)) >= 0; number++) {
                snprintf(where, sizeof(where), "standard input, line %" PRIu64 ": ", number);
                if (length > LINE_MAX_BYTES)
                        status = id_error(where, line, LINE_MAX_BYTES, "the line is too long");
                else if (length > 0)
                        status |= decode_line(decoding, where, line, (size_t)length);
                if (ferror(stdout))
                        break;
        }
        if (ferror(in))
                return print_error("cannot read standard input: %s", strerror(errno));
        return status;
}

int command_decode(const struct command_options *options, char *const arguments[], int n) {
        struct decoding decoding = { .json = options->json };
        int status = 0;

        /* whoever types 'sfshm decode' would wait for an answer without end */
        if (n == 0 && isatty(STDIN_FILENO))
                return print_usage_error("'decode' needs IDs, as arguments or from a pipe: one on "
                                         "each line");
        command_layout(options, &decoding.layout);
        if (n == 0)
                status = decode_stream(&decoding, stdin);
        for (int i = 0; i < n && !ferror(stdout); i++) {
                if (strcmp(arguments[i], "-") == 0)
                        status |= decode_stream(&decoding, stdin);
                else
                        status |= decode_text(&decoding, "", arguments[i], strlen(arguments[i]));
        }
        return print_finish(stdout) | status;
}

/* A time between two milliseconds belongs to the IDs of the earlier one. 0, -EINVAL or
 * -ERANGE. */
static int parse_time(const char *text, int64_t *ret_unix_ms) {
        bool is_today = strcmp(text, "today") == 0;
        struct timespec now;

        if (!is_today && strcmp(text, "now") != 0)
                return isotime_parse(text, ISOTIME_ROUND_DOWN | ISOTIME_UNIX_MS, ret_unix_ms);
        clock_gettime(CLOCK_REALTIME, &now);
        if (is_today)
                now = (struct timespec){ .tv_sec = now.tv_sec - now.tv_sec % S_PER_DAY };
        *ret_unix_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
        return 0;
}

int command_first(const struct command_options *options, char *const arguments[], int n) {
        char quoted[PRINT_QUOTED_SIZE];
        struct sfshm_layout layout;
        int64_t unix_ms;
        uint64_t id;
        int r;

        if (n != 1)
                return print_usage_error("'first' needs one time: " TIME_FORMS);
        print_quoted(arguments[0], strlen(arguments[0]), quoted);
        if (parse_time(arguments[0], &unix_ms) < 0)
                return print_usage_error("%s is not a time: say " TIME_FORMS, quoted);
        command_layout(options, &layout);
        r = sfshm_first_id(&layout, unix_ms, &id);
        if (r < 0)
                return print_error("no ID has the time %s: %s", quoted,
                                   r == -ERANGE
                                           ? "it lies before the epoch or after the layout's end"
                                           : sfshm_strerror(r));
        if (options->json)
                id_line_print_json(stdout, &layout, id);
        else
                printf("%" PRIu64 "\n", id);
        return print_finish(stdout);
}
