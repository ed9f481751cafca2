/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/html.h"

#include <stdarg.h>

void html_text(FILE *out, const char *text) {
        for (; *text != '\0'; text++)
                switch (*text) {
                case '<':
                        fputs("&lt;", out);
                        break;
                case '>':
                        fputs("&gt;", out);
                        break;
                case '&':
                        fputs("&amp;", out);
                        break;
                case '"':
                        fputs("&quot;", out);
                        break;
                case '\'':
                        fputs("&#39;", out);
                        break;
                default:
                        fputc(*text >= 0x20 && *text < 0x7f ? *text : '?', out);
                }
}

const char *html_count(double value, char ret[HTML_COUNT]) {
        static const char *const units[] = { "", " k", " M", " G", " T" };
        unsigned unit = 0;

        while (value >= 999.5 && unit < 4) {
                value /= 1000;
                unit++;
        }
        snprintf(ret, HTML_COUNT, "%.*f%s",
                 value >= 99.95 || value == (double)(int64_t)value ? 0 : value >= 9.995 ? 1 : 2,
                 value, units[unit]);
        return ret;
}

void html_row(FILE *out, const char *name, const char *format, ...) {
        char value[512];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(value, sizeof(value), format, arguments);
        va_end(arguments);
        fprintf(out, "<tr><th>%s</th><td>", name);
        html_text(out, value);
        fputs("</td></tr>\n", out);
}
