/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_line.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/time.h"

#define CUT_MARK " [cut]"

static void add_fields(struct log_fields *fields, const struct log_field *field, int error) {
        fields->length = 0;
        for (; field != NULL && field->name != NULL; field++)
                log_fields_add(fields, *field);
        if (error != 0)
                log_fields_add(fields, FIELD(ERRNO, error));
}

void log_line_format(struct log_line *line, struct log_event event, uint64_t more, int error,
                     const char *format, va_list args) {
        /* before anything that may change errno, which the sentence may have as %m */
        int n = vsnprintf(line->sentence, LOG_SENTENCE_MAX, format, args);

        if (n < 0)
                strcpy(line->sentence, "(a message that cannot be formatted)");
        else if ((size_t)n >= LOG_SENTENCE_MAX)
                strcpy(line->sentence + LOG_SENTENCE_MAX - sizeof(CUT_MARK), CUT_MARK);
        add_fields(&line->fields, event.fields, error);
        line->event = event;
        line->event.fields = NULL;
        line->unix_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS;
        line->more = more;
        line->dropped = 0;
}
