/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "libclient/observe/print.h"
#include "libclient/tools/stat/stat.h"
#include "shm/isotime.h"

static void print_ms_or_null(FILE *out, const char *key, int64_t ms) {
        if (ms == SAMPLE_UNKNOWN)
                fprintf(out, ",\"%s\":null", key);
        else
                fprintf(out, ",\"%s\":%" PRId64, key, ms);
}

static void print_state(FILE *out, const struct sample *sample) {
        fprintf(out, "{\"state\":\"%s\",\"answers\":%s,\"why\":",
                sample_state_names[sample->state].json,
                sample->answered ? "true" : sample_is_up(sample) ? "null" : "false");
        if (sample->why[0] != '\0')
                print_json_string(out, sample->why, sizeof(sample->why));
        else
                fputs("null", out);
        print_ms_or_null(out, "pid", sample->pid != 0 ? sample->pid : SAMPLE_UNKNOWN);
}

static void print_clock(FILE *out, const struct sample *sample) {
        const struct id_layout *layout = &sample->layout;
        char time[ISOTIME_SIZE];

        if (sample->guarded_unix_ms != SAMPLE_UNKNOWN) {
                isotime_format(sample->guarded_unix_ms, time);
                fprintf(out, ",\"time\":\"%s\"", time);
        } else {
                fputs(",\"time\":null", out);
        }
        print_ms_or_null(out, "now_lag_ms", sample->now_lag_ms);
        print_ms_or_null(out, "resume_ms", sample->resume_ms);
        fprintf(out, ",\"clock_reason\":\"%s\"", clock_reason_name(sample->reason));
        print_ms_or_null(out, "clock_offset_ms", sample->offset_ms);
        isotime_format(layout->epoch_unix_ms, time);
        fprintf(out, ",\"layout\":\"%u/%u/%u\",\"region_bits\":%u,\"epoch\":\"%s\"",
                layout->tick_bits, layout->worker_bits, layout->sequence_bits, layout->region_bits,
                time);
        fprintf(out, ",\"worker_first\":%" PRIu32 ",\"worker_count\":%" PRIu32,
                sample->worker_first, sample->worker_count);
}

static void print_histogram(FILE *out, const char *name, const struct histogram_values *values) {
        fprintf(out, "\"%s\":{\"sum_ns\":%" PRIu64 ",\"buckets\":[", name, values->sum_ns);
        for (unsigned i = 0; i < METRICS_BUCKETS; i++)
                fprintf(out, "%s%" PRIu64, i ? "," : "", values->buckets[i]);
        fputs("]},", out);
}

static void print_counters(FILE *out, const struct sample *sample) {
        const struct statistics_segment *s = &sample->statistics.header;

        fputs(",\"daemon_version\":", out);
        print_json_string(out, s->daemon_version, sizeof(s->daemon_version));
        fprintf(out, ",\"torn\":%s", sample->statistics.torn ? "true" : "false");
        print_ms_or_null(out, "age_ms", sample_age_ms(sample));
        print_ms_or_null(out, "fence_ahead_ms", sample_fence_ahead_ms(sample));
        fprintf(out, ",\"ids\":%" PRIu64 ",\"counters\":{", sample_ids(sample));
#define FIELD(name, family, label, divisor) \
        fprintf(out, "\"%s\":%" PRId64 ",", #name, s->counters.name);
        METRICS_SERIES(FIELD)
#undef FIELD
        fprintf(out, "\"clock_state\":%" PRId64 ",\"clock_reason\":%" PRId64 "},\"histograms\":{",
                s->counters.clock_state, s->counters.clock_reason);
#define FIELD(name, family, label) print_histogram(out, #name, &s->histograms.name);
        METRICS_DISTRIBUTIONS(FIELD)
#undef FIELD
        fputs("\"bounds_ns\":[", out);
        for (unsigned i = 0; i < METRICS_BUCKETS - 1; i++)
                fprintf(out, "%s%" PRIu64, i ? "," : "", metrics_bound_ns[i]);
        fputs("]}", out);
}

static void print_rates(FILE *out, const struct rates *rates) {
        static const char *const keys[] = { "interval_s", "ids_per_second", "overflows_per_second",
                                            "overflow_wait_us" };
        const double values[] = { rates->seconds, rates->ids, rates->overflows, rates->wait_us };

        for (int i = 0; i < 4; i++)
                if (rates->known)
                        fprintf(out, ",\"%s\":%.*f", keys[i], i == 0 ? 3 : 1, values[i]);
                else
                        fprintf(out, ",\"%s\":null", keys[i]);
}

static void print_workers(FILE *out, const struct sample *sample, const struct rates *rates) {
        const struct statistics_segment *s = &sample->statistics.header;
        const char *comma = "";

        fputs(",\"workers\":[", out);
        for (uint32_t i = 0; i < sample_workers(sample); i++) {
                if (s->worker_ids[i] == 0 && i > 0)
                        continue; /* a thousand zeros are of no use */
                fprintf(out, "%s{\"worker\":%" PRIu32 ",\"ids\":%" PRIu64, comma,
                        s->worker_first + i, s->worker_ids[i]);
                if (rates && rates->known)
                        fprintf(out, ",\"ids_per_second\":%.1f", rates->workers[i]);
                fputc('}', out);
                comma = ",";
        }
        fputc(']', out);
}

static void print_clients(FILE *out, const struct sample *sample) {
        fputs(",\"clients\":[", out);
        for (uint32_t i = 0; i < sample->statistics.header.client_count; i++) {
                const struct statistics_client *c = &sample->statistics.clients[i];

                fprintf(out,
                        "%s{\"client\":%" PRIu64 ",\"pid\":%" PRIu32 ",\"uid\":%" PRIu32
                        ",\"lanes\":%" PRIu32 ",\"standing\":%" PRIu32 ",\"elastic\":%" PRIu32
                        ",\"ids\":%" PRIu64 ",\"overflows\":%" PRIu64
                        ",\"overflow_wait_ns\":%" PRIu64 ",\"command\":",
                        i ? "," : "", c->client, c->pid, c->uid, c->lanes, c->standing_width,
                        c->elastic_width, c->ids, c->overflows, c->overflow_wait_ns);
                print_json_string(out, c->comm, sizeof(c->comm));
                fputc('}', out);
        }
        fputc(']', out);
}

void stat_print_json(FILE *out, const struct sample *sample, const struct rates *rates,
                     bool clients) {
        print_state(out, sample);
        if (sample->has_clock)
                print_clock(out, sample);
        if (rates)
                print_rates(out, rates);
        if (sample->has_statistics) {
                print_counters(out, sample);
                print_workers(out, sample, rates);
                if (clients)
                        print_clients(out, sample);
        }
        fputs("}\n", out);
}
