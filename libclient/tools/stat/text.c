/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libclient/observe/print.h"
#include "libclient/tools/stat/stat.h"
#include "shm/isotime.h"

#define TICKS_PER_S 1000
#define S_PER_DAY 86400
#define WORKERS_LISTED 16u /* idle workers are listed if there are at most so many */

static double mean(double total, double n) {
        return n > 0 ? total / n : 0;
}

/* A column; "-" if the value is unknown. */
static void print_column(FILE *out, int width, int decimals, bool is_known, double value) {
        if (is_known)
                fprintf(out, " %*.*f", width, decimals, value);
        else
                fprintf(out, " %*s", width, "-");
}

/* UTC, as all times of the tools. */
static void print_time_of_day(FILE *out) {
        struct timespec now;
        int64_t s;

        clock_gettime(CLOCK_REALTIME, &now);
        s = (int64_t)now.tv_sec % S_PER_DAY;
        fprintf(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60, s % 60);
}

/* All IDs of the run's worker IDs in a second. */
static double ceiling(const struct sample *sample) {
        return (double)((uint64_t)sample->worker_count << sample->layout.sequence_bits) * TICKS_PER_S;
}

void stat_print_line(FILE *out, const struct sample *sample, const struct rates *rates,
                     uint64_t line, bool time) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        int64_t lag_ms = sample->now_lag_ms, fence_ms = sample_fence_ahead_ms(sample);
        double most = ceiling(sample);

        if (line % STAT_HEADER_EVERY == 0)
                fprintf(out, "%s %9s %5s %8s %7s %7s %7s %6s %6s %7s\n", time ? "     UTC" : "",
                        "IDs/s", "%max", "overfl/s", "wait_us", "clients", "granted", "ticker",
                        "lag_ms", "fence_s");
        if (time)
                print_time_of_day(out);
        print_column(out, 9, 0, rates->known, rates->ids);
        print_column(out, 5, 1, rates->known && most > 0, 100 * rates->ids / most);
        print_column(out, 8, 0, rates->known, rates->overflows);
        print_column(out, 7, 0, rates->known, rates->wait_us);
        fprintf(out, " %7" PRId64 " %7" PRId64 " %6s", c->clients,
                c->positions_standing + c->positions_elastic,
                sample_state_names[sample->state].column);
        print_column(out, 6, 0, lag_ms != SAMPLE_UNKNOWN, (double)lag_ms);
        print_column(out, 7, 1, fence_ms != SAMPLE_UNKNOWN, (double)fence_ms / 1e3);
        fputc('\n', out);
}

void stat_print_clients(FILE *out, const struct sample *sample) {
        const struct statistics_copy *s = &sample->statistics;

        fprintf(out, "%8s %10s %10s %5s %8s %8s %20s %12s %9s  %s\n", "CLIENT", "PID", "UID",
                "LANES", "STANDING", "ELASTIC", "IDS", "OVERFLOWS", "WAIT_US", "COMMAND");
        for (uint32_t i = 0; i < s->header.client_count; i++) {
                const struct statistics_client *c = &s->clients[i];
                double wait_us = mean((double)c->overflow_wait_ns, (double)c->overflows) / 1e3;

                fprintf(out,
                        "%8" PRIu64 " %10" PRIu32 " %10" PRIu32 " %5" PRIu32 " %8" PRIu32
                        " %8" PRIu32 " %20" PRIu64 " %12" PRIu64 " %9.0f  ",
                        c->client, c->pid, c->uid, c->lanes, c->standing_width, c->elastic_width,
                        c->ids, c->overflows, wait_us);
                print_plain(out, c->comm, sizeof(c->comm));
                fputc('\n', out);
        }
}

static void print_daemon(FILE *out, const struct sample *sample) {
        char since[ISOTIME_SIZE];

        isotime_format(sample->statistics.header.counters.start_unix_ms, since);
        fputs("daemon     sfshmd ", out);
        print_plain(out, sample->daemon_version, sizeof(sample->daemon_version));
        fprintf(out, ", pid %" PRId64 ", since %s; %s", sample->pid, since,
                sample_state_names[sample->state].words);
        if (sample->resume_ms != SAMPLE_UNKNOWN)
                fprintf(out, ", %.1f s more", (double)sample->resume_ms / 1e3);
        fputc('\n', out);
}

static void print_layout(FILE *out, const struct sample *sample) {
        const struct id_layout *layout = &sample->layout;
        char time[ISOTIME_SIZE];

        isotime_format(layout->epoch_unix_ms, time);
        fprintf(out, "layout     %u/%u/%u, region bits %u, epoch %s\n", layout->tick_bits,
                layout->worker_bits, layout->sequence_bits, layout->region_bits, time);
        fprintf(out, "workers    %" PRIu32 " from %" PRIu32, sample->worker_count,
                sample->worker_first);
        if (layout->region_bits > 0)
                fprintf(out, ", region %" PRIu64, (uint64_t)sample->worker_first >>
                        (layout->worker_bits - layout->region_bits));
        fputc('\n', out);
        if (sample->guarded_unix_ms != SAMPLE_UNKNOWN) {
                isotime_format(sample->guarded_unix_ms, time);
                fprintf(out, "clock      %s", time);
                if (sample->now_lag_ms != SAMPLE_UNKNOWN)
                        fprintf(out, ", the shared tick is %" PRId64 " ms behind",
                                sample->now_lag_ms);
                if (sample->offset_ms > 1 || sample->offset_ms < -1)
                        fprintf(out, ", %.3f s %s the wall clock",
                                (double)llabs(sample->offset_ms) / 1e3,
                                sample->offset_ms > 0 ? "ahead of" : "behind");
                if (*sample_reason_text(sample))
                        fprintf(out, "; %s", sample_reason_text(sample));
                fputc('\n', out);
        }
}

/* With a coordinator: the lease, and its region. */
static void print_lease(FILE *out, const struct sample *sample) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        const struct histogram_values *renewal =
                &sample->statistics.header.histograms.lease_renewal;
        double mean_ms = mean((double)renewal->sum_ns, (double)histogram_count(renewal)) / 1e6;
        char time[ISOTIME_SIZE];

        if (c->horizon_ms == 0)
                return;
        isotime_format(c->lease_expiry_unix_ms, time);
        fprintf(out, "lease      until %s; %" PRId64 " renewals, mean %.1f ms, %" PRId64
                " failed, %" PRId64 " times expired\n", time, c->lease_renewals, mean_ms,
                c->lease_failures, c->lease_expirations);
        fprintf(out, "region     %" PRId64 " worker IDs held, %" PRId64 " resting, %" PRId64
                " refused, %" PRId64 " free; %" PRId64 " claims lost to faster hosts, %" PRId64
                " times worker IDs lost\n", c->region_workers_held, c->region_workers_resting,
                c->region_workers_refused, c->region_workers_free, c->worker_conflicts_race,
                c->worker_conflicts_lost);
        fprintf(out, "requests   %" PRId64 " errors of the coordinator, %" PRId64
                " endpoints skipped\n", c->coordinator_errors, c->coordinator_breakers);
}

static void print_numbers(FILE *out, const struct sample *sample) {
        const struct statistics_counters *c = &sample->statistics.header.counters;
        double wait_us = sample_overflow_wait_us(sample);
        int64_t fence = sample_fence_ahead_ms(sample), age = sample_age_ms(sample);

        fprintf(out, "clients    %" PRId64 " with %" PRId64 " lanes, %" PRId64 " bytes\n",
                c->clients, c->lanes, c->memory_bytes);
        fprintf(out, "positions  %" PRId64 ": %" PRId64 " standing, %" PRId64 " elastic\n",
                c->positions, c->positions_standing, c->positions_elastic);
        fprintf(out, "overflows  %" PRId64 ", mean wait %.0f us\n", sample_overflows(sample), wait_us);
        if (fence != SAMPLE_UNKNOWN)
                fprintf(out, "fence      %.1f s ahead\n", (double)fence / 1e3);
        print_lease(out, sample);
        if (age != SAMPLE_UNKNOWN)
                fprintf(out, "snapshot   %.1f s old%s%s\n", (double)age / 1e3,
                        sample->asked ? "" : ": with --shm, the daemon is not asked for a new one",
                        sample->statistics.torn ? ", TORN: the daemon stopped while writing it; "
                                                  "its numbers may be inconsistent"
                                                : "");
        fprintf(out, "IDs        %" PRIu64 "\n", sample_ids(sample));
}

void stat_print_summary(FILE *out, const struct sample *sample, bool clients) {
        uint32_t workers = sample_workers(sample);

        print_daemon(out, sample);
        print_layout(out, sample);
        print_numbers(out, sample);
        for (uint32_t i = 0; i < workers; i++) {
                uint64_t ids = sample->statistics.header.worker_ids[i];

                if (ids > 0 || (workers <= WORKERS_LISTED && sample_worker_counts(sample, i)))
                        fprintf(out, "  worker %-4" PRIu32 " %" PRIu64 "\n",
                                sample->statistics.header.worker_first + i, ids);
        }
        if (clients)
                stat_print_clients(out, sample);
}
