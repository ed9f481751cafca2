/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* As many decimals as make three digits; rounding may add one. */
static int decimals(double value) {
        return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

const char *format_count(double value, char ret[FORMAT_SIZE]) {
        static const char units[] = "kMGTPE";
        const char *unit = units;

        if (value < 999.5) {
                snprintf(ret, FORMAT_SIZE, "%.*f", value >= 99.95 || value == (int)value ? 0 : 1,
                         value);
                return ret;
        }
        for (value /= 1000; value >= 999.5 && unit[1] != '\0'; value /= 1000)
                unit++;
        snprintf(ret, FORMAT_SIZE, "%.*f%c", decimals(value), value, *unit);
        return ret;
}

const char *format_wait(double us, char ret[FORMAT_SIZE]) {
        if (us < 999.5)
                snprintf(ret, FORMAT_SIZE, "%.0fus", us);
        else if (us < 999.5e3)
                snprintf(ret, FORMAT_SIZE, "%.*fms", decimals(us / 1e3), us / 1e3);
        else if (us < 999.5e6)
                snprintf(ret, FORMAT_SIZE, "%.*fs", decimals(us / 1e6), us / 1e6);
        else
                snprintf(ret, FORMAT_SIZE, "%.0fmin", us / 60e6);
        return ret;
}

const char *format_span(int64_t ms, char ret[FORMAT_SPAN_SIZE]) {
        uint64_t magnitude = ms < 0 ? -(uint64_t)ms : (uint64_t)ms, s = magnitude / 1000;
        const char *sign = ms < 0 ? "-" : "";

        if (s < 10)
                snprintf(ret, FORMAT_SPAN_SIZE, "%s%.1f s", sign, (double)magnitude / 1e3);
        else if (s < 60)
                snprintf(ret, FORMAT_SPAN_SIZE, "%s%" PRIu64 " s", sign, s);
        else if (s < 3600)
                snprintf(ret, FORMAT_SPAN_SIZE, "%s%" PRIu64 " min %" PRIu64 " s", sign, s / 60,
                         s % 60);
        else if (s < 86400)
                snprintf(ret, FORMAT_SPAN_SIZE, "%s%" PRIu64 " h %" PRIu64 " min", sign, s / 3600,
                         s / 60 % 60);
        else
                snprintf(ret, FORMAT_SPAN_SIZE, "%s%" PRIu64 " d %" PRIu64 " h", sign, s / 86400,
                         s / 3600 % 24);
        return ret;
}

static size_t filled(double share, size_t room) {
        size_t n = share >= 1 ? room : share > 0 ? (size_t)(share * (double)room + 0.5) : 0;

        if (n == 0 && share > 0 && room > 0)
                return 1;
        return n == room && share < 1 && room > 0 ? room - 1 : n;
}

void format_bar(double share, size_t width, char *ret, size_t size) {
        size_t room = width > 2 ? width - 2 : 0, n;

        if (size < 3)
                return;
        if (room > size - 3)
                room = size - 3;
        n = filled(share, room);
        ret[0] = '[';
        memset(ret + 1, '|', n);
        memset(ret + 1 + n, ' ', room - n);
        ret[1 + room] = ']';
        ret[2 + room] = '\0';
}
