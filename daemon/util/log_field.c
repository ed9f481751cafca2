/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_field.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* In `bytes`: 'n' or 't', the name, a NUL, the value, a NUL. */
static int format_value(char ret[LOG_VALUE_MAX + 1], const struct log_field *field) {
        if (field->kind == LOG_FIELD_SIGNED)
                return snprintf(ret, LOG_VALUE_MAX + 1, "%" PRId64, field->number);
        if (field->kind == LOG_FIELD_UNSIGNED)
                return snprintf(ret, LOG_VALUE_MAX + 1, "%" PRIu64, field->count);
        return snprintf(ret, LOG_VALUE_MAX + 1, "%s", field->text != NULL ? field->text : "");
}

void log_fields_add(struct log_fields *fields, struct log_field field) {
        char value[LOG_VALUE_MAX + 1];
        size_t name_size = strlen(field.name) + 1, value_size;

        if (format_value(value, &field) < 0)
                return;
        value_size = strlen(value) + 1;
        if (1 + name_size + value_size > sizeof(fields->bytes) - fields->length)
                return;
        fields->bytes[fields->length++] = field.kind == LOG_FIELD_TEXT ? 't' : 'n';
        memcpy(fields->bytes + fields->length, field.name, name_size);
        memcpy(fields->bytes + fields->length + name_size, value, value_size);
        fields->length += name_size + value_size;
}

bool log_fields_next(const struct log_fields *fields, size_t *at, struct log_field_view *ret) {
        const char *bytes = fields->bytes + *at;

        if (*at >= fields->length)
                return false;
        ret->number = bytes[0] == 'n';
        ret->name = bytes + 1;
        ret->value = ret->name + strlen(ret->name) + 1;
        *at = (size_t)(ret->value + strlen(ret->value) + 1 - fields->bytes);
        return true;
}
