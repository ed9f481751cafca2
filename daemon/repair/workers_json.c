/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_json.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/state/fence_file.h"

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

static json_t *marks_json(const struct workers_list *list, const struct fleet_owner *owner) {
        json_t *array = json_array();

        if (workers_is_late(list, owner))
                json_array_append_new(array, json_string("late"));
        if (workers_is_old(owner))
                json_array_append_new(array, json_string("old"));
        return array;
}

static json_t *row_json(const struct workers_list *list, const struct fleet_owner *owner) {
        const struct record_brief *record = owner->record;
        uint64_t fence = record->fence_tick;
        int64_t ahead_ms = (int64_t)fence - (int64_t)list->now_tick;
        char time[FENCE_TIME_SIZE];

        return json_pack(
                "{s:s, s:s, s:b, s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:s, s:I, s:o, s:s?, s:o}",
                "workers", record->workers, "state", workers_state_name(workers_state_of(owner)),
                "alive", (int)owner->alive, "host", record->who.host, "machine_id",
                record->who.machine_id, "boot_id", record->who.boot_id, "pid",
                (json_int_t)record->who.pid, "directory", record->who.directory, "nonce",
                record->nonce, "since_unix_ms", (json_int_t)record->since_unix_ms, "fence_tick",
                (json_int_t)fence, "fence", fence_time(&list->space.layout, fence, time),
                "fence_ahead_ms", (json_int_t)ahead_ms, "free_unix_ms",
                owner->alive ? json_null() : unix_ms(list, workers_free_tick(list, owner)),
                "daemon", *owner->daemon != '\0' ? owner->daemon : NULL, "marks",
                marks_json(list, owner));
}

static json_t *keys_json(const struct fleet_odd_key *keys, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; i < n; i++)
                json_array_append_new(array, json_string(keys[i].key));
        return array;
}

static json_t *region_json(const struct workers_list *list, const struct workers_rows *rows) {
        const struct fleet_census *census = &rows->census;

        return json_pack("{s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "region",
                         (json_int_t)list->space.region, "worker_ids",
                         (json_int_t)list->view->end, "first_in_id",
                         json_number(rows->first_in_id), "now_unix_ms",
                         unix_ms(list, list->now_tick), "recycle_delay_ms",
                         json_number(list->recycle_ticks), "full_percent",
                         (json_int_t)rows->full_percent, "held", (json_int_t)census->held,
                         "resting", (json_int_t)census->resting, "refused",
                         (json_int_t)census->refused, "free", (json_int_t)census->free,
                         "refused_workers", rows->refused, "unused_workers", rows->unused);
}

/* The value without its last `cut` characters; frees `value`. 0 or -ENOMEM. */
static int print_value(FILE *out, json_t *value, size_t cut) {
        char *text = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

        json_decref(value);
        if (text == NULL)
                return -ENOMEM;
        (void)fwrite(text, 1, strlen(text) - cut, out);
        free(text);
        return 0;
}

static int print_region(FILE *out, const struct workers_list *list,
                        const struct workers_rows *rows) {
        const struct fleet_view *view = list->view;
        int r = print_value(out, region_json(list, rows), 1); /* its brace comes at the end */

        fputs(",\"hosts\":[", out);
        for (size_t i = 0; r == 0 && i < view->n_owners; i++) {
                fputs(i > 0 ? "," : "", out);
                r = print_value(out, row_json(list, rows->owners[i]), 0);
        }
        fputs("],\"damaged\":", out);
        if (r == 0)
                r = print_value(out, keys_json(view->damaged, view->n_damaged), 0);
        fputs(",\"strays\":", out);
        if (r == 0)
                r = print_value(out, keys_json(view->strays, view->n_strays), 0);
        fputs("}\n", out);
        return r;
}

int workers_list_json(FILE *out, const struct workers_list *list) {
        struct workers_rows rows;
        int r = workers_rows_make(&rows, list);

        if (r < 0)
                return r;
        r = print_region(out, list, &rows);
        workers_rows_clear(&rows);
        return r;
}
