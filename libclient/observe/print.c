/* SPDX-License-Identifier: MIT */
#include "libclient/observe/print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "shm/process/process.h"

static __attribute__((format(printf, 1, 0))) void print_message(const char *format,
                                                                va_list arguments) {
        fflush(stdout); /* so that errors appear at their place in the output */
        fprintf(stderr, "%s: ", program_invocation_short_name);
        vfprintf(stderr, format, arguments);
        fputc('\n', stderr);
}

int print_error(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_message(format, arguments);
        va_end(arguments);
        return 1;
}

int print_usage_error(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_message(format, arguments);
        va_end(arguments);
        return print_usage_hint();
}

int print_usage_hint(void) {
        fprintf(stderr, "Try '%s --help'.\n", program_invocation_short_name);
        return EXIT_USAGE;
}

const char *print_quoted(const char *text, size_t length, char ret[PRINT_QUOTED_SIZE]) {
        size_t at = 0, i;

        ret[at++] = '\'';
        /* leave room for one escape, "...", the quote and the NUL */
        for (i = 0; i < length && at + 4 + 5 < PRINT_QUOTED_SIZE; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c >= 0x20 && c < 0x7f)
                        ret[at++] = (char)c;
                else
                        at += (size_t)snprintf(ret + at, 5, "\\x%02x", c);
        }
        snprintf(ret + at, PRINT_QUOTED_SIZE - at, "%s'", i < length ? "..." : "");
        return ret;
}

void print_json_string(FILE *out, const char *text, size_t size) {
        size_t length = strnlen(text, size);

        fputc('"', out);
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '"' || c == '\\')
                        fprintf(out, "\\%c", c);
                else if (c >= 0x20 && c < 0x7f)
                        fputc(c, out);
                else
                        fprintf(out, "\\u%04x", c);
        }
        fputc('"', out);
}

void print_plain(FILE *out, const char *text, size_t size) {
        for (size_t i = 0; i < size && text[i] != '\0'; i++)
                fputc(text[i] >= 0x20 && text[i] < 0x7f && !strchr("\"\\", text[i]) ? text[i] : '?',
                      out);
}

void print_scaled(FILE *out, int64_t value, int64_t divisor) {
        uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
        uint64_t rest = magnitude % (uint64_t)divisor, digit = (uint64_t)divisor / 10;

        fprintf(out, "%s%" PRIu64, value < 0 ? "-" : "", magnitude / (uint64_t)divisor);
        if (rest > 0)
                fputc('.', out);
        for (; rest > 0; rest %= digit, digit /= 10)
                fputc('0' + (int)(rest / digit), out);
}

int print_finish(FILE *out) {
        int r = process_finish(out);

        return r == 0 ? 0 : print_error("cannot write the output: %s", strerror(-r));
}
