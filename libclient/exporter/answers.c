/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/exporter/page.h"
#include "libclient/observe/prometheus.h"

#define METRICS "text/plain; version=0.0.4; charset=utf-8"

enum { OK = 200, FAILED = 500, DEAD = 502, HELD = 503, SILENT = 504 };

/* What a probe is told: the first word of the body, and the status, which is another one for
 * each thing to be done. */
static const struct readiness {
        const char *word;
        unsigned status;
} readiness[] = {
        [SAMPLE_UNCLEAR] = { "unknown", FAILED },  [SAMPLE_DEAD] = { "dead", DEAD },
        [SAMPLE_SILENT] = { "hung", SILENT },      [SAMPLE_STARTING] = { "starting", HELD },
        [SAMPLE_RUNNING] = { "serving", OK },      [SAMPLE_IDLE] = { "serving", OK },
        [SAMPLE_WAITING] = { "waiting", HELD },    [SAMPLE_FAILED] = { "failed", FAILED },
};

static void answer_state(const struct sample *sample, const struct history *history,
                         struct answer *ret) {
        const struct readiness *is = &readiness[sample->state];
        char sentence[SAMPLE_TEXT], line[SAMPLE_TEXT + 16];

        (void)history;
        snprintf(line, sizeof(line), "%s: %s", is->word, sample_sentence(sample, sentence));
        answer_line(ret, is->status, line);
        if (is->status == HELD)
                ret->retry_after_s = sample->resume_ms == SAMPLE_UNKNOWN
                                             ? 1
                                             : (unsigned)(sample->resume_ms / 1000 + 1);
}

/* A restart does not help a daemon that answers, whatever it waits for. */
static void answer_health(const struct sample *sample, const struct history *history,
                         struct answer *ret) {
        if (sample_is_up(sample))
                answer_line(ret, OK, "ok");
        else
                answer_state(sample, history, ret);
}

static void answer_metrics(const struct sample *sample, const struct history *history,
                         struct answer *ret) {
        FILE *file;

        (void)history;
        *ret = (struct answer){ .status = OK, .type = METRICS };
        file = open_memstream(&ret->body, &ret->size);
        if (file == NULL)
                return;
        prometheus_print(file, sample);
        if (ferror(file) || fclose(file) != 0) {
                free(ret->body);
                ret->body = NULL;
        }
}

answer_function *answer_of(const char *path) {
        static const struct {
                const char *path;
                answer_function *answer;
        } paths[] = {
                { ANSWERS_PAGE, page_answer },
                { "/metrics", answer_metrics },
                { "/healthz", answer_health },
                { "/readyz", answer_state },
        };

        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
                if (strcmp(path, paths[i].path) == 0)
                        return paths[i].answer;
        return NULL;
}
