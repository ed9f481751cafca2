/* SPDX-License-Identifier: MIT */
#include "shm/isotime.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

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

/* Takes at most `most` digits and returns how many. What exceeds UINT64_MAX stays some value
 * above it. */
static int take_digits(const char **text, int most, wide *ret) {
        int n = 0;

        for (*ret = 0; n < most && is_digit(**text); n++, (*text)++)
                if (*ret <= UINT64_MAX)
                        *ret = *ret * 10 + **text - '0';
        return n;
}

/* Two digits, with a value in [low, high]. */
static bool take_number(const char **text, int low, int high, int *ret) {
        wide value;

        if (take_digits(text, 2, &value) != 2 || value < low || value > high)
                return false;
        *ret = (int)value;
        return true;
}

static bool take_year(const char **text, int64_t *ret) {
        bool negative = **text == '-', has_sign = negative || **text == '+';
        wide year;
        int digits;

        *text += has_sign;
        digits = take_digits(text, 9, &year);
        *ret = (int64_t)(negative ? -year : year);
        return (digits == 4 || (digits > 4 && has_sign)) && !(negative && year == 0);
}

static bool take_date(const char **text, int64_t *ret_days) {
        int64_t year;
        int month, day;

        if (!take_year(text, &year) || !take_char(text, '-') ||
            !take_number(text, 1, 12, &month) || !take_char(text, '-') ||
            !take_number(text, 1, 31, &day))
                return false;
        *ret_days = days_of(year, month, day);
        return *ret_days < days_of(year, month + 1, 1);
}

/* ".5" is 500000000 ns; nothing is 0. */
static bool take_fraction(const char **text, int64_t *ret_ns) {
        wide ns = 0;
        int digits = take_char(text, '.') ? take_digits(text, 9, &ns) : 9;

        for (int i = digits; i < 9; i++)
                ns *= 10;
        *ret_ns = (int64_t)ns;
        return digits > 0;
}

static bool take_time(const char **text, int64_t *ret_ms, int64_t *ret_ns) {
        int hour, minute, second = 0;

        if (!take_number(text, 0, 23, &hour) || !take_char(text, ':') ||
            !take_number(text, 0, 59, &minute))
                return false;
        if (take_char(text, ':') &&
            (!take_number(text, 0, 59, &second) || !take_fraction(text, ret_ns)))
                return false;
        *ret_ms = (hour * 60 + minute) * MS_PER_MINUTE + second * MS_PER_S;
        return true;
}

static bool take_zone(const char **text, int64_t *ret_ms) {
        int sign = **text == '-' ? -1 : 1, hours, minutes = 0;

        if (take_char(text, 'Z'))
                return true;
        if ((!take_char(text, '+') && !take_char(text, '-')) ||
            !take_number(text, 0, 23, &hours))
                return false;
        if ((take_char(text, ':') || **text != '\0') && !take_number(text, 0, 59, &minutes))
                return false;
        *ret_ms = sign * (hours * 60 + minutes) * MS_PER_MINUTE;
        return true;
}

/* A moment is `ms` and 0 to 999,999,999 ns. */
struct moment {
        wide ms;
        int64_t ns;
};

static bool parse_calendar(const char *text, struct moment *ret) {
        int64_t days, ms = 0, zone_ms = 0;

        if (!take_date(&text, &days))
                return false;
        if (*text != '\0' && ((!take_char(&text, 'T') && !take_char(&text, ' ')) ||
                              !take_time(&text, &ms, &ret->ns) || !take_zone(&text, &zone_ms)))
                return false;
        ret->ms = (wide)days * MS_PER_DAY + ms - zone_ms;
        return *text == '\0';
}

/* Unix seconds with a fraction, or whole milliseconds. */
static bool parse_count(const char *text, bool is_seconds, struct moment *ret) {
        bool negative = take_char(&text, '-');
        int digits = take_digits(&text, INT_MAX, &ret->ms);

        if (digits == 0 || (is_seconds && !take_fraction(&text, &ret->ns)) || *text != '\0')
                return false;
        ret->ms *= (negative ? -1 : 1) * (is_seconds ? MS_PER_S : 1);
        if (negative && ret->ns > 0) {
                ret->ms -= MS_PER_S;
                ret->ns = NS_PER_S - ret->ns;
        }
        return true;
}

static bool parse_moment(const char *text, unsigned flags, struct moment *ret) {
        if (take_char(&text, '@'))
                return parse_count(text, true, ret);
        return parse_calendar(text, ret) ||
               ((flags & ISOTIME_UNIX_MS) != 0 && parse_count(text, false, ret));
}

int isotime_parse(const char *text, unsigned flags, int64_t *ret_unix_ms) {
        struct moment moment = { .ns = 0 };
        bool valid = parse_moment(text, flags, &moment), between = moment.ns % NS_PER_MS != 0;

        if (!valid || (between && !(flags & (ISOTIME_ROUND_DOWN | ISOTIME_ROUND_UP))))
                return -EINVAL;
        moment.ms += moment.ns / NS_PER_MS + (between && flags & ISOTIME_ROUND_UP ? 1 : 0);
        if (moment.ms < INT64_MIN || moment.ms > INT64_MAX)
                return -ERANGE;
        *ret_unix_ms = (int64_t)moment.ms;
        return 0;
}
