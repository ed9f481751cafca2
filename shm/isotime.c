/* SPDX-License-Identifier: MIT */
#include "shm/isotime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef __int128 wide;

#define NS_PER_MS 1000000
#define NS_PER_S INT64_C(1000000000)
#define MS_PER_S 1000
#define MS_PER_MINUTE INT64_C(60000)
#define MS_PER_DAY INT64_C(86400000)
#define DAYS_PER_ERA INT64_C(146097) /* 400 years, after which the calendar repeats */
#define DAYS_TO_1970 INT64_C(719468) /* from 0000-03-01, where a year's leap day comes last */

/* Days since 1970-01-01. Years are counted from March. */
static int64_t days_of(int64_t year, int month, int day) {
        int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
        int64_t year_of_era = y - era * 400;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

        return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day) {
        int64_t z = days + DAYS_TO_1970, era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
        int64_t day_of_era = z - era * DAYS_PER_ERA;
        int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                               day_of_era / (DAYS_PER_ERA - 1)) /
                              365;
        int64_t day_of_year =
                day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int64_t from_march = (5 * day_of_year + 2) / 153;

        *ret_day = (int)(day_of_year - (153 * from_march + 2) / 5 + 1);
        *ret_month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
        *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static const char *format(int64_t unix_ms, bool with_ms, char ret[ISOTIME_SIZE]) {
        int64_t days = unix_ms / MS_PER_DAY, rest = unix_ms % MS_PER_DAY, year;
        int month, day, ms, n;

        if (rest < 0) {
                rest += MS_PER_DAY;
                days--;
        }
        date_of(days, &year, &month, &day);
        ms = (int)rest;
        n = snprintf(ret, ISOTIME_SIZE,
                     year < 0 || year > 9999 ? "%+05" PRId64 "-%02d-%02dT%02d:%02d:%02d"
                                             : "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d",
                     year, month, day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60);
        snprintf(ret + n, ISOTIME_SIZE - (size_t)n, with_ms ? ".%03dZ" : "Z", ms % 1000);
        return ret;
}

const char *isotime_format(int64_t unix_ms, char ret[ISOTIME_SIZE]) {
        return format(unix_ms, true, ret);
}

const char *isotime_format_short(int64_t unix_ms, char ret[ISOTIME_SIZE]) {
        return format(unix_ms, unix_ms % MS_PER_S != 0, ret);
}

static bool take_char(const char **text, char c) {
        if (**text != c)
                return false;
        (*text)++;
        return true;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* Exactly `digits` digits, nine at most, with a value in [low, high]. */
static bool take_number(const char **text, int digits, int low, int high, int *ret) {
        int value = 0;

        for (int i = 0; i < digits; i++) {
                if (!is_digit((*text)[i]))
                        return false;
                value = value * 10 + (*text)[i] - '0';
        }
        if (value < low || value > high)
                return false;
        *text += digits;
        *ret = value;
        return true;
}

static bool take_year(const char **text, int64_t *ret) {
        bool negative = **text == '-', has_sign = negative || **text == '+';
        int digits = 0, year;

        *text += has_sign;
        while (digits < 9 && is_digit((*text)[digits]))
                digits++;
        if (digits < 4 || (digits > 4 && !has_sign) ||
            !take_number(text, digits, negative ? 1 : 0, 999999999, &year))
                return false;
        *ret = negative ? -year : year;
        return true;
}

static int days_in_month(int64_t year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **text, int64_t *ret_days) {
        int64_t year;
        int month, day;

        if (!take_year(text, &year) || !take_char(text, '-') ||
            !take_number(text, 2, 1, 12, &month) || !take_char(text, '-') ||
            !take_number(text, 2, 1, days_in_month(year, month), &day))
                return false;
        *ret_days = days_of(year, month, day);
        return true;
}

/* ".5" is 500000000 ns; nothing is 0. */
static bool take_fraction(const char **text, int64_t *ret_ns) {
        int64_t ns = 0, unit_ns = NS_PER_S / 10;

        if (take_char(text, '.')) {
                if (!is_digit(**text))
                        return false;
                for (; is_digit(**text) && unit_ns > 0; (*text)++, unit_ns /= 10)
                        ns += (**text - '0') * unit_ns;
        }
        *ret_ns = ns;
        return true;
}

static bool take_time(const char **text, int64_t *ret_ms, int64_t *ret_ns) {
        int hour, minute, second = 0;

        if (!take_number(text, 2, 0, 23, &hour) || !take_char(text, ':') ||
            !take_number(text, 2, 0, 59, &minute))
                return false;
        if (take_char(text, ':') &&
            (!take_number(text, 2, 0, 59, &second) || !take_fraction(text, ret_ns)))
                return false;
        *ret_ms = (hour * 60 + minute) * MS_PER_MINUTE + second * MS_PER_S;
        return true;
}

static bool take_zone(const char **text, int64_t *ret_ms) {
        int sign = **text == '-' ? -1 : 1, hours, minutes = 0;

        if (take_char(text, 'Z'))
                return true;
        if ((!take_char(text, '+') && !take_char(text, '-')) ||
            !take_number(text, 2, 0, 23, &hours))
                return false;
        if ((take_char(text, ':') || **text != '\0') && !take_number(text, 2, 0, 59, &minutes))
                return false;
        *ret_ms = sign * (hours * 60 + minutes) * MS_PER_MINUTE;
        return true;
}

/* A moment is `ms` and 0 to 999,999,999 ns. */
struct moment {
        wide ms;
        int64_t ns;
};

static int parse_calendar(const char *text, struct moment *ret) {
        int64_t days, ms = 0, zone_ms = 0;

        if (!take_date(&text, &days))
                return -EINVAL;
        if (*text != '\0') {
                if (!take_char(&text, 'T') && !take_char(&text, ' '))
                        return -EINVAL;
                if (!take_time(&text, &ms, &ret->ns) || !take_zone(&text, &zone_ms) ||
                    *text != '\0')
                        return -EINVAL;
        }
        ret->ms = (wide)days * MS_PER_DAY + ms - zone_ms;
        return 0;
}

/* Digits alone. -ERANGE when they do not fit, wherever they end. */
static int take_count(const char **text, bool negative, int64_t *ret) {
        int64_t value = 0;
        bool fits = true;

        if (!is_digit(**text))
                return -EINVAL;
        for (; is_digit(**text); (*text)++) {
                int digit = **text - '0';

                fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
                       !__builtin_add_overflow(value, negative ? -digit : digit, &value);
        }
        *ret = value;
        return fits ? 0 : -ERANGE;
}

static int parse_seconds(const char *text, struct moment *ret) {
        bool negative = take_char(&text, '-');
        int64_t seconds;
        int r = take_count(&text, negative, &seconds);

        if (r == -EINVAL || !take_fraction(&text, &ret->ns) || *text != '\0')
                return -EINVAL;
        ret->ms = (wide)seconds * MS_PER_S;
        if (negative && ret->ns > 0) {
                ret->ms -= MS_PER_S;
                ret->ns = NS_PER_S - ret->ns;
        }
        return r;
}

static bool is_count(const char *text) {
        text += *text == '-';
        return *text != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int parse_milliseconds(const char *text, struct moment *ret) {
        bool negative = take_char(&text, '-');
        int64_t ms;
        int r = take_count(&text, negative, &ms);

        ret->ms = ms;
        return r;
}

static int parse_moment(const char *text, unsigned flags, struct moment *ret) {
        if (is_count(text))
                return flags & ISOTIME_UNIX_MS ? parse_milliseconds(text, ret) : -EINVAL;
        return take_char(&text, '@') ? parse_seconds(text, ret) : parse_calendar(text, ret);
}

int isotime_parse(const char *text, unsigned flags, int64_t *ret_unix_ms) {
        struct moment moment = { .ns = 0 };
        int r = parse_moment(text, flags, &moment);
        bool between = moment.ns % NS_PER_MS != 0;

        if (r < 0)
                return r;
        if (between && !(flags & (ISOTIME_ROUND_DOWN | ISOTIME_ROUND_UP)))
                return -EINVAL;
        moment.ms += moment.ns / NS_PER_MS + (between && flags & ISOTIME_ROUND_UP ? 1 : 0);
        if (moment.ms < INT64_MIN || moment.ms > INT64_MAX)
                return -ERANGE;
        *ret_unix_ms = (int64_t)moment.ms;
        return 0;
}
