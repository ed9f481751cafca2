/* SPDX-License-Identifier: MIT */
#include "daemon/util/log_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void log_text_put(struct log_text *text, const char *bytes, size_t n) {
        if (n > sizeof(text->bytes) - text->length)
                return;
        memcpy(text->bytes + text->length, bytes, n);
        text->length += n;
}

void log_text_string(struct log_text *text, const char *string) {
        log_text_put(text, string, strlen(string));
}

void log_text_format(struct log_text *text, const char *format, ...) {
        char bytes[128];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(bytes, sizeof(bytes), format, args);
        va_end(args);
        if (n > 0 && (size_t)n < sizeof(bytes))
                log_text_put(text, bytes, (size_t)n);
}

void log_text_escape(struct log_text *text, const char *string) {
        for (; *string; string++) {
                unsigned char c = (unsigned char)*string;

                if (c == '\\')
                        log_text_put(text, "\\\\", 2);
                else if (c >= 0x20 && c < 0x7f)
                        log_text_put(text, string, 1);
                else
                        log_text_format(text, "\\x%02x", c);
        }
}
