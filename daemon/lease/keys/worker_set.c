/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/worker_set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void worker_set_unite(struct worker_set *set, const struct worker_set *other) {
        for (size_t i = 0; i < WORKER_SET_MAX / 64; i++)
                set->bits[i] |= other->bits[i];
}

void worker_set_subtract(struct worker_set *set, const struct worker_set *other) {
        for (size_t i = 0; i < WORKER_SET_MAX / 64; i++)
                set->bits[i] &= ~other->bits[i];
}

bool worker_set_has_any(const struct worker_set *set, uint32_t first, uint32_t last) {
        uint32_t at = first / 64;
        uint64_t word = set->bits[at] >> first % 64 << first % 64;

        while (word == 0 && ++at <= last / 64)
                word = set->bits[at];
        return word != 0 && at * 64 + (uint32_t)__builtin_ctzll(word) <= last;
}

uint32_t worker_set_count(const struct worker_set *set) {
        uint32_t n = 0;

        for (size_t i = 0; i < WORKER_SET_MAX / 64; i++)
                n += (uint32_t)__builtin_popcountll(set->bits[i]);
        return n;
}

uint32_t worker_set_next(const struct worker_set *set, uint32_t from) {
        uint32_t at = from / 64;
        uint64_t word;

        if (from >= WORKER_SET_MAX)
                return WORKER_SET_MAX;
        for (word = set->bits[at] >> from % 64 << from % 64; word == 0; word = set->bits[at])
                if (++at == WORKER_SET_MAX / 64)
                        return WORKER_SET_MAX;
        return at * 64 + (uint32_t)__builtin_ctzll(word);
}

char *worker_set_text(const struct worker_set *set) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        const char *comma = "";

        if (!stream)
                return NULL;
        for (uint32_t first = worker_set_next(set, 0), last; first < WORKER_SET_MAX;
             first = worker_set_next(set, last + 1)) {
                for (last = first; worker_set_has(set, last + 1);)
                        last++;
                fprintf(stream, first == last ? "%s%" PRIu32 : "%s%" PRIu32 "-%" PRIu32, comma,
                        first, last);
                comma = ",";
        }
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* A number of at most five digits, without leading zeros. */
static bool take_number(const char **text, uint32_t *ret) {
        const char *from = *text;
        uint32_t value = 0, digits = 0;

        for (; **text >= '0' && **text <= '9' && digits < 6; digits++)
                value = value * 10 + (uint32_t)(*(*text)++ - '0');
        *ret = value;
        return digits > 0 && digits < 6 && (digits == 1 || *from != '0');
}

/* One spelling only: a range has at least two, and between two of the list others are left
 * out. */
static bool take_range(const char **text, uint32_t *ret_first, uint32_t *ret_last) {
        if (!take_number(text, ret_first))
                return false;
        *ret_last = *ret_first;
        if (**text != '-')
                return true;
        (*text)++;
        return take_number(text, ret_last) && *ret_last > *ret_first;
}

bool worker_set_range(const char **text, uint32_t *ret_first, uint32_t *ret_last) {
        *text += **text == ',';
        return **text != '\0' && take_range(text, ret_first, ret_last);
}

static bool is_list(const char *text, uint32_t end) {
        uint32_t first, last, next = 0; /* the lowest that may follow */

        for (const char *p = text; *p != '\0'; next = last + 2)
                if ((p != text && *p++ != ',') || !take_range(&p, &first, &last) || first < next ||
                    last >= end || last >= WORKER_SET_MAX)
                        return false;
        return true;
}

int worker_set_parse(const char *text, uint32_t end, struct worker_set *ret) {
        uint32_t first, last;

        if (!is_list(text, end))
                return -EBADMSG;
        memset(ret, 0, sizeof(*ret));
        while (worker_set_range(&text, &first, &last))
                for (; first <= last; first++)
                        worker_set_add(ret, first);
        return 0;
}
