/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_json.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "shm/isotime.h"

static const char *const level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning",
        [LOG_LEVEL_NOTICE] = "notice", [LOG_LEVEL_INFO] = "info",
};

static size_t count_continuations(const unsigned char *bytes, size_t most) {
        size_t n = 0;

        while (n < most && (bytes[n] & 0xc0) == 0x80)
                n++;
        return n;
}

/* Bytes of the character there, by the ranges of RFC 3629; 0: it is none. */
static size_t character_length(const unsigned char *bytes) {
        unsigned char first = bytes[0], second = first >= 0xc2 && first <= 0xf4 ? bytes[1] : 0;
        size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

        if (second == 0 || count_continuations(bytes + 1, length - 1) != length - 1 ||
            (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
            (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
                return 0;
        return length;
}

static void put_string(struct log_text *text, const char *string) {
        const unsigned char *at = (const unsigned char *)string;
        size_t length;

        log_text_put(text, "\"", 1);
        for (; *at != '\0'; at += length) {
                length = 1;
                if (*at == '"' || *at == '\\') {
                        log_text_format(text, "\\%c", *at);
                } else if (*at < 0x20 || *at == 0x7f) {
                        log_text_format(text, "\\u%04x", *at);
                } else if (*at < 0x80) {
                        log_text_put(text, (const char *)at, 1);
                } else if ((length = character_length(at)) > 0) {
                        log_text_put(text, (const char *)at, length);
                } else {
                        log_text_string(text, "\\ufffd");
                        length = 1;
                }
        }
        log_text_put(text, "\"", 1);
}

static void put_fields(struct log_text *text, const struct log_fields *fields) {
        struct log_field_view field;
        size_t at = 0;

        log_text_string(text, ",\"fields\":{");
        for (const char *comma = ""; log_fields_next(fields, &at, &field); comma = ",") {
                log_text_format(text, "%s\"%s\":", comma, field.name);
                if (field.number)
                        log_text_string(text, field.value);
                else
                        put_string(text, field.value);
        }
        log_text_put(text, "}", 1);
}

void log_json_put(struct log_text *text, const struct log_line *line) {
        char time[ISOTIME_SIZE];

        log_text_format(text, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"message\":",
                        isotime_format(line->unix_ms, time), level_names[line->event.level],
                        line->event.name);
        put_string(text, line->sentence);
        log_text_format(text, ",\"pid\":%d", (int)getpid());
        put_fields(text, &line->fields);
        if (line->more > 0)
                log_text_format(text, ",\"suppressed\":%" PRIu64, line->more);
        if (line->dropped > 0)
                log_text_format(text, ",\"dropped\":%" PRIu64, line->dropped);
        log_text_put(text, "}\n", 2);
}
