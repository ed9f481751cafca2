/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/history/archive.h"
#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/find.h"
#include "libclient/observe/number.h"
#include "libclient/observe/print.h"
#include "libclient/observe/segments.h"
#include "libclient/tools/command.h"
#include "libclient/tools/container.h"
#include "libclient/tools/id_line.h"
#include "libclient/tools/maker.h"
#include "shm/isotime.h"

#define CONTAINER 600

struct answer {
        uint64_t id;
        struct id_parts parts;
        struct maker_found found;
        char host[BLOCK_HOST];
        const char *cgroup;
        char time[ISOTIME_SIZE], started[ISOTIME_SIZE], container[CONTAINER];
        const struct passwd *user;
};

static void fill_process(struct answer *answer) {
        const struct picture_client *client = &answer->found.client;

        answer->cgroup = client->cgroup != NULL ? client->cgroup : "";
        container_of(answer->cgroup, answer->container, sizeof(answer->container));
        answer->user = getpwuid(client->uid);
        if (client->start_unix_ms != 0)
                isotime_format(client->start_unix_ms, answer->started);
}

static void print_json_text(const char *name, const char *text) {
        printf(",\"%s\":", name);
        print_json_string(stdout, text, strlen(text));
}

static void print_json_process(const struct answer *answer) {
        const struct picture_client *client = &answer->found.client;

        printf(",\"pid\":%" PRIu32 ",\"uid\":%" PRIu32, client->pid, client->uid);
        print_json_text("user", answer->user != NULL ? answer->user->pw_name : "");
        print_json_text("started", answer->started);
        print_json_text("command", client->comm);
        print_json_text("cgroup", answer->cgroup);
        print_json_text("container", answer->container);
        printf(",\"client\":%" PRIu64 ",\"lane\":%u", client->number, answer->found.lane);
}

static void print_json(const struct answer *answer) {
        static const char *const names[] = { "process", "nobody", "unknown" };

        printf("{\"id\":\"%" PRIu64 "\",\"time\":\"%s\",\"worker\":%" PRIu64, answer->id,
               answer->time, answer->parts.worker);
        print_json_text("host", answer->host);
        print_json_text("answer", names[answer->found.answer]);
        if (answer->found.answer == MAKER_PROCESS)
                print_json_process(answer);
        else
                print_json_text("reason", answer->found.reason);
        puts("}");
}

static void print_plain_text(const char *text) {
        print_plain(stdout, text, strlen(text));
}

static void print_process(const struct answer *answer) {
        const struct picture_client *client = &answer->found.client;

        if (client->pid == 0)
                fputs("a process of a PID namespace that the host does not see", stdout);
        else
                printf("process %" PRIu32, client->pid);
        if (client->comm[0] != '\0') {
                fputs(" (", stdout);
                print_plain_text(client->comm);
                fputs(")", stdout);
        }
        fputs(", or one that it forked with its handle", stdout);
        if (answer->started[0] != '\0')
                printf("; started %s", answer->started);
        printf("; uid %" PRIu32, client->uid);
        if (answer->user != NULL)
                printf(" (%s)", answer->user->pw_name);
        if (answer->cgroup[0] != '\0') {
                fputs("; cgroup ", stdout);
                print_plain_text(answer->cgroup);
        }
        if (answer->container[0] != '\0') {
                fputs("; container ", stdout);
                print_plain_text(answer->container);
        }
        fputs("\n", stdout);
}

static void print_text(const struct answer *answer) {
        printf("%" PRIu64 "  %s  worker %" PRIu64, answer->id, answer->time, answer->parts.worker);
        if (answer->host[0] != '\0') {
                fputs(" of ", stdout);
                print_plain_text(answer->host);
        }
        fputs(": ", stdout);
        if (answer->found.answer == MAKER_PROCESS)
                print_process(answer);
        else
                printf("%s%s\n", answer->found.answer == MAKER_UNKNOWN ? "cannot say: " : "",
                       answer->found.reason);
}

/* Returns 0 if the process is known, else 1. */
static int tell(struct maker *maker, bool json, uint64_t id) {
        struct answer answer = { .id = id, .cgroup = "" };
        uint64_t tick, position;

        if (id_decompose(&maker->layout, id, &answer.parts) < 0)
                return print_error("%" PRIu64 ": its time does not fit", id);
        position = id & ((UINT64_C(1) << id_position_bits(&maker->layout)) - 1);
        tick = id >> id_position_bits(&maker->layout);
        if (maker_find(maker, tick, (uint32_t)position, &answer.found) < 0)
                return print_error("out of memory");
        isotime_format(answer.parts.unix_ms, answer.time);
        snprintf(answer.host, sizeof(answer.host), "%s", answer.found.host);
        if (answer.host[0] == '\0')
                (void)gethostname(answer.host, sizeof(answer.host) - 1);
        if (answer.found.answer == MAKER_PROCESS)
                fill_process(&answer);
        (json ? print_json : print_text)(&answer);
        return answer.found.answer == MAKER_PROCESS ? 0 : 1;
}

static int tell_text(struct maker *maker, bool json, const char *text, size_t length) {
        char quoted[PRINT_QUOTED_SIZE];
        const char *id_text = text;
        size_t digits = length;
        uint64_t id;

        if (length > 0 && text[0] == '{')
                (void)id_line_find_json(text, length, &id_text, &digits);
        if (number_parse(id_text, digits, &id) < 0 || id > (uint64_t)INT64_MAX)
                return print_error("%s is not an ID", print_quoted(text, length, quoted));
        return tell(maker, json, id);
}

static int tell_stream(struct maker *maker, bool json) {
        char *line = NULL;
        size_t room = 0;
        ssize_t n;
        int status = 0;

        while ((n = getline(&line, &room, stdin)) >= 0 && !ferror(stdout)) {
                size_t length = strcspn(line, "\r\n");

                if (length > 0)
                        status |= tell_text(maker, json, line, length);
        }
        free(line);
        return status;
}

/* The daemon.shm of the daemon behind the socket. */
static const char *shm_of(const struct command_options *options, struct find *find) {
        if (options->shm != NULL)
                return options->shm;
        find_by_socket(daemon_socket_path(options->socket), find);
        return find->shm[0] != '\0' ? find->shm : SEGMENTS_DEFAULT_SHM;
}

int command_who(const struct command_options *options, char *const arguments[], int n) {
        const char *path = options->directory != NULL ? options->directory : ARCHIVE_DEFAULT;
        static struct find find;
        struct maker maker;
        int status = 0, error;

        if (n == 0 && isatty(STDIN_FILENO))
                return print_usage_error("'who' needs IDs, as arguments or from a pipe: one on "
                                         "each line");
        if (maker_open(&maker, path, shm_of(options, &find), &error) < 0)
                return print_error("there is no record in %s (%s), and no history of a daemon "
                                   "that can be read: run sfshm-recorder, and this as root or as "
                                   "a member of the daemon's group (sfshm)", path,
                                   error < 0 ? strerror(-error) : "it is empty");
        if (n == 0)
                status = tell_stream(&maker, options->json);
        for (int i = 0; i < n && !ferror(stdout); i++)
                status |= tell_text(&maker, options->json, arguments[i], strlen(arguments[i]));
        maker_close(&maker);
        return print_finish(stdout) | status;
}
