/* SPDX-License-Identifier: MIT */
/* sfshm-stat --top: numbers, bars and frames. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/tools/top/format.h"
#include "libclient/tools/top/frame.h"
#include "tests/support/capture.h"

#define S INT64_C(1000000000)

/* ---- numbers */

static void check_count(double value, const char *expected) {
        char text[FORMAT_SIZE];

        cr_expect_str_eq(format_count(value, text), expected, "%g: %s", value, text);
        cr_expect_leq(strlen(text), 5);
}

Test(top_format, counts) {
        check_count(0, "0");
        check_count(0.5, "0.5");
        check_count(12, "12");
        check_count(99.94, "99.9");
        check_count(99.96, "100");
        check_count(999.4, "999");
        check_count(999.6, "1.00k");
        check_count(4096000, "4.10M");
        check_count(9996, "10.0k");
        check_count(99960, "100k");
        check_count(999499, "999k");
        check_count(999500, "1.00M");
        check_count(18446744073709551615.0, "18.4E");
}

static void check_wait(double us, const char *expected) {
        char text[FORMAT_SIZE];

        cr_expect_str_eq(format_wait(us, text), expected, "%g: %s", us, text);
}

Test(top_format, waits) {
        check_wait(0, "0us");
        check_wait(312.4, "312us");
        check_wait(999.6, "1.00ms");
        check_wait(12345, "12.3ms");
        check_wait(2100000, "2.10s");
        check_wait(71 * 60e6, "71min");
}

static void check_span(int64_t ms, const char *expected) {
        char text[FORMAT_SPAN_SIZE];

        cr_expect_str_eq(format_span(ms, text), expected, "%s", text);
}

Test(top_format, spans) {
        check_span(0, "0.0 s");
        check_span(9949, "9.9 s");
        check_span(29999, "29 s");
        check_span(-252000, "-4 min 12 s");
        check_span(3600000 * 5 + 60000, "5 h 1 min");
        check_span(INT64_C(86400000) * 3 + 3600000 * 4, "3 d 4 h");
        check_span(INT64_MIN, "-106751991167 d 7 h");
}

static void check_bar(double share, size_t width, const char *expected) {
        char text[32];

        format_bar(share, width, text, sizeof(text));
        cr_expect_str_eq(text, expected, "%g: %s", share, text);
}

/* Red when rounding makes an idle worker of a slow one, or a full one of 99.9 %. */
Test(top_format, bars) {
        check_bar(0, 12, "[          ]");
        check_bar(0.001, 12, "[|         ]");
        check_bar(0.5, 12, "[|||||     ]");
        check_bar(0.999, 12, "[||||||||| ]");
        check_bar(1, 12, "[||||||||||]");
        check_bar(7, 12, "[||||||||||]");
        check_bar(0.5, 2, "[]");
        check_bar(0.5, 0, "[]");
        check_bar(1, 1000, "[|||||||||||||||||||||||||||||]");
}

/* ---- frames */

static struct top_model model;
static struct top_view view = { .interval_ns = S };
static char text[1 << 18];
static size_t n_lines, widest;

static const char *user(uint32_t uid) {
        return uid == 0 ? "root" : uid == 1 ? "averylongusername" : "";
}

static bool cgroup(const struct statistics_client *client, char ret[TOP_CGROUP_SIZE]) {
        strcpy(ret, "/system.slice/system-shop.slice/shop@1\x1b[2J.service");
        return client->pid % 2 == 0;
}
static const struct top_host host = { .user = user, .cgroup = cgroup };

static void add_line(void *context, const struct draw_line *line) {
        (void)context;
        cr_assert_eq(strlen(line->text), line->length);
        for (size_t i = 0; i < line->length; i++)
                cr_assert(line->text[i] >= 0x20 && line->text[i] < 0x7f &&
                          line->style[i] < DRAW_STYLES);
        strcat(strcat(text, line->text), "\n");
        n_lines++;
        widest = line->length > widest ? line->length : widest;
}

static void draw(size_t columns, size_t rows) {
        const struct draw_sink sink = { .columns = columns, .rows = rows, .line = add_line };
        struct frame frame = {
                .model = &model, .view = &view, .host = &host, .unix_ms = INT64_C(1795446245678)
        };

        text[0] = '\0';
        n_lines = widest = 0;
        frame_draw(&frame, &sink);
}

/* `n` clients; the n-th takes n IDs a second. */
static void fill(uint32_t workers, uint32_t n) {
        for (int64_t i = 0; i < 2; i++) {
                struct sample sample = { .state = SAMPLE_RUNNING,
                                         .has_clock = true,
                                         .pid = 7,
                                         .has_statistics = true,
                                         .worker_count = workers,
                                         .worker_first = 7,
                                         .boot_ns = i * S + S / 4,
                                         .guarded_unix_ms = INT64_C(1795446245678),
                                         .resume_ms = SAMPLE_UNKNOWN,
                                         .layout = id_layout_default,
                                         .daemon_version = "9.8.7" };
                struct statistics_segment *header = &sample.statistics.header;

                header->updated_boot_ns = i * S;
                header->worker_first = 7;
                header->worker_count = workers;
                header->client_count = n;
                header->counters.fence_unix_ms = sample.guarded_unix_ms + 12345;
                for (uint32_t w = 0; w < workers; w++)
                        header->worker_ids[w] = 100 + (uint64_t)i * (1024000 + w);
                sample.statistics.clients = calloc(n + 1, sizeof(struct statistics_client));
                for (uint32_t c = 0; c < n; c++) {
                        struct statistics_client *client = &sample.statistics.clients[c];

                        *client = (struct statistics_client){ .client = c,
                                                              .pid = c,
                                                              .uid = c % 3,
                                                              .lanes = 1,
                                                              .ids = 1000 + (uint64_t)i * c };
                        snprintf(client->comm, sizeof(client->comm), "command-%u", c % 1000);
                }
                cr_assert_eq(model_take(&model, &sample), 0);
        }
}

static void clean(void) {
        model_clear(&model);
}
TestSuite(top_frame, .fini = clean);

Test(top_frame, says_all_of_a_running_daemon) {
        fill(2, 3);
        draw(80, 24);
        cr_assert_eq(n_lines, 24);
        cr_assert_leq(widest, 80);
        cr_assert_contains(text, "2026-11-23T15:04:05Z, every 1 s, by rate\n");
        cr_assert_contains(text, "sfshmd hands out IDs\n");
        cr_assert_contains(text,
                           "9.8.7, pid 7, since 1970-01-01T00:00:00Z, statistics 0.2 s old\n");
        cr_assert_contains(text, "\nclock     ticker running; offset +0.000 s\n");
        cr_assert_contains(text, "\nlease     fence 12 s ahead; worker IDs 7 to 8\n");
        cr_assert_contains(text,
                           "\nIDs       2.05M/s, 25.0% of 8.19M/s; overflows 0/s, mean wait 0us\n");
        cr_assert_contains(text, "\nworker 7     1.02M/s  25.0% [||||||||||||");
        cr_assert_contains(
                text, "\n       2 2              1       2        0       -   1.00k  command-2\n"
                      "       1 1              1       1        0       -   1.00k  command-1\n"
                      "       0 root           1       0        0       -   1.00k  command-0\n");
        cr_assert_contains(text, "\nh help  q quit ");
}

/* A user's name that is too long gives way to the uid, a path to its end. */
Test(top_frame, shows_control_groups) {
        fill(1, 3);
        view.cgroups = true;
        draw(80, 24);
        cr_assert_leq(widest, 80);
        cr_assert_contains(text, "1.00k  -\n");
        cr_assert_contains(text, "1.00k  ...hop@1?[2J.service\n");
}

/* Nothing is cut, nothing scrolls, both columns stand there. */
Test(top_frame, a_file_has_no_edge) {
        fill(20, 300);
        view.scroll = 7;
        draw(0, 0);
        cr_assert_contains(text, "\nworker 26 ");
        cr_assert_contains(text,
                           "command-0        /system.slice/system-shop.slice/shop@1?[2J.service\n");
        cr_assert_contains(text, "command-299      -\n");
        cr_assert_eq(n_lines, 7 + 20 + 1 + 300);
}

Test(top_frame, fits_every_terminal) {
        fill(1000, 300);
        for (size_t rows = 1; rows < 60; rows += 1)
                for (size_t columns = 1; columns < 200; columns += 7) {
                        draw(columns, rows);
                        cr_assert_eq(n_lines, rows, "%zu lines of %zu", n_lines, rows);
                        cr_assert_leq(widest, columns);
                }
}

/* Two in a row, the busiest, and how many there are besides. */
Test(top_frame, makes_room_for_many_workers) {
        fill(1000, 30);
        draw(80, 24);
        cr_assert_contains(text, "\nworker 999 ");
        cr_assert_contains(text, "]  worker 1006 ");
        cr_assert_contains(text, "\nand 992 less busy workers\n");
        view.no_workers = true;
        draw(80, 24);
        cr_assert_null(strstr(text, "worker 1006"));
}

Test(top_frame, scrolls_as_far_as_there_are_clients) {
        fill(1, 100);
        draw(80, 24);
        cr_assert_contains(text, "command-99\n");
        view.scroll = 10;
        draw(80, 24);
        cr_assert_null(strstr(text, "command-90\n"));
        cr_assert_contains(text, "command-89\n");
        view.scroll = 1000;
        draw(80, 24);
        cr_assert_eq(view.scroll, 100 - view.page);
        cr_assert_contains(text, "command-0\n");
}

/* Red when a name reaches the terminal as it is. */
Test(top_frame, a_name_cannot_steer_the_terminal) {
        struct sample sample;

        fill(1, 1);
        sample = model.after;
        memcpy(sample.statistics.clients[0].comm,
               "evil\033]0;x\a\n\x9b"
               "2J567",
               16);
        memcpy(sample.daemon_version, "\033c1", 4);
        model.after = sample;
        draw(80, 24);
        cr_assert_contains(text, "evil?]0;x???2J56");
        cr_assert_contains(text, "?c1, pid 7");
}

Test(top_frame, says_what_is_wrong) {
        struct sample dead = { .state = SAMPLE_DEAD, .why = "it was stopped", .pid = 7 };

        draw(80, 24);
        cr_assert_contains(text, "asking the daemon\n");
        fill(1, 1);
        cr_assert_eq(model_take(&model, &dead), 0);
        draw(80, 24);
        cr_assert_contains(
                text,
                "\nstate     sfshmd is not running (it was stopped; it was pid 7): start it\n");
        cr_assert_contains(text, "\nclock     unknown\n");
        cr_assert_eq(n_lines, 24);
}

/* Two lines, broken at a blank. */
Test(top_frame, breaks_long_sentences) {
        struct sample silent = { .state = SAMPLE_SILENT,
                                 .resume_ms = SAMPLE_UNKNOWN,
                                 .why = "it has taken the connection and not answered within 2 s" };

        cr_assert_eq(model_take(&model, &silent), 0);
        draw(80, 24);
        cr_assert_contains(
                text,
                "not answered\n          within 2 s): see its log, and restart it if this lasts\n");
}

Test(top_frame, says_how_long_the_lease_lasts) {
        fill(1, 1);
        model.after.statistics.header.counters.horizon_ms = 600000;
        model.after.statistics.header.counters.lease_expiry_unix_ms = INT64_C(1795446275000);
        model.after.statistics.header.counters.region_workers_free = 1009;
        draw(120, 24);
        cr_assert_contains(
                text,
                "\nlease     until 2026-11-23T15:04:35Z (29 s), fence 12 s ahead; worker ID 7; "
                "region: 0 held, 0 resting, 0 refused, 1009\n          free\n");
}

Test(top_frame, has_help) {
        fill(1, 1);
        view.help = true;
        draw(80, 24);
        cr_assert_contains(text, "sort by the time that calls waited\n");
        cr_assert_contains(text, "any key leaves it\n");
}
