/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_list.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/state/fence_file.h"

#define SHORT_ID 8 /* digits of a machine or boot ID that a line shows */

enum workers_state workers_state_of(const struct fleet_owner *owner) {
        if (owner->alive)
                return WORKERS_HELD;
        if (owner->record->freed)
                return WORKERS_FREED;
        return owner->record->released ? WORKERS_RELEASED : WORKERS_DEAD;
}

const char *workers_state_name(enum workers_state state) {
        static const char *const names[] = {
                [WORKERS_HELD] = "held", [WORKERS_DEAD] = "dead",
                [WORKERS_RELEASED] = "released", [WORKERS_FREED] = "freed",
        };

        return names[state];
}

void workers_print_plain(FILE *out, const char *text) {
        for (; *text != '\0'; text++)
                fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
}

/* What worker ID 0 of the region is as the worker of an ID. */
static uint64_t first_in_id(const struct workers_list *list) {
        const struct id_layout *layout = &list->space.layout;

        return (uint64_t)list->space.region << (layout->worker_bits - layout->region_bits);
}

/* ---- sets */

static char *set_of(const struct fleet_view *view, int32_t owner) {
        struct worker_set set = { .bits = { 0 } };

        for (uint32_t w = 0; w < view->end; w++)
                if (view->of_worker[w] == owner)
                        worker_set_add(&set, w);
        return worker_set_text(&set);
}

struct row {
        const struct fleet_owner *owner;
        uint32_t first;
        char *workers;
};

/* What both forms of the list show. */
struct table {
        struct row *rows; /* one for each owner, in the order of their first worker IDs */
        char *refused, *unused;
};

static int compare_rows(const void *a, const void *b) {
        const struct row *x = a, *y = b;

        return x->first < y->first ? -1 : x->first > y->first;
}

static void clear_table(struct table *table, size_t n_rows) {
        for (size_t i = 0; table->rows != NULL && i < n_rows; i++)
                free(table->rows[i].workers);
        free(table->rows);
        free(table->refused);
        free(table->unused);
}

static int make_table(struct table *ret, const struct fleet_view *view) {
        struct table table = { calloc(view->n_owners + 1, sizeof(*table.rows)),
                               set_of(view, FLEET_REFUSED), set_of(view, FLEET_NEVER_USED) };
        bool well = table.rows != NULL && table.refused != NULL && table.unused != NULL;

        for (size_t i = 0; well && i < view->n_owners; i++) {
                const struct worker_set *workers = &view->owners[i].record->workers;

                table.rows[i] = (struct row){ &view->owners[i], worker_set_next(workers, 0),
                                              worker_set_text(workers) };
                well = table.rows[i].workers != NULL;
        }
        if (!well) {
                clear_table(&table, view->n_owners);
                return -ENOMEM;
        }
        qsort(table.rows, view->n_owners, sizeof(*table.rows), compare_rows);
        *ret = table;
        return 0;
}

/* ---- text */

/* How wide the columns of any length are. */
struct widths {
        int workers, host;
};

static int wider(int width, size_t length) {
        return length > (size_t)width ? (int)length : width;
}

static struct widths measure_columns(const struct fleet_view *view, const struct table *table) {
        struct widths widths = { (int)strlen("WORKERS"), (int)strlen("HOST") };

        for (size_t i = 0; i < view->n_owners; i++) {
                widths.workers = wider(widths.workers, strlen(table->rows[i].workers));
                widths.host = wider(widths.host, strlen(table->rows[i].owner->record->who.host));
        }
        widths.workers = wider(widths.workers, strlen(table->refused));
        return widths;
}

static double ahead_s(const struct workers_list *list, uint64_t tick) {
        return tick >= list->now_tick ? (double)(tick - list->now_tick) / 1e3 :
                                        -(double)(list->now_tick - tick) / 1e3;
}

static void print_free(FILE *out, const struct workers_list *list,
                       const struct fleet_owner *owner) {
        uint64_t tick = fleet_free_tick(owner->record, list->recycle_ticks);
        char time[FENCE_TIME_SIZE];

        if (owner->alive)
                fputs("-\n", out);
        else if (list->now_tick >= tick)
                fputs("now\n", out);
        else
                fprintf(out, "%s (in %.0f s)\n", fence_time(&list->space.layout, tick, time),
                        ahead_s(list, tick) + 0.5);
}

static void print_row(FILE *out, const struct workers_list *list, const struct row *row,
                      const struct widths *widths) {
        static const struct id_layout unix_time = { .epoch_unix_ms = 0 };
        const struct record_host *record = row->owner->record;
        char since[FENCE_TIME_SIZE], fence[FENCE_TIME_SIZE];

        fprintf(out, "%-*s  %-8s  %-5s  ", widths->workers, row->workers,
                workers_state_name(workers_state_of(row->owner)),
                row->owner->alive ? "yes" : "no");
        workers_print_plain(out, record->who.host);
        fprintf(out, "%*s  %-*.*s  %-*.*s  %7" PRId64 "  %-24s  %-24s  %13" PRIu64 "  %9.1f  ",
                widths->host - (int)strlen(record->who.host), "", SHORT_ID, SHORT_ID,
                record->who.machine_id, SHORT_ID, SHORT_ID, record->who.boot_id, record->who.pid,
                fence_time(&unix_time, (uint64_t)record->since_unix_ms, since),
                fence_time(&list->space.layout, record->fence_tick, fence), record->fence_tick,
                ahead_s(list, record->fence_tick));
        print_free(out, list, row->owner);
}

static void print_head(FILE *out, const struct workers_list *list, const char *unused) {
        struct fleet_census census = fleet_census(list->view, list->now_tick, list->recycle_ticks);
        uint64_t first = first_in_id(list);

        fprintf(out, "region %" PRIu32 ": of %" PRIu32 " worker IDs %" PRIu32 " are held, %" PRIu32
                " rest, %" PRIu32 " are refused, %" PRIu32 " are free", list->space.region,
                list->view->end, census.held, census.resting, census.refused, census.free);
        if (*unused != '\0')
                fprintf(out, " (%s never used)", unused);
        if (list->space.layout.region_bits > 0)
                fprintf(out, "; in an ID they are %" PRIu64 " to %" PRIu64, first,
                        first + list->view->end - 1);
        fputc('\n', out);
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
        const struct fleet_view *view = list->view;
        struct widths widths;
        struct table table;

        if (make_table(&table, view) < 0)
                return -ENOMEM;
        widths = measure_columns(view, &table);
        print_head(out, list, table.unused);
        if (view->n_owners > 0 || *table.refused != '\0')
                fprintf(out, "%-*s  %-8s  %-5s  %-*s  %-8s  %-8s  %7s  %-24s  %-24s  %13s  "
                        "%9s  %s\n", widths.workers, "WORKERS", "STATE", "ALIVE", widths.host,
                        "HOST", "MACHINE", "BOOT", "PID", "SINCE", "FENCE", "TICK", "AHEAD_S",
                        "FREE");
        for (size_t i = 0; i < view->n_owners; i++)
                print_row(out, list, &table.rows[i], &widths);
        if (*table.refused != '\0')
                fprintf(out, "%-*s  refused   -      no fence is known: sfshm workers --release %s "
                        "--above TIME\n", widths.workers, table.refused, table.refused);
        print_tail(out, list);
        clear_table(&table, view->n_owners);
        return 0;
}

/* ---- JSON */

static json_t *json_number(uint64_t value) {
        return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *unix_ms(const struct workers_list *list, uint64_t tick) {
        int64_t ms;

        if (tick > INT64_MAX ||
            __builtin_add_overflow(list->space.layout.epoch_unix_ms, (int64_t)tick, &ms))
                return json_null();
        return json_integer(ms);
}

static json_t *row_json(const struct workers_list *list, const struct row *row) {
        const struct record_host *record = row->owner->record;
        uint64_t fence = record->fence_tick;
        int64_t ahead_ms = (int64_t)fence - (int64_t)list->now_tick;
        char time[FENCE_TIME_SIZE];

        return json_pack(
                "{s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s:o}", "workers",
                row->workers, "state", workers_state_name(workers_state_of(row->owner)), "alive",
                (int)row->owner->alive, "host", record->who.host, "machine_id",
                record->who.machine_id, "boot_id", record->who.boot_id, "pid",
                (json_int_t)record->who.pid, "directory", record->who.directory, "nonce",
                record->nonce, "since_unix_ms", (json_int_t)record->since_unix_ms, "fence_tick",
                (json_int_t)fence, "fence", fence_time(&list->space.layout, fence, time),
                "fence_ahead_ms", (json_int_t)ahead_ms, "free_unix_ms",
                row->owner->alive ? json_null()
                                  : unix_ms(list, fleet_free_tick(record, list->recycle_ticks)));
}

static json_t *rows_json(const struct workers_list *list, const struct row *rows) {
        json_t *array = json_array();

        for (size_t i = 0; i < list->view->n_owners; i++)
                json_array_append_new(array, row_json(list, &rows[i]));
        return array;
}

static json_t *keys_json(const struct fleet_odd_key *keys, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(array, json_string(keys[i].key));
        return array;
}

static json_t *region_json(const struct workers_list *list, const struct table *table) {
        struct fleet_census census = fleet_census(list->view, list->now_tick, list->recycle_ticks);
        uint64_t first = first_in_id(list);

        return json_pack(
                "{s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "region",
                (json_int_t)list->space.region, "worker_ids", (json_int_t)list->view->end,
                "first_in_id", json_number(first), "now_unix_ms", unix_ms(list, list->now_tick),
                "recycle_delay_ms", json_number(list->recycle_ticks), "held",
                (json_int_t)census.held, "resting", (json_int_t)census.resting, "refused",
                (json_int_t)census.refused, "free", (json_int_t)census.free, "refused_workers",
                table->refused, "unused_workers", table->unused, "hosts",
                rows_json(list, table->rows), "damaged",
                keys_json(list->view->damaged, list->view->n_damaged), "strays",
                keys_json(list->view->strays, list->view->n_strays));
}

int workers_list_json(FILE *out, const struct workers_list *list) {
        struct table table;
        json_t *object;
        char *text;

        if (make_table(&table, list->view) < 0)
                return -ENOMEM;
        object = region_json(list, &table);
        text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
        json_decref(object);
        clear_table(&table, list->view->n_owners);
        if (text == NULL)
                return -ENOMEM;
        fprintf(out, "%s\n", text);
        free(text);
        return 0;
}
