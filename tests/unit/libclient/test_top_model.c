/* SPDX-License-Identifier: MIT */
/* sfshm-stat --top: from samples made by hand to rates, order and selection. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/tools/top/model.h"
#include "libclient/tools/top/process.h"

#define S INT64_C(1000000000)

static struct top_model model;
static struct top_view view;

static const char *user(uint32_t uid) {
        return uid == 0 ? "root" : uid == 1000 ? "alice" : "";
}

static bool cgroup(const struct statistics_client *client, char ret[TOP_CGROUP_SIZE]) {
        strcpy(ret, client->pid == 12 ? "/system.slice/shop.service" : "/");
        return client->pid != 13;
}
static const struct top_host host = { .user = user, .cgroup = cgroup };

static void end(void) {
        model_clear(&model);
}
TestSuite(top_model, .fini = end);

static struct sample make_sample(int64_t at_ns, size_t n, const struct statistics_client *clients) {
        struct sample sample = { .state = SAMPLE_RUNNING,
                                 .has_clock = true,
                                 .has_statistics = true,
                                 .worker_count = 2,
                                 .layout = id_layout_default };

        sample.statistics.header.pid = 7;
        sample.statistics.header.updated_boot_ns = at_ns;
        sample.statistics.header.worker_count = 2;
        sample.statistics.header.client_count = (uint32_t)n;
        sample.statistics.clients = malloc((n + 1) * sizeof(*clients));
        if (n > 0)
                memcpy(sample.statistics.clients, clients, n * sizeof(*clients));
        return sample;
}

static void take(int64_t at_ns, size_t n, const struct statistics_client *clients) {
        struct sample sample = make_sample(at_ns, n, clients);

        cr_assert_eq(model_take(&model, &sample), 0);
        cr_assert_null(sample.statistics.clients, "the model took it");
}

/* 11 is fast, 12 waits, 13 had most; their order in the segment says nothing */
static const struct statistics_client before[] = {
        { .client = 5, .pid = 13, .uid = 0, .ids = 90000000, .comm = "backup" },
        { .client = 9, .pid = 11, .uid = 1000, .ids = 1000, .comm = "orders" },
        { .client = 2,
          .pid = 12,
          .uid = 33,
          .ids = 100,
          .overflows = 10,
          .overflow_wait_ns = 1000,
          .comm = "shop" },
};
static const struct statistics_client after[] = {
        { .client = 2,
          .pid = 12,
          .uid = 33,
          .ids = 300,
          .overflows = 14,
          .overflow_wait_ns = 2001000,
          .comm = "shop" },
        { .client = 5, .pid = 13, .uid = 0, .ids = 90000020, .comm = "backup" },
        { .client = 9, .pid = 11, .uid = 1000, .ids = 9000, .comm = "orders" },
        { .client = 10,
          .pid = 14,
          .uid = 1000,
          .attached_boot_ns = 11 * S,
          .ids = 50,
          .comm = "sixteen letters" },
};

static void take_both(void) {
        take(10 * S, 3, before);
        take(12 * S, 4, after);
}

static void expect_order(const char *expected) {
        char order[64] = "";

        model_select(&model, &view, &host);
        for (size_t i = 0; i < model.n_rows; i++)
                sprintf(order + strlen(order), " %u", model.rows[i]->counted->pid);
        cr_expect_str_eq(order, expected);
}

Test(top_model, no_rates_without_two_samples) {
        take(10 * S, 3, before);
        cr_assert(!model.rates.known);
        cr_assert(!model.clients[0].known);
        expect_order(" 13 11 12");
}

Test(top_model, rates_are_those_between_two_samples) {
        take_both();
        cr_assert(model.rates.known);
        cr_assert_eq(model.n_clients, 4);
        for (size_t i = 0; i < 4; i++)
                cr_assert(model.clients[i].known);
        cr_expect_float_eq(model.clients[0].ids, 100, 1e-9);
        cr_expect_float_eq(model.clients[0].overflows, 2, 1e-9);
        cr_expect_float_eq(model.clients[0].wait_us, 500, 1e-9);
        cr_expect_float_eq(model.clients[1].ids, 10, 1e-9);
        cr_expect_float_eq(model.clients[2].ids, 4000, 1e-9);
        cr_expect_float_eq(model.clients[3].ids, 25, 1e-9, "it attached since then");
}

/* Red when a client that the first snapshot had no room for is taken for a new one. */
Test(top_model, does_not_guess_the_rate_of_an_old_client) {
        struct statistics_client old = after[3];

        old.attached_boot_ns = 9 * S;
        take(10 * S, 3, before);
        take(12 * S, 1, &old);
        cr_assert(!model.clients[0].known);
}

Test(top_model, does_not_guess_when_a_count_falls) {
        take(10 * S, 4, after);
        take(12 * S, 3, before);
        cr_assert(!model.clients[0].known);
}

Test(top_model, order) {
        take_both();
        expect_order(" 11 12 14 13");
        view.sort = TOP_BY_WAITS;
        expect_order(" 12 13 11 14");
        view.sort = TOP_BY_TOTAL;
        expect_order(" 13 11 12 14");
}

Test(top_model, selects_a_user_by_name_or_uid) {
        take_both();
        strcpy(view.user, "alice");
        expect_order(" 11 14");
        strcpy(view.user, "33");
        expect_order(" 12");
        strcpy(view.user, "3");
        expect_order("");
}

Test(top_model, searches_in_all_that_is_text) {
        static const char *const searches[][2] = {
                { "order", " 11" }, { "shop.serv", " 12" },       { "roo", " 13" },
                { "13", " 13" },    { "sixteen letters", " 14" }, { "nobody", "" },
        };

        take_both();
        for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
                strcpy(view.search, searches[i][0]);
                expect_order(searches[i][1]);
        }
}

/* As with --shm, which asks for no new snapshot. Red when it becomes the first of the two. */
Test(top_model, keeps_the_rates_of_the_same_snapshot) {
        struct sample sample;

        take_both();
        take(12 * S, 4, after);
        cr_assert(model.rates.known);
        expect_order(" 11 12 14 13");
        sample = make_sample(12 * S, 4, after);
        sample.state = SAMPLE_SILENT;
        cr_assert_eq(model_take(&model, &sample), 0);
        cr_assert(!model.rates.known, "who does not answer has no rate");
}

Test(top_model, goes_on_without_statistics) {
        struct sample dead = { .state = SAMPLE_DEAD };

        take_both();
        cr_assert_eq(model_take(&model, &dead), 0);
        expect_order("");
        take(20 * S, 3, before);
        take(22 * S, 4, after);
        cr_assert(model.rates.known);
}

/* ---- workers */

static void take_workers(uint32_t n, const uint64_t *ids) {
        for (int64_t i = 0; i < 2; i++) {
                struct sample sample = make_sample(i * S, 0, NULL);

                sample.worker_count = sample.statistics.header.worker_count = n;
                for (uint32_t w = 0; i > 0 && w < n; w++)
                        sample.statistics.header.worker_ids[w] = ids[w];
                cr_assert_eq(model_take(&model, &sample), 0);
        }
}

Test(top_model, shows_all_workers_where_there_is_room) {
        uint32_t workers[4];
        size_t more;

        take_workers(3, (const uint64_t[]){ 0, 5, 0 });
        cr_assert_eq(model_workers(&model, 4, workers, &more), 3);
        cr_assert_eq(more, 0);
        cr_assert(workers[0] == 0 && workers[1] == 1 && workers[2] == 2);
}

Test(top_model, shows_the_busiest_workers_in_their_order) {
        uint32_t workers[3];
        size_t more;

        take_workers(6, (const uint64_t[]){ 1, 9, 3, 9, 2, 8 });
        cr_assert_eq(model_workers(&model, 3, workers, &more), 3);
        cr_assert_eq(more, 3);
        cr_assert(workers[0] == 1 && workers[1] == 3 && workers[2] == 5, "%u %u %u", workers[0],
                  workers[1], workers[2]);
        cr_assert_eq(model_workers(&model, 0, workers, &more), 0);
        cr_assert_eq(more, 6);
}

Test(top_model, the_ceiling_of_a_worker_is_its_positions_each_millisecond) {
        take(10 * S, 0, NULL);
        cr_assert_float_eq(model_worker_ceiling(&model.after), 4096000, 1e-9);
}

/* ---- what the host knows */

/* Red when the name is taken to end at its first parenthesis. */
Test(top_model, reads_when_a_process_started) {
        cr_assert_eq(process_start_ns("17 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 "
                                      "18 250 99\n"),
                     2500000000);
        cr_assert_eq(process_start_ns("17 (a) S 1 2 3"), -1);
        cr_assert_eq(process_start_ns(""), -1);
        cr_assert_eq(process_start_ns("17 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "
                                      "99999999999999999999 1"),
                     -1);
}

Test(top_model, reads_the_unified_control_group) {
        char path[TOP_CGROUP_SIZE];

        cr_assert(process_parse_cgroup("4:memory:/a\n0::/user.slice\n", path));
        cr_assert_str_eq(path, "/user.slice");
        cr_assert(!process_parse_cgroup("4:memory:/a\n", path));
        cr_assert(!process_parse_cgroup("", path));
}

static uint64_t boot_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Red when the start time is not compared: a pid may be used again. */
Test(top_model, shows_no_control_group_of_a_later_process) {
        struct statistics_client client = { .pid = (uint32_t)getpid(),
                                            .attached_boot_ns = boot_ns() };
        char path[TOP_CGROUP_SIZE];

        if (!process_host.cgroup(&client, path))
                cr_skip_test("no unified hierarchy");
        client.attached_boot_ns = 1;
        cr_assert(!process_host.cgroup(&client, path));
        client = (struct statistics_client){ .pid = UINT32_MAX, .attached_boot_ns = boot_ns() };
        cr_assert(!process_host.cgroup(&client, path));
}

Test(top_model, names_users) {
        cr_assert_str_eq(process_host.user(0), "root");
        cr_assert_str_eq(process_host.user(4000000000), "");
        cr_assert_str_eq(process_host.user(0), "root");
}
