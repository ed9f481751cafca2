/* SPDX-License-Identifier: MIT */
/* The page of sfshm-exporter, from samples made up here. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/exporter/history.h"
#include "libclient/exporter/html.h"
#include "libclient/exporter/page.h"
#include "libclient/exporter/troubles.h"

static struct sample sample;
static struct history history;
static struct statistics_client client = { .client = 1, .pid = 41234, .uid = 51234 };

static void set_up(void) {
        sample = (struct sample){ .state = SAMPLE_RUNNING,
                                  .answered = true,
                                  .socket = "/s",
                                  .boot_ns = 1000000000000,
                                  .has_clock = true,
                                  .layout = id_layout_default,
                                  .worker_count = 1,
                                  .guarded_unix_ms = 1700000000000,
                                  .now_lag_ms = 0,
                                  .resume_ms = SAMPLE_UNKNOWN,
                                  .has_statistics = true };
        sample.statistics.header.worker_count = 1;
        sample.statistics.header.updated_boot_ns = sample.boot_ns;
        sample.statistics.header.client_count = 1;
        sample.statistics.clients = &client;
        memcpy(client.comm, "secretd", 8);
        history = (struct history){ .has_last = false };
}
TestSuite(exporter_page, .init = set_up);

/* A second later, so many IDs more. */
static void advance(uint64_t ids) {
        sample.boot_ns += 1000000000;
        sample.statistics.header.updated_boot_ns = sample.boot_ns;
        sample.statistics.header.worker_ids[0] += ids;
        history_add(&history, &sample);
}

static void expect_page(const char *part, bool there) {
        struct answer answer;

        page_answer(&sample, &history, &answer);
        cr_assert_not_null(answer.body);
        cr_expect_eq(strstr(answer.body, part) != NULL, there, "%s: %s", part, answer.body);
        cr_expect_not_null(strstr(answer.policy, "default-src 'none'; style-src 'nonce-"));
        cr_expect_null(strstr(answer.body, " style="));
        free(answer.body);
}

Test(exporter_page, shows_state_and_rates) {
        history_add(&history, &sample);
        expect_page("sfshmd at /s hands out IDs", true);
        expect_page("<dt>IDs per second</dt><dd>–</dd>", true);
        advance(2047000);
        expect_page("<dt>IDs per second</dt><dd>2.05 M</dd>", true);
        expect_page("<dt>of the ceiling</dt><dd>50.0 %</dd>", true);
        sample.state = SAMPLE_DEAD;
        snprintf(sample.why, sizeof(sample.why), "it was stopped");
        expect_page("<div class=\"state bad\"><b>not running</b>", true);
}

/* Red when clients are listed. */
Test(exporter_page, names_no_client) {
        expect_page("secretd", false);
        expect_page("41234", false);
        expect_page("51234", false);
}

Test(exporter_page, forgets_what_is_old) {
        history_add(&history, &sample);
        history_add(&history, &sample); /* too soon */
        cr_expect_eq(history.n, 0);
        for (unsigned i = 0; i < HISTORY_ENTRIES + 7; i++)
                advance(i);
        cr_expect_eq(history.n, HISTORY_ENTRIES);
        cr_expect_eq((unsigned)history_at(&history, 0)->ids, 7);
        cr_expect_eq(history_at(&history, HISTORY_ENTRIES - 1)->to_ns, sample.boot_ns);
        sample.statistics.header.pid++; /* another daemon */
        advance(0);
        cr_expect_not(history.rates.known);
        cr_expect_eq(history_at(&history, HISTORY_ENTRIES - 1)->to_ns + 1000000000, sample.boot_ns);
}

static unsigned troubles(const char *part) {
        const struct rates *rates = &history.rates;
        char text[4096] = "";
        FILE *out = fmemopen(text, sizeof(text), "w");
        unsigned n = troubles_print(out, &sample, rates);

        fclose(out);
        cr_expect(*part == '\0' || strstr(text, part) != NULL, "%s: %s", part, text);
        return n;
}

Test(exporter_page, what_is_wrong_and_what_to_do) {
        struct statistics_counters *c = &sample.statistics.header.counters;

        cr_expect_eq(troubles(""), 0);
        sample.offset_ms = -1500;
        cr_expect_eq(troubles("What to do: more than 1 s: check NTP"), 1);
        c->horizon_ms = 600000;
        c->fence_unix_ms = sample.guarded_unix_ms + 100000;
        cr_expect_eq(troubles("the fence is near"), 2);
        c->clock_last_rollback_unix_ms = sample.guarded_unix_ms - 1000;
        cr_expect_eq(troubles("was set back"), 3);
        c->worker_conflicts_lost = 1;
        cr_expect_eq(troubles("lost to another host"), 4);
        c->region_workers_held = 1000;
        cr_expect_eq(troubles("few worker IDs"), 5);
        c->log_dropped = 1;
        cr_expect_eq(troubles("log lines were lost"), 6);
        history_add(&history, &sample);
        advance(4000000);
        cr_expect_eq(troubles("are used up"), 7);
        sample.statistics.header.updated_boot_ns -= 11000000000;
        cr_expect_eq(troubles("statistics are old"), 8);
        snprintf(sample.no_statistics, sizeof(sample.no_statistics), "<b>&");
        cr_expect_eq(troubles("&lt;b&gt;&amp;"), 9);
}

Test(exporter_page, numbers) {
        static const struct {
                double value;
                const char *text;
        } cases[] = { { 0, "0" },        { 0.5, "0.50" },       { 999, "999" },
                      { 1000, "1 k" },   { 3456, "3.46 k" },    { 15700000, "15.7 M" },
                      { 999600, "1.00 M" }, { 4.2e18, "4200000 T" } };
        char text[HTML_COUNT];

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                cr_expect_str_eq(html_count(cases[i].value, text), cases[i].text);
}
