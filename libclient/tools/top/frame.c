/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libclient/tools/top/format.h"
#include "libclient/tools/top/head.h"

#define ENDLESS_BAR_COLUMNS 80u

/* ---- workers */

/* "worker 7     4.10M/s  50.1% [|||||     ]" */
static void print_worker(struct drawing *d, const struct frame *frame, uint32_t worker,
                         size_t width) {
        const struct top_model *model = frame->model;
        const struct rates *rates = &model->rates;
        double share = rates->workers[worker] / model_worker_ceiling(&model->after);
        char ids[FORMAT_SIZE] = "-", percent[FORMAT_SIZE] = "-", bar[ENDLESS_BAR_COLUMNS + 64];
        size_t before = d->now.length;

        if (rates->known) {
                format_count(rates->workers[worker], ids);
                snprintf(percent, sizeof(percent), "%.1f%%", 100 * share);
        }
        draw_print(d, DRAW_LABEL, "worker %-5" PRIu32,
                   model->after.statistics.header.worker_first + worker);
        draw_print(d, DRAW_PLAIN, " %5s/s %6s ", ids, percent);
        format_bar(share, width - (d->now.length - before), bar, sizeof(bar));
        draw_print(d, share > 0.9 ? DRAW_BAD : share > 0.7 ? DRAW_WARNING : DRAW_GOOD, "%s", bar);
}

/* On a screen they get a sixth of the rows, two in a row if they are many. */
static void print_workers(struct drawing *d, const struct frame *frame) {
        static uint32_t workers[WORKER_COUNTERS_MAX];
        size_t rows = d->sink->rows == 0 ? WORKER_COUNTERS_MAX : d->sink->rows / 6;
        size_t columns = d->sink->columns == 0 ? ENDLESS_BAR_COLUMNS : d->sink->columns, more;
        size_t in_row = d->sink->rows > 0 && columns >= 80 ? columns / 40 : 1;
        size_t n = model_workers(frame->model, rows, workers, &more);

        if (more > 0 && in_row > 1)
                n = model_workers(frame->model, rows * in_row, workers, &more);
        else
                in_row = 1;
        for (size_t i = 0; i < n; i++) {
                if (i % in_row > 0)
                        draw_print(d, DRAW_PLAIN, "  ");
                print_worker(d, frame, workers[i], (columns - 2 * (in_row - 1)) / in_row);
                if ((i + 1) % in_row == 0 || i + 1 == n)
                        draw_end(d);
        }
        if (more > 0) {
                draw_print(d, DRAW_PLAIN, "and %zu less busy workers", more);
                draw_end(d);
        }
}

/* ---- clients */

static enum draw_style header_style(const struct top_view *view, enum top_sort column) {
        return view->sort == column ? DRAW_CHOSEN : DRAW_HEADER;
}

static void print_header(struct drawing *d, const struct top_view *view) {
        draw_print(d, DRAW_HEADER, "%8s %-10s %5s", "PID", "USER", "LANES");
        draw_print(d, header_style(view, TOP_BY_RATE), " %7s", "IDS/S");
        draw_print(d, header_style(view, TOP_BY_WAITS), " %8s %7s", "OVERFL/S", "WAIT");
        draw_print(d, header_style(view, TOP_BY_TOTAL), " %7s", "IDS");
        if (d->sink->columns == 0)
                draw_print(d, DRAW_HEADER, "  %-15s  CGROUP", "COMMAND");
        else
                draw_print(d, DRAW_HEADER, "  %-*s", (int)d->sink->columns,
                           view->cgroups ? "CGROUP" : "COMMAND");
        draw_end(d);
}

/* The end of a path says more than its beginning. */
static void print_cgroup(struct drawing *d, const struct frame *frame,
                         const struct statistics_client *client) {
        char text[TOP_CGROUP_SIZE];
        size_t room, length;

        if (!frame->host->cgroup(client, text)) {
                draw_print(d, DRAW_PLAIN, "-");
                return;
        }
        length = strlen(text);
        room = d->sink->columns > d->now.length ? d->sink->columns - d->now.length : 0;
        if (d->sink->columns > 0 && length > room && room > 3)
                draw_print(d, DRAW_PLAIN, "...%s", text + length - (room - 3));
        else
                draw_print(d, DRAW_PLAIN, "%s", text);
}

static void print_client(struct drawing *d, const struct frame *frame,
                         const struct top_client *client) {
        const struct statistics_client *c = client->counted;
        char ids[FORMAT_SIZE] = "-", overflows[FORMAT_SIZE] = "-", wait[FORMAT_SIZE] = "-";
        char total[FORMAT_SIZE], uid[16];
        const char *user = frame->host->user(c->uid);

        if (client->known) {
                format_count(client->ids, ids);
                format_count(client->overflows, overflows);
                if (client->overflows > 0)
                        format_wait(client->wait_us, wait);
        }
        snprintf(uid, sizeof(uid), "%" PRIu32, c->uid);
        draw_print(d, DRAW_PLAIN, "%8" PRIu32 " %-10s %5" PRIu32 " %7s %8s %7s %7s  ", c->pid,
                   user[0] != '\0' && strlen(user) <= 10 ? user : uid, c->lanes, ids, overflows,
                   wait, format_count((double)c->ids, total));
        if (d->sink->columns == 0)
                draw_print(d, DRAW_PLAIN, "%-15.*s  ", (int)sizeof(c->comm), c->comm);
        else if (!frame->view->cgroups)
                draw_print(d, DRAW_PLAIN, "%.*s", (int)sizeof(c->comm), c->comm);
        if (d->sink->columns == 0 || frame->view->cgroups)
                print_cgroup(d, frame, c);
        draw_end(d);
}

static void print_clients(struct drawing *d, const struct frame *frame) {
        struct top_view *view = frame->view;
        struct top_model *model = frame->model;

        model_select(model, view, frame->host);
        print_header(d, frame->view);
        view->page = d->sink->rows == 0           ? model->n_rows
                     : d->sink->rows > d->row + 1 ? d->sink->rows - d->row - 1
                                                  : 1;
        if (view->scroll + view->page > model->n_rows)
                view->scroll = model->n_rows > view->page ? model->n_rows - view->page : 0;
        for (size_t i = view->scroll; i < model->n_rows && i - view->scroll < view->page; i++)
                print_client(d, frame, model->rows[i]);
}

/* ---- below */

static void print_help(struct drawing *d) {
        static const char *const lines[] = {
                "  q            quit",
                "  p, space     pause, go on",
                "  s, d         seconds between samples",
                "  R, P         sort by IDs per second",
                "  W            sort by the time that calls waited",
                "  T            sort by IDs in all",
                "  c            command or control group",
                "  u            only the clients of a user: name or uid; empty: all",
                "  /            only clients with this in command, cgroup, user, pid; empty: all",
                "  1            workers on, off",
                "  arrows, PgUp, PgDn, Home, End   scroll",
                "  h, ?         this; any key leaves it",
        };

        draw_end(d);
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
                draw_print(d, DRAW_PLAIN, "%s", lines[i]);
                draw_end(d);
        }
}

static void print_last_row(struct drawing *d, const struct top_view *view) {
        static const char *const questions[] = {
                [TOP_ASKS_INTERVAL] = "seconds between samples: ",
                [TOP_ASKS_USER] = "user, name or uid (empty: all): ",
                [TOP_ASKS_SEARCH] = "search (empty: all): ",
        };

        while (d->row + 1 < d->sink->rows)
                draw_end(d);
        d->last = true;
        if (view->prompt != TOP_NO_PROMPT)
                draw_print(d, DRAW_LABEL, "%s%s_", questions[view->prompt], view->input);
        else if (view->complaint != NULL)
                draw_print(d, DRAW_BAD, "%s", view->complaint);
        else
                draw_print(d, DRAW_LABEL,
                           "h help  q quit  p pause  R rate  W waits  T total  c cgroup  u user  / "
                           "search");
        draw_end(d);
}

void frame_draw(const struct frame *frame, const struct draw_sink *sink) {
        struct drawing d = { .sink = sink };

        head_draw(&d, frame->model, frame->view, frame->unix_ms);
        if (frame->view->help) {
                print_help(&d);
        } else if (frame->model->after.has_statistics) {
                if (!frame->view->no_workers)
                        print_workers(&d, frame);
                print_clients(&d, frame);
        }
        if (sink->rows > 0)
                print_last_row(&d, frame->view);
}
