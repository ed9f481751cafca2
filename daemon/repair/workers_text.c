/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define COLUMNS 80u
#define WORKERS_MAX 13u /* "65533-65535,+" */
#define HOST_MIN 8u

void workers_print_plain(FILE *out, const char *text) {
        for (; *text != '\0'; text++)
                fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

/* The text, or its beginning up to a comma and "+" for the rest. */
static const char *shorten_list(const char *text, size_t room, char *ret) {
        size_t n = strlen(text);

        if (n <= room) {
                memcpy(ret, text, n + 1);
                return ret;
        }
        for (n = room - 1; n > 0 && text[n - 1] != ',';)
                n--;
        snprintf(ret, room + 1, "%.*s+", (int)n, text);
        return ret;
}

/* The text, or its two ends: either may be what tells it from others. */
static void shorten_name(const char *text, size_t room, char ret[RECORD_NAME]) {
        size_t n = strlen(text), head = (room - 1) / 2;

        if (n <= room)
                memcpy(ret, text, n + 1);
        else
                snprintf(ret, RECORD_NAME, "%.*s~%s", (int)head, text,
                         text + n - (room - 1 - head));
}

/* ---- a line, column by column; the host is the last and takes what is left */

enum column { WORKERS, STATE, PID, AHEAD, FREE, MARK, N_COLUMNS };

static const struct { const char *head; bool right; } columns[N_COLUMNS] = {
        [WORKERS] = { "WORKERS", false }, [STATE] = { "STATE", false }, [PID] = { "PID", true },
        [AHEAD] = { "AHEAD_S", true }, [FREE] = { "FREE", true }, [MARK] = { "NOTE", false },
};

struct line {
        char cells[N_COLUMNS][32];
};

static int64_t ms_ahead(const struct workers_list *list, uint64_t tick) {
        return (int64_t)tick - (int64_t)list->now_tick; /* both have 63 bits at most */
}

static void make_line(struct line *line, const struct workers_list *list,
                      const struct fleet_owner *owner) {
        int64_t free_ms = ms_ahead(list, workers_free_tick(list, owner));
        bool late = workers_is_late(list, owner), old = workers_is_old(owner);

        (void)shorten_list(owner->record->workers, WORKERS_MAX, line->cells[WORKERS]);
        strcpy(line->cells[STATE], workers_state_name(workers_state_of(owner)));
        snprintf(line->cells[PID], 32, "%" PRId64, owner->record->who.pid);
        snprintf(line->cells[AHEAD], 32, "%.1f",
                 (double)ms_ahead(list, owner->record->fence_tick) / 1e3);
        if (owner->alive)
                strcpy(line->cells[FREE], "-");
        else if (free_ms <= 0)
                strcpy(line->cells[FREE], "now");
        else
                snprintf(line->cells[FREE], 32, "in %" PRId64 " s", (free_ms + 999) / 1000);
        snprintf(line->cells[MARK], 32, "%s%s%s", late ? "late" : "", late && old ? "," : "",
                 old ? "old" : "");
}

struct widths {
        unsigned cells[N_COLUMNS]; /* 0: there is no such column */
        unsigned host;
};

static struct widths measure_columns(const struct workers_list *list,
                                     const struct workers_rows *rows) {
        struct widths widths = { .cells = { 0 } };
        unsigned taken = HOST_MIN;

        for (size_t i = 0; i < list->view->n_owners; i++) {
                struct line line;

                make_line(&line, list, rows->owners[i]);
                for (unsigned c = 0; c < N_COLUMNS; c++)
                        if (strlen(line.cells[c]) > widths.cells[c])
                                widths.cells[c] = (unsigned)strlen(line.cells[c]);
        }
        for (unsigned c = 0; c < N_COLUMNS; c++) {
                if (widths.cells[c] < strlen(columns[c].head) && (c != MARK || widths.cells[c] > 0))
                        widths.cells[c] = (unsigned)strlen(columns[c].head);
                taken += widths.cells[c] > 0 ? widths.cells[c] + 2 : 0;
        }
        widths.host = HOST_MIN + (taken < COLUMNS ? COLUMNS - taken : 0);
        return widths;
}

static void print_cell(FILE *out, const struct widths *widths, unsigned column,
                       const char *text) {
        int width = (int)widths->cells[column];

        if (width > 0)
                fprintf(out, columns[column].right ? "%*s  " : "%-*s  ", width, text);
}

static void print_row(FILE *out, const struct workers_list *list, const struct fleet_owner *owner,
                      const struct widths *widths) {
        char host[RECORD_NAME];
        struct line line;

        make_line(&line, list, owner);
        for (unsigned c = 0; c < N_COLUMNS; c++)
                print_cell(out, widths, c, line.cells[c]);
        shorten_name(owner->record->who.host, widths->host, host);
        workers_print_plain(out, host);
        fputc('\n', out);
}

/* ---- what stands around the lines */

static void print_head(FILE *out, const struct workers_list *list,
                       const struct workers_rows *rows) {
        const struct fleet_census *census = &rows->census;
        char unused[WORKERS_MAX + 1];

        fprintf(out, "region %" PRIu32 " is %" PRIu32 " %% full: %" PRIu32 " worker IDs",
                list->space.region, rows->full_percent, list->view->end);
        if (list->space.layout.region_bits > 0)
                fprintf(out, ", %" PRIu64 " to %" PRIu64 " in an ID", rows->first_in_id,
                        rows->first_in_id + list->view->end - 1);
        fprintf(out, "\n%" PRIu32 " held, %" PRIu32 " resting, %" PRIu32 " refused, %" PRIu32
                " free", census->held, census->resting, census->refused, census->free);
        if (*rows->unused != '\0')
                fprintf(out, ", never used: %s", shorten_list(rows->unused, WORKERS_MAX, unused));
        fputc('\n', out);
}

static void print_titles(FILE *out, const struct widths *widths) {
        for (unsigned c = 0; c < N_COLUMNS; c++)
                print_cell(out, widths, c, columns[c].head);
        fputs("HOST\n", out);
}

static void print_refused(FILE *out, const struct widths *widths, const char *refused) {
        char workers[WORKERS_MAX + 1];

        if (*refused == '\0')
                return;
        print_cell(out, widths, WORKERS, shorten_list(refused, WORKERS_MAX, workers));
        print_cell(out, widths, STATE, "refused");
        fputs("no fence is known: sfshm fence --above TIME\n", out);
}

static void print_marks(FILE *out, const struct workers_list *list) {
        bool late = false, old = false;

        for (size_t i = 0; i < list->view->n_owners; i++) {
                late |= workers_is_late(list, &list->view->owners[i]);
                old |= workers_is_old(&list->view->owners[i]);
        }
        if (late)
                fputs("late: the session lives, but the fence has passed: the host issues no "
                      "IDs.\n      Look at the log of sfshmd there.\n", out);
        if (old)
                fputs("old: sfshmd there is older than " SFSHM_VERSION ": upgrade it\n", out);
}

/* What the operator must repair. */
static void print_tail(FILE *out, const struct workers_list *list) {
        const struct fleet_view *view = list->view;

        for (size_t i = 0; i < view->n_damaged; i++)
                fprintf(out, "%s: %s\n", view->damaged[i].key, view->damaged[i].error == -EPROTO ?
                        "of another version of sfshmd" : "damaged");
        for (size_t i = 0; i < view->n_strays; i++) {
                fprintf(out, "%s: a host whose record cannot be read is or was alive: ",
                        view->strays[i].key);
                workers_print_plain(out, view->strays[i].value);
                fputc('\n', out);
        }
}

int workers_list_text(FILE *out, const struct workers_list *list) {
        struct workers_rows rows;
        struct widths widths;

        if (workers_rows_make(&rows, list) < 0)
                return -ENOMEM;
        widths = measure_columns(list, &rows);
        print_head(out, list, &rows);
        if (list->view->n_owners > 0 || *rows.refused != '\0')
                print_titles(out, &widths);
        for (size_t i = 0; i < list->view->n_owners; i++)
                print_row(out, list, rows.owners[i], &widths);
        print_refused(out, &widths, rows.refused);
        print_marks(out, list);
        print_tail(out, list);
        workers_rows_clear(&rows);
        return 0;
}
