/* SPDX-License-Identifier: MIT */
/*
 * Ties the numbers of shm/PROTOCOL.md to the headers. Each row of the page
 * which begins with a name in backticks is one of:
 *   | `struct.field` | offset | bytes | meaning |
 *   | `sizeof(struct)` | bytes | meaning |
 *   | `CONSTANT` | value | meaning |
 * A row that is missing, wrong, double, or about nothing known here fails; and
 * so does a byte of a struct which no row covers, so a field that is added to
 * a header must be added here and to the page.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/clock.h"
#include "shm/history.h"
#include "shm/ledger.h"
#include "shm/pages.h"
#include "shm/statistics.h"
#include "shm/wire.h"

#define MEMBER(type, field) ((struct type *)0)->field

struct row {
        const char *name;
        uint64_t value; /* offset, size or constant */
        uint64_t bytes; /* of a field; 0: a size or a constant */
        const char *text; /* of a constant that is a string */
        unsigned found;
};

#define F(type, field) \
        { #type "." #field, offsetof(struct type, field), sizeof(MEMBER(type, field)), NULL, 0 },
/* a flexible array: the bytes are those of one element */
#define E(type, field) \
        { #type "." #field "[]", offsetof(struct type, field), sizeof(MEMBER(type, field)[0]), \
          NULL, 0 },
#define SIZE(type) { "sizeof(" #type ")", sizeof(struct type), 0, NULL, 0 },
#define C(constant) { #constant, (uint64_t)(constant), 0, NULL, 0 },
#define S(constant) { #constant, 0, 0, constant, 0 },

static struct row rows[] = {
        SIZE(id_layout)
        F(id_layout, tick_bits) F(id_layout, worker_bits) F(id_layout, sequence_bits)
        F(id_layout, region_bits) F(id_layout, reserved) F(id_layout, epoch_unix_ms)

        SIZE(clock_segment)
        F(clock_segment, magic) F(clock_segment, version) F(clock_segment, size)
        F(clock_segment, boot_id) F(clock_segment, layout) F(clock_segment, worker_first)
        F(clock_segment, worker_count) F(clock_segment, reach_back_ticks)
        F(clock_segment, generation) F(clock_segment, state) F(clock_segment, resume_boot_ns)
        F(clock_segment, fence) F(clock_segment, reason) F(clock_segment, unserved)
        F(clock_segment, offset_ns) F(clock_segment, first_tick) F(clock_segment, led_ns)
        F(clock_segment, accepted)
        F(clock_segment, reserved6)
        F(clock_segment, fence_inverse) F(clock_segment, first_tick_inverse)
        F(clock_segment, reserved0) F(clock_segment, now) F(clock_segment, owner)
        F(clock_segment, reserved1) F(clock_segment, reserved2) F(clock_segment, latch)
        F(clock_segment, reserved3) F(clock_segment, params)
        F(clock_segment, earlier) F(clock_segment, turning) F(clock_segment, reserved4)
        F(clock_segment, turn_boot_ns) F(clock_segment, params_check)
        F(clock_segment, reserved5)

        SIZE(clock_params)
        F(clock_params, boot_base_ns) F(clock_params, guarded_base_ns) F(clock_params, slew_ppb)
        F(clock_params, slew_end_boot_ns)

        SIZE(grants_page)
        F(grants_page, magic) F(grants_page, version) F(grants_page, size) F(grants_page, client)
        F(grants_page, base_tick) F(grants_page, lanes) F(grants_page, worker_first)
        F(grants_page, worker_counters) F(grants_page, cursors_size) F(grants_page, changed)
        F(grants_page, widest) F(grants_page, generation)
        F(grants_page, reserved) E(grants_page, slots)

        SIZE(slot)
        F(slot, sequence) F(slot, span) F(slot, t0) F(slot, t1)

        SIZE(cursors_page)
        F(cursors_page, overflow_wait) F(cursors_page, reserved0) F(cursors_page, overflows)
        F(cursors_page, waits) F(cursors_page, reserved) E(cursors_page, lanes)

        SIZE(lane_words)
        F(lane_words, cursor) F(lane_words, reserved0) F(lane_words, ids)
        F(lane_words, overflows) F(lane_words, overflow_wait_ns) F(lane_words, reserved1)

        SIZE(ledger_segment)
        F(ledger_segment, magic) F(ledger_segment, version) F(ledger_segment, capacity)
        F(ledger_segment, size) F(ledger_segment, boot_id) F(ledger_segment, layout)
        F(ledger_segment, worker_first) F(ledger_segment, worker_count)
        F(ledger_segment, next_client) F(ledger_segment, fence) F(ledger_segment, lineage)
        F(ledger_segment, fence_inverse) F(ledger_segment, reserved)
        E(ledger_segment, lanes)

        SIZE(ledger_lane)
        F(ledger_lane, client) F(ledger_lane, lane) F(ledger_lane, uid) F(ledger_lane, pid)
        F(ledger_lane, cgroup) F(ledger_lane, attached_boot_ns) F(ledger_lane, slots)

        SIZE(statistics_segment)
        F(statistics_segment, magic) F(statistics_segment, version)
        F(statistics_segment, client_capacity) F(statistics_segment, size)
        F(statistics_segment, boot_id) F(statistics_segment, layout)
        F(statistics_segment, sequence) F(statistics_segment, updated_boot_ns)
        F(statistics_segment, pid) F(statistics_segment, worker_first)
        F(statistics_segment, worker_count) F(statistics_segment, client_count)
        F(statistics_segment, clients_offset) F(statistics_segment, reserved0)
        F(statistics_segment, daemon_version) F(statistics_segment, counters)
        F(statistics_segment, histograms) F(statistics_segment, reserved1)
        F(statistics_segment, worker_ids)

        SIZE(statistics_client)
        F(statistics_client, client) F(statistics_client, pid) F(statistics_client, uid)
        F(statistics_client, lanes) F(statistics_client, standing_width)
        F(statistics_client, elastic_width) F(statistics_client, reserved)
        F(statistics_client, ids) F(statistics_client, overflows)
        F(statistics_client, overflow_wait_ns) F(statistics_client, attached_boot_ns)
        F(statistics_client, comm)

        SIZE(wire_header)
        F(wire_header, magic) F(wire_header, version) F(wire_header, type)
        F(wire_header, length) F(wire_header, reserved)
        SIZE(wire_hello)
        F(wire_hello, header) F(wire_hello, version_min) F(wire_hello, version_max)
        F(wire_hello, lanes)
        SIZE(wire_welcome)
        F(wire_welcome, header) F(wire_welcome, client) F(wire_welcome, boot_ns)
        F(wire_welcome, clock_size) F(wire_welcome, grants_size) F(wire_welcome, cursors_size)
        F(wire_welcome, lanes)
        SIZE(wire_refused)
        F(wire_refused, header) F(wire_refused, error) F(wire_refused, retry_after_ms)
        F(wire_refused, text)
        SIZE(wire_want)
        F(wire_want, header) F(wire_want, lane) F(wire_want, count)
        SIZE(wire_refresh)
        F(wire_refresh, header)
        SIZE(wire_accept)
        F(wire_accept, header)
        SIZE(wire_answer)
        F(wire_answer, header) F(wire_answer, error) F(wire_answer, reserved)
        F(wire_answer, text)
        SIZE(wire_query)
        F(wire_query, header)
        SIZE(wire_status)
        F(wire_status, header) F(wire_status, state) F(wire_status, reason)
        F(wire_status, resume_boot_ns) F(wire_status, boot_ns) F(wire_status, guarded_ns)
        F(wire_status, offset_ns) F(wire_status, clock_device) F(wire_status, clock_inode)
        F(wire_status, generation) F(wire_status, pid) F(wire_status, clients)
        F(wire_status, ticking) F(wire_status, worker_first) F(wire_status, worker_count)
        F(wire_status, layout) F(wire_status, daemon_version) F(wire_status, shm)

        SIZE(history_segment)
        F(history_segment, magic) F(history_segment, version) F(history_segment, capacity)
        F(history_segment, size) F(history_segment, boot_id) F(history_segment, layout)
        F(history_segment, ring) F(history_segment, head) F(history_segment, reserved)
        E(history_segment, events)
        SIZE(history_event)
        F(history_event, number) F(history_event, kind) F(history_event, slot)
        F(history_event, record) F(history_event, tick) F(history_event, client)
        F(history_event, words)
        S(HISTORY_MAGIC) C(HISTORY_VERSION) C(HISTORY_EVENTS) C(HISTORY_CGROUP_PART)
        C(HISTORY_CGROUP_PARTS) C(HISTORY_START) C(HISTORY_ROUND) C(HISTORY_ROUND_END)
        C(HISTORY_CLIENT) C(HISTORY_CGROUP) C(HISTORY_HELD) C(HISTORY_DAMAGED) C(HISTORY_NOW)

        C(ID_BITS) C(ID_DEFAULT_EPOCH_UNIX_MS) C(NS_PER_TICK)
        S(CLOCK_MAGIC) C(CLOCK_VERSION) C(CLOCK_SIZE) C(CLOCK_NOW_INVALID) C(CLOCK_OWNER_DIED)
        C(CLOCK_STATE_STARTING) C(CLOCK_STATE_RUNNING) C(CLOCK_STATE_WAITING)
        C(CLOCK_STATE_FAILED) C(CLOCK_REASON_NONE) C(CLOCK_REASON_SLEWING)
        C(CLOCK_REASON_OFFSET) C(CLOCK_REASON_STEPPING) C(CLOCK_REASON_HELD)
        C(CLOCK_REASON_FENCE) C(CLOCK_REASON_ROLLBACK) C(CLOCK_REASON_UNSYNC)
        C(CLOCK_REASON_STUCK) C(CLOCK_REASON_END) C(CLOCK_REASON_CLONED)
        C(CLOCK_REASON_WORKERS) C(CLOCK_REASON_COORDINATOR) C(CLOCK_REASON_ACCESS)
        S(GRANTS_MAGIC) C(PAGES_VERSION) C(LANES_MAX) C(SLOTS_PER_LANE) C(RUN_WIDTH_MAX)
        C(SLOT_WIDTH_MAX) C(WORKER_COUNTERS_MAX) C(OVERFLOW_BUCKETS)
        C(SLOT_STANDING_A) C(SLOT_STANDING_B) C(SLOT_ELASTIC_A) C(SLOT_ELASTIC_B)
        C(CURSOR_OFFSET_BITS) C(CURSOR_SLOT_SHIFT) C(CURSOR_TICK_SHIFT) C(CURSOR_TICK_BITS)
        C(CURSOR_OFFSET_FULL) C(CURSOR_VERIFY_EVERY) C(CURSOR_SKEW_LIMIT)
        S(LEDGER_MAGIC) C(LEDGER_VERSION) S(STATISTICS_MAGIC) C(STATISTICS_VERSION) C(METRICS_BUCKETS) C(GRANTS_COUNTED)
        C(WAIT_OVERFLOW) C(WAIT_GRANT) C(WAIT_ATTACH) C(WAIT_CLOCK)
        C(OVERFLOW_WAITED) C(OVERFLOW_AGAIN) C(OVERFLOW_TIMEOUT)
        C(WIRE_MAGIC) C(WIRE_VERSION) C(WIRE_VERSION_MIN) C(WIRE_MESSAGE_MAX)
        C(WIRE_REFUSED_TEXT) C(WIRE_ANSWER_TEXT) C(WIRE_WELCOME_FDS)
        C(WIRE_HELLO) C(WIRE_WELCOME) C(WIRE_REFUSED) C(WIRE_WANT) C(WIRE_REFRESH)
        C(WIRE_ACCEPT) C(WIRE_ANSWER) C(WIRE_QUERY) C(WIRE_STATUS)
        C(WIRE_STATUS_VERSION) C(WIRE_STATUS_SHM)
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static FILE *open_page(void) {
        const char *source = getenv("SFSHM_SOURCE");
        char path[4096];
        FILE *page;

        snprintf(path, sizeof(path), "%s/shm/PROTOCOL.md", source ? source : ".");
        page = fopen(path, "re");
        cr_assert_not_null(page, "%s: not found; run it in the source tree or set SFSHM_SOURCE",
                           path);
        return page;
}

static struct row *row_named(const char *name) {
        for (size_t i = 0; i < N_ROWS; i++)
                if (strcmp(rows[i].name, name) == 0)
                        return &rows[i];
        return NULL;
}

/* A cell "| 123 " or "| `text` "; returns what follows it. */
static char *next_cell(char *at, char **ret_cell) {
        char *end;

        at += strspn(at, "| `");
        end = at + strcspn(at, "|`\n");
        while (end > at && end[-1] == ' ')
                end--;
        *ret_cell = at;
        if (*end == '\0')
                return end;
        *end = '\0';
        return end + 1;
}

static uint64_t number(const char *cell, const char *line) {
        char *end;
        uint64_t value = strtoull(cell, &end, 0);

        cr_assert(*cell != '\0' && *end == '\0', "%s: \"%s\" is no number", line, cell);
        return value;
}

static void check_row(char *line) {
        char *name, *cell;
        char *rest = next_cell(line, &name);
        struct row *row = row_named(name);

        cr_assert_not_null(row, "%s: in the page, not in the headers", name);
        cr_assert_eq(row->found++, 0, "%s: twice in the page", name);
        rest = next_cell(rest, &cell);
        if (row->text) {
                cr_assert_str_eq(cell, row->text, "%s", name);
                return;
        }
        cr_assert_eq(number(cell, name), row->value, "%s: the page says %s, the headers %llu", name,
                     cell, (unsigned long long)row->value);
        if (row->bytes == 0)
                return;
        (void)next_cell(rest, &cell);
        cr_assert_eq(number(cell, name), row->bytes, "%s: the page says %s bytes, the headers %llu",
                     name, cell, (unsigned long long)row->bytes);
}

/* Red when a number in the page or in a header changes, or a row goes. */
Test(protocol_page, says_what_the_headers_say) {
        FILE *page = open_page();
        char *line = NULL;
        size_t room = 0;

        while (getline(&line, &room, page) >= 0)
                if (strncmp(line, "| `", 3) == 0)
                        check_row(line);
        free(line);
        (void)fclose(page);
        for (size_t i = 0; i < N_ROWS; i++)
                cr_assert_eq(rows[i].found, 1, "%s: not in the page", rows[i].name);
}

static bool is_field_of(const struct row *row, const char *type, size_t length) {
        return strncmp(row->name, type, length) == 0 && row->name[length] == '.';
}

/* Red when a field is added to a header and not here: the rows of a struct
 * follow each other without a gap, up to its size. */
Test(protocol_page, covers_every_byte) {
        for (size_t i = 0; i < N_ROWS; i++) {
                const char *type = rows[i].name + strlen("sizeof(");
                size_t length = strcspn(type, ")");
                uint64_t at = 0;

                if (strncmp(rows[i].name, "sizeof(", strlen("sizeof(")) != 0)
                        continue;
                for (size_t j = 0; j < N_ROWS; j++) {
                        if (!is_field_of(&rows[j], type, length))
                                continue;
                        cr_assert_eq(rows[j].value, at, "a gap before %s", rows[j].name);
                        if (strchr(rows[j].name, '[') == NULL)
                                at += rows[j].bytes;
                }
                cr_assert_eq(at, rows[i].value, "%s: something is missing at %llu", rows[i].name,
                             (unsigned long long)at);
        }
}
