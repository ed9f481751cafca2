/* SPDX-License-Identifier: MIT */
#include "libclient/tools/id_line.h"

#include <inttypes.h>
#include <string.h>

#include "shm/isotime.h"

struct widths {
        int time, region, worker, sequence;
};

static int digits_of_bits(unsigned bits, const char *title) {
        int title_width = (int)strlen(title);
        int width = snprintf(NULL, 0, "%" PRIu64, (UINT64_C(1) << bits) - 1);

        return width > title_width ? width : title_width;
}

static struct widths widths_of(const struct sfshm_layout *layout) {
        int64_t last, ticks = (int64_t)((UINT64_C(1) << layout->tick_bits) - 1);
        char time[ISOTIME_SIZE];

        if (__builtin_add_overflow(layout->epoch_unix_ms, ticks, &last))
                last = INT64_MAX;
        isotime_format(last, time);
        return (struct widths){
                .time = (int)strlen(time),
                .region = digits_of_bits(layout->region_bits, "REGION"),
                .worker = digits_of_bits(layout->worker_bits, "WORKER"),
                .sequence = digits_of_bits(layout->sequence_bits, "SEQUENCE"),
        };
}

int id_line_print(FILE *out, const struct sfshm_layout *layout, uint64_t id, bool *titled) {
        struct widths w = widths_of(layout);
        struct sfshm_parts parts;
        char time[ISOTIME_SIZE];
        int r = sfshm_decode(layout, id, &parts);

        if (r < 0)
                return r;
        if (!*titled)
                fprintf(out, "%19s  %-*s  %*s  %*s  %*s\n", "ID", w.time, "TIME", w.region,
                        "REGION", w.worker, "WORKER", w.sequence, "SEQUENCE");
        *titled = true;
        isotime_format(parts.unix_ms, time);
        fprintf(out, "%19" PRIu64 "  %-*s  %*" PRIu32 "  %*" PRIu32 "  %*" PRIu32 "\n", id, w.time,
                time, w.region, parts.region, w.worker, parts.worker, w.sequence, parts.sequence);
        return 0;
}

int id_line_print_json(FILE *out, const struct sfshm_layout *layout, uint64_t id) {
        struct sfshm_parts parts;
        char time[ISOTIME_SIZE];
        int r = sfshm_decode(layout, id, &parts);

        if (r < 0)
                return r;
        isotime_format(parts.unix_ms, time);
        fprintf(out,
                "{\"id\":\"%" PRIu64 "\",\"time\":\"%s\",\"unix_ms\":%" PRId64
                ",\"region\":%" PRIu32 ",\"worker\":%" PRIu32 ",\"sequence\":%" PRIu32 "}\n",
                id, time, parts.unix_ms, parts.region, parts.worker, parts.sequence);
        return 0;
}

/* Does the text at *at begin with `token`, blanks before it aside? Then moves *at behind it. */
static bool take_token(const char **at, const char *end, const char *token) {
        const char *p = *at;
        size_t length = strlen(token);

        while (p < end && (*p == ' ' || *p == '\t'))
                p++;
        if ((size_t)(end - p) < length || memcmp(p, token, length) != 0)
                return false;
        *at = p + length;
        return true;
}

bool id_line_find_json(const char *line, size_t length, const char **ret_id, size_t *ret_length) {
        const char *at = line, *end = line + length, *quote;

        if (!take_token(&at, end, "{") || !take_token(&at, end, "\"id\"") ||
            !take_token(&at, end, ":") || !take_token(&at, end, "\""))
                return false;
        quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL || end[-1] != '}')
                return false;
        *ret_id = at;
        *ret_length = (size_t)(quote - at);
        at = quote + 1;
        return take_token(&at, end, ",") || take_token(&at, end, "}");
}
