/* SPDX-License-Identifier: MIT */
/* What sfshm-exporter tells a probe in each state. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/exporter/answers.h"

static const struct history history;

static struct answer ask(const char *path, enum sample_state state, int64_t resume_ms) {
        struct sample sample = { .state = state,
                                 .socket = "/s",
                                 .why = "because",
                                 .resume_ms = resume_ms,
                                 .reason = CLOCK_REASON_HELD };
        struct answer answer;

        answer_of(path)(&sample, &history, &answer);
        cr_assert_not_null(answer.body);
        cr_assert_eq(strlen(answer.body), answer.size);
        return answer;
}

static void expect(const char *path, enum sample_state state, unsigned status, const char *body) {
        struct answer answer = ask(path, state, SAMPLE_UNKNOWN);

        cr_expect_eq(answer.status, status, "%s in state %d", path, state);
        cr_expect_eq(strncmp(answer.body, body, strlen(body)), 0, "%s", answer.body);
        cr_expect_eq(answer.body[answer.size - 1], '\n');
        free(answer.body);
}

Test(exporter_answers, each_state_has_another_body) {
        expect("/readyz", SAMPLE_RUNNING, 200, "serving: sfshmd at /s hands out IDs");
        expect("/readyz", SAMPLE_IDLE, 200, "serving: ");
        expect("/readyz", SAMPLE_STARTING, 503, "starting: sfshmd at /s holds IDs back");
        expect("/readyz", SAMPLE_WAITING, 503, "waiting: sfshmd at /s holds IDs back");
        expect("/readyz", SAMPLE_FAILED, 500, "failed: sfshmd at /s holds IDs back");
        expect("/readyz", SAMPLE_DEAD, 502, "dead: sfshmd at /s is not running (because");
        expect("/readyz", SAMPLE_SILENT, 504, "hung: sfshmd at /s does not answer (because");
        expect("/readyz", SAMPLE_UNCLEAR, 500, "unknown: cannot tell whether");
}

/* Red when a daemon is restarted which waits for a clock or a coordinator. */
Test(exporter_answers, whoever_answers_is_healthy) {
        for (int state = SAMPLE_STARTING; state <= SAMPLE_FAILED; state++)
                expect("/healthz", state, 200, "ok\n");
        expect("/healthz", SAMPLE_DEAD, 502, "dead: ");
        expect("/healthz", SAMPLE_SILENT, 504, "hung: ");
        expect("/healthz", SAMPLE_UNCLEAR, 500, "unknown: ");
}

Test(exporter_answers, says_when_to_ask_again) {
        struct answer answer = ask("/readyz", SAMPLE_WAITING, 2500);

        cr_expect_eq(answer.retry_after_s, 3);
        free(answer.body);
        answer = ask("/readyz", SAMPLE_WAITING, SAMPLE_UNKNOWN);
        cr_expect_eq(answer.retry_after_s, 1);
        free(answer.body);
        answer = ask("/readyz", SAMPLE_FAILED, SAMPLE_UNKNOWN);
        cr_expect_eq(answer.retry_after_s, 0, "only the operator ends that");
        free(answer.body);
}

Test(exporter_answers, no_other_path) {
        cr_expect_null(answer_of("/metrics/"));
        cr_expect_null(answer_of(""));
}
