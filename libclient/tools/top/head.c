/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/head.h"

#include <inttypes.h>
#include <stdio.h>

#include "libclient/tools/top/format.h"
#include "shm/isotime.h"

static void print_title(struct drawing *d, const struct top_view *view, int64_t unix_ms) {
        static const char *const orders[] = { "rate", "waits", "total" };
        char time[ISOTIME_SIZE];

        draw_print(d, DRAW_LABEL, "sfshm-stat  ");
        draw_print(d, DRAW_PLAIN, "%s, every %g s, by %s",
                   isotime_format_short(unix_ms / 1000 * 1000, time),
                   (double)view->interval_ns / 1e9, orders[view->sort]);
        if (view->user[0] != '\0')
                draw_print(d, DRAW_WARNING, ", user %s", view->user);
        if (view->search[0] != '\0')
                draw_print(d, DRAW_WARNING, ", with \"%s\"", view->search);
        if (view->paused)
                draw_print(d, DRAW_WARNING, ", PAUSED");
        draw_end(d);
}

static enum draw_style state_style(const struct sample *sample) {
        if (!sample_is_up(sample) || sample->state == SAMPLE_FAILED)
                return DRAW_BAD;
        return sample_is_held(sample) || sample->reason == CLOCK_REASON_HELD ? DRAW_WARNING
                                                                             : DRAW_GOOD;
}

/* Without the socket, whose path could push the rest off the screen; it follows below. */
static void print_state(struct drawing *d, const struct sample *sample) {
        struct sample nameless = *sample;
        char text[SAMPLE_TEXT];

        nameless.socket = NULL;
        draw_item(d, "state", state_style(sample), "%s", sample_sentence(&nameless, text));
}

static void print_daemon(struct drawing *d, const struct sample *sample) {
        char since[ISOTIME_SIZE] = "?", age[FORMAT_SPAN_SIZE];
        const char *torn = "";
        int64_t age_ms = sample_age_ms(sample);

        if (sample->pid == 0 && sample->daemon_version[0] == '\0')
                return;
        if (!sample->has_statistics) {
                draw_item(d, "daemon", DRAW_PLAIN, "%s, pid %" PRId64, sample->daemon_version,
                          sample->pid);
                return;
        }
        isotime_format_short(sample->statistics.header.counters.start_unix_ms / 1000 * 1000, since);
        if (sample->statistics.torn)
                torn = ", TORN: it stopped while writing them";
        draw_item(d, "daemon", DRAW_PLAIN, "%s, pid %" PRId64 ", since %s, statistics %s old%s%s%s",
                  sample->daemon_version, sample->pid, since,
                  age_ms != SAMPLE_UNKNOWN ? format_span(age_ms, age) : "?", torn,
                  sample->socket != NULL ? ", at " : "",
                  sample->socket != NULL ? sample->socket : "");
}

static void print_clock(struct drawing *d, const struct sample *sample) {
        char more[FORMAT_SPAN_SIZE + 16] = "", span[FORMAT_SPAN_SIZE];
        const char *reason = sample_reason_text(sample);

        if (!sample->has_clock || !sample_is_up(sample)) {
                draw_item(d, "clock", DRAW_PLAIN, "unknown");
                return;
        }
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                snprintf(more, sizeof(more), " (%s more)", format_span(sample->resume_ms, span));
        draw_item(d, "clock", DRAW_PLAIN, "%s%s; offset %+.3f s%s%s",
                  sample_state_names[sample->state].words, more, (double)sample->offset_ms / 1e3,
                  *reason != '\0' ? ": " : "", reason);
}

static void print_region(const struct sample *sample, char *ret, size_t size) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        const struct id_layout *layout = &sample->layout;
        char name[32] = "";

        if (layout->region_bits > 0)
                snprintf(name, sizeof(name), " %" PRIu32,
                         sample->worker_first >> (layout->worker_bits - layout->region_bits));
        snprintf(ret, size,
                 "; region%s: %" PRId64 " held, %" PRId64 " resting, %" PRId64 " refused, %" PRId64
                 " free",
                 name, c->region_workers_held, c->region_workers_resting, c->region_workers_refused,
                 c->region_workers_free);
}

static void print_lease(struct drawing *d, const struct sample *sample, int64_t unix_ms) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        int64_t fence_ms = sample_fence_ahead_ms(sample);
        char span[FORMAT_SPAN_SIZE], fence[FORMAT_SPAN_SIZE] = "?", region[192] = "";
        char time[ISOTIME_SIZE], lease[96] = "", last[24] = "";

        if (c->horizon_ms > 0) { /* there is a coordinator */
                snprintf(lease, sizeof(lease), "until %s (%s), ",
                         isotime_format_short(c->lease_expiry_unix_ms / 1000 * 1000, time),
                         format_span(c->lease_expiry_unix_ms - unix_ms, span));
                print_region(sample, region, sizeof(region));
        }
        if (fence_ms != SAMPLE_UNKNOWN)
                format_span(fence_ms, fence);
        if (sample->worker_count > 1)
                snprintf(last, sizeof(last), "s %" PRIu32 " to", sample->worker_first);
        draw_item(d, "lease", DRAW_PLAIN, "%sfence %s ahead; worker ID%s %" PRIu32 "%s", lease,
                  fence, last, sample->worker_first + sample->worker_count - 1, region);
}

static void print_rates(struct drawing *d, const struct top_model *model) {
        const struct rates *rates = &model->rates;
        const struct sample *sample = &model->after;
        double most = model_worker_ceiling(sample) * (double)sample->worker_count;
        char ids[FORMAT_SIZE], ceiling[FORMAT_SIZE], overflows[FORMAT_SIZE], wait[FORMAT_SIZE];

        format_count(most, ceiling);
        if (rates->known)
                draw_item(d, "IDs", DRAW_PLAIN,
                          "%s/s, %.1f%% of %s/s; overflows %s/s, mean wait %s",
                          format_count(rates->ids, ids), most > 0 ? 100 * rates->ids / most : 0,
                          ceiling, format_count(rates->overflows, overflows),
                          format_wait(rates->wait_us, wait));
        else
                draw_item(d, "IDs", DRAW_PLAIN, "-/s of %s/s; overflows -/s, mean wait -", ceiling);
}

static void print_positions(struct drawing *d, const struct top_model *model) {
        const struct statistics_counters *c = &model->after.statistics.header.counters;
        char ids[FORMAT_SIZE];

        draw_item(d, "clients", DRAW_PLAIN,
                  "%" PRId64 ", lanes %" PRId64 "; %" PRId64 " of %" PRId64
                  " positions; %s IDs, %" PRId64 " overflows in all",
                  c->clients, c->lanes, c->positions_standing + c->positions_elastic, c->positions,
                  format_count((double)sample_ids(&model->after), ids),
                  sample_overflows(&model->after));
}

void head_draw(struct drawing *d, const struct top_model *model, const struct top_view *view,
               int64_t unix_ms) {
        const struct sample *sample = &model->after;

        print_title(d, view, unix_ms);
        if (!model->has_sample) {
                draw_item(d, "state", DRAW_PLAIN, "asking the daemon");
                return;
        }
        print_state(d, sample);
        if (sample->no_statistics[0] != '\0')
                draw_item(d, "", DRAW_BAD, "%s", sample->no_statistics);
        print_daemon(d, sample);
        print_clock(d, sample);
        if (!sample->has_statistics)
                return;
        print_lease(d, sample, unix_ms);
        print_rates(d, model);
        print_positions(d, model);
}
