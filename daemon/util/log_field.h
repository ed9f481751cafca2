/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What an event says beside its sentence, for programs: names and values, as the journal
 * has them. WITH(EVENT_REFUSED, FIELD(UID, uid), FIELD(PID, pid)) is that event with them.
 * A value is a whole number or a string; the caller keeps it until the call returns.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_field {
        const char *name; /* NULL: the end */
        enum { LOG_FIELD_SIGNED, LOG_FIELD_UNSIGNED, LOG_FIELD_TEXT } kind;
        union {
                int64_t number;
                uint64_t count;
                const char *text;
        };
};

/* Of one line, and of one value; what is longer is cut or left out. */
#define LOG_FIELDS_SIZE 768u
#define LOG_VALUE_MAX 255u

/* The fields of a line, formatted: they outlive what the caller gave. */
struct log_fields {
        size_t length;
        char bytes[LOG_FIELDS_SIZE];
};

/* A field that does not fit is left out. */
void log_fields_add(struct log_fields *fields, struct log_field field);

struct log_field_view {
        const char *name, *value;
        bool number; /* the value is one */
};
/* The field at *at, which moves on from 0; false: there are no more. */
bool log_fields_next(const struct log_fields *fields, size_t *at, struct log_field_view *ret);

static inline struct log_field log_field_signed(const char *name, int64_t value) {
        return (struct log_field){ .name = name, .kind = LOG_FIELD_SIGNED, .number = value };
}
static inline struct log_field log_field_unsigned(const char *name, uint64_t value) {
        return (struct log_field){ .name = name, .kind = LOG_FIELD_UNSIGNED, .count = value };
}
static inline struct log_field log_field_text(const char *name, const char *value) {
        return (struct log_field){ .name = name, .kind = LOG_FIELD_TEXT, .text = value };
}

/* "+ 0" makes pointers of arrays and int of what is shorter; it is not evaluated. */
#define FIELD(name, value)                                                                         \
        _Generic((value) + 0,                                                                      \
                char *: log_field_text, const char *: log_field_text,                              \
                int: log_field_signed, long: log_field_signed, long long: log_field_signed,        \
                default: log_field_unsigned)(#name, value)
