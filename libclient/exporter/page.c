/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "libclient/exporter/chart.h"
#include "libclient/exporter/html.h"
#include "libclient/exporter/page_style.h"
#include "libclient/exporter/troubles.h"
#include "shm/isotime.h"

#define NONCE_SIZE 33
#define WORKERS_SHOWN 16u
#define HOST_SIZE 65

static double ids_of(const struct history_entry *entry) {
        return entry->ids;
}

static double overflows_of(const struct history_entry *entry) {
        return entry->overflows;
}

static void print_head(FILE *out, const char *nonce) {
        char host[HOST_SIZE] = "";

        (void)gethostname(host, sizeof(host) - 1);
        fprintf(out,
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width\">\n"
                "<meta http-equiv=\"refresh\" content=\"2\">\n"
                "<title>sfshm</title>\n<style nonce=\"%s\">%s</style></head><body>\n"
                "<h1>sfshm <small>IDs of ", nonce, page_style);
        html_text(out, host);
        fputs("</small></h1>\n", out);
}

static void print_state(FILE *out, const struct sample *sample, const struct rates *rates) {
        char sentence[SAMPLE_TEXT], *troubles = NULL;
        size_t size;
        FILE *list = open_memstream(&troubles, &size);
        unsigned n = list != NULL ? troubles_print(list, sample, rates) : 0;

        if (list != NULL)
                fclose(list);
        fprintf(out, "<div class=\"state%s\"><b>%s</b><p>",
                !sample_is_up(sample) || sample->state == SAMPLE_FAILED ? " bad"
                : sample_is_held(sample) || n > 0                       ? " warn"
                                                                        : "",
                sample_state_names[sample->state].words);
        html_text(out, sample_sentence(sample, sentence));
        fprintf(out, "</p>%s%s%s</div>\n", n > 0 ? "<ul>" : "", n > 0 ? troubles : "",
                n > 0 ? "</ul>" : "");
        free(troubles);
}

/* ---- numbers at a glance */

static void print_tile(FILE *out, const char *name, bool known, const char *value,
                       const char *unit) {
        fprintf(out, "<div><dt>%s</dt><dd>%s%s</dd></div>\n", name, known ? value : "–",
                known ? unit : "");
}

static void print_ms(FILE *out, const char *name, int64_t ms) {
        char text[48];

        snprintf(text, sizeof(text), "%.1f", (double)ms / 1e3);
        print_tile(out, name, ms != SAMPLE_UNKNOWN, text, " s");
}

static void print_tiles(FILE *out, const struct sample *sample, const struct rates *rates) {
        double space = (double)((uint64_t)sample->worker_count << sample->layout.sequence_bits) *
                       1000;
        char text[48];

        fputs("<dl>", out);
        print_tile(out, "IDs per second", rates->known, html_count(rates->ids, text), "");
        snprintf(text, sizeof(text), "%.1f", space > 0 ? 100 * rates->ids / space : 0);
        print_tile(out, "of the ceiling", rates->known && space > 0, text, " %");
        snprintf(text, sizeof(text), "%.0f", rates->wait_us);
        print_tile(out, "mean wait", rates->known, text, " µs");
        snprintf(text, sizeof(text), "%" PRId64, sample->statistics.header.counters.clients);
        print_tile(out, "clients", sample->has_statistics, text, "");
        print_ms(out, "fence ahead", sample_fence_ahead_ms(sample));
        print_ms(out, "clock − wall clock", sample->has_clock ? sample->offset_ms : SAMPLE_UNKNOWN);
        fputs("</dl>\n", out);
}

/* ---- tables */

static void print_clock(FILE *out, const struct sample *sample) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        char time[ISOTIME_SIZE];

        fputs("<section><h2>Clock</h2><table>\n", out);
        if (sample->guarded_unix_ms != SAMPLE_UNKNOWN) {
                isotime_format(sample->guarded_unix_ms, time);
                html_row(out, "guarded time", "%s", time);
        }
        if (*sample_reason_text(sample))
                html_row(out, "why", "%s", sample_reason_text(sample));
        if (sample->now_lag_ms != SAMPLE_UNKNOWN)
                html_row(out, "shared tick behind", "%" PRId64 " ms", sample->now_lag_ms);
        html_row(out, "set back", "%" PRId64 " times", c->clock_rollbacks);
        html_row(out, "set forward", "%" PRId64 " times followed, %" PRId64 " not",
                 c->clock_forward_steps, c->clock_holds);
        html_row(out, "late ticks", "%" PRId64 " of %" PRId64, c->ticks_late, c->ticks);
        fputs("</table></section>\n", out);
}

static void print_lease(FILE *out, const struct sample *sample) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        char time[ISOTIME_SIZE];

        fputs("<section><h2>Lease and region</h2><table>\n", out);
        html_row(out, "worker IDs", "%" PRIu32 " from %" PRIu32, sample->worker_count,
                 sample->worker_first);
        if (c->horizon_ms == 0) {
                html_row(out, "lease", "none: they are from the configuration");
        } else {
                isotime_format(c->lease_expiry_unix_ms, time);
                html_row(out, "lease until", "%s", time);
                html_row(out, "renewals", "%" PRId64 ", %" PRId64 " failed, %" PRId64
                         " times expired", c->lease_renewals, c->lease_failures,
                         c->lease_expirations);
                html_row(out, "region", "%" PRId64 " held, %" PRId64 " resting, %" PRId64
                         " refused, %" PRId64 " free", c->region_workers_held,
                         c->region_workers_resting, c->region_workers_refused,
                         c->region_workers_free);
                html_row(out, "lost to other hosts", "%" PRId64 " times",
                         c->worker_conflicts_lost);
        }
        fputs("</table></section>\n", out);
}

static void print_wait(FILE *out, const char *what, const struct histogram_values *waits) {
        uint64_t count = histogram_count(waits);
        char text[HTML_COUNT];

        if (count == 0)
                html_row(out, what, "none");
        else
                html_row(out, what, "%s, mean %.3f ms", html_count((double)count, text),
                         (double)waits->sum_ns / (double)count / 1e6);
}

static void print_waits(FILE *out, const struct sample *sample) {
        const struct statistics_histograms *h = &sample->statistics.header.histograms;

        fputs("<section><h2>Calls that waited</h2><table class=\"n\">\n", out);
        print_wait(out, "for the next millisecond", &h->wait_overflow);
        print_wait(out, "for a reservation", &h->wait_grant);
        print_wait(out, "for the daemon", &h->wait_attach);
        print_wait(out, "for the clock", &h->wait_clock);
        fputs("</table></section>\n", out);
}

static void print_workers(FILE *out, const struct sample *sample, const struct rates *rates) {
        unsigned shown = 0;
        char text[HTML_COUNT], name[32];

        fputs("<section><h2>Worker IDs</h2><table class=\"n\">\n", out);
        for (uint32_t i = 0; i < sample_workers(sample) && shown < WORKERS_SHOWN; i++) {
                if (!sample_worker_counts(sample, i))
                        continue;
                snprintf(name, sizeof(name), "%" PRIu32, sample->statistics.header.worker_first + i);
                html_row(out, name, "%s IDs/s", rates->known ? html_count(rates->workers[i], text)
                                                             : "?");
                shown++;
        }
        fputs("</table></section>\n", out);
}

static void print_page(FILE *out, const struct sample *sample, const struct history *history,
                       const char *nonce) {
        const struct rates *rates = &history->rates;

        print_head(out, nonce);
        print_state(out, sample, rates);
        print_tiles(out, sample, rates);
        fputs("<div class=\"charts\">", out);
        chart_print(out, history, "IDs per second", ids_of, sample->boot_ns);
        chart_print(out, history, "Overflows per second", overflows_of, sample->boot_ns);
        fputs("</div><div class=\"tables\">", out);
        if (sample->has_statistics) {
                print_waits(out, sample);
                print_clock(out, sample);
                print_lease(out, sample);
                print_workers(out, sample, rates);
        }
        fputs("</div><footer>An overflow is a call that found its share of the millisecond used "
              "up and waits for the next; the ceiling is what the worker IDs yield. <a href=\"/metrics\">/metrics</a> for Prometheus, <a href=\"/readyz\">/readyz</a> "
              "and <a href=\"/healthz\">/healthz</a> for probes.</footer></body></html>\n", out);
}

static int make_nonce(char ret[NONCE_SIZE]) {
        unsigned char bytes[(NONCE_SIZE - 1) / 2];

        if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes))
                return -1;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
        return 0;
}

void page_answer(const struct sample *sample, const struct history *history, struct answer *ret) {
        char nonce[NONCE_SIZE];
        FILE *out;

        *ret = (struct answer){ .status = 200, .type = "text/html; charset=utf-8" };
        out = make_nonce(nonce) < 0 ? NULL : open_memstream(&ret->body, &ret->size);
        if (out == NULL)
                return;
        snprintf(ret->policy, sizeof(ret->policy), "default-src 'none'; style-src 'nonce-%s'; "
                 "base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce);
        print_page(out, sample, history, nonce);
        if (ferror(out) || fclose(out) != 0) {
                free(ret->body);
                ret->body = NULL;
        }
}
