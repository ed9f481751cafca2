/* SPDX-License-Identifier: MIT */
#include "libclient/tools/isotime.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

void isotime_format(int64_t unix_ms, char ret[ISOTIME_SIZE]) {
        int64_t days = unix_ms / MS_PER_DAY, rest = unix_ms % MS_PER_DAY, year;
        int month, day, ms;

        if (rest < 0) {
                rest += MS_PER_DAY;
                days--;
        }
        date_of(days, &year, &month, &day);
        ms = (int)rest;
        snprintf(ret, ISOTIME_SIZE,
                 year < 0 || year > 9999 ? "%+05" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ"
                                         : "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ",
                 year, month, day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

/* Exactly `digits` digits with a value in [low, high]. */
static bool take_number(const char **text, int digits, int low, int high, int *ret) {
        int value = 0;

        for (int i = 0; i < digits; i++) {
                if ((*text)[i] < '0' || (*text)[i] > '9')
                        return false;
                value = value * 10 + (*text)[i] - '0';
        }
        if (value < low || value > high)
                return false;
        *text += digits;
        *ret = value;
        return true;
}

static bool take_char(const char **text, char c) {
        if (**text != c)
                return false;
        (*text)++;
        return true;
}

static int days_in_month(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **text, int64_t *ret_days) {
        int year, month, day;

        if (!take_number(text, 4, 0, 9999, &year) || !take_char(text, '-') ||
            !take_number(text, 2, 1, 12, &month) || !take_char(text, '-') ||
            !take_number(text, 2, 1, days_in_month(year, month), &day))
                return false;
        *ret_days = days_of(year, month, day);
        return true;
}

/* ".5" is 500 ms; at most three digits. */
static bool take_fraction(const char **text, int *ret_ms) {
        int ms = 0, scale = 100, digit;

        if (!take_number(text, 1, 0, 9, &digit))
                return false;
        do {
                ms += digit * scale;
                scale /= 10;
        } while (scale > 0 && take_number(text, 1, 0, 9, &digit));
        *ret_ms = ms;
        return true;
}

static bool take_time(const char **text, int64_t *ret_ms) {
        int hour, minute, second = 0, ms = 0;

        if (!take_number(text, 2, 0, 23, &hour) || !take_char(text, ':') ||
            !take_number(text, 2, 0, 59, &minute))
                return false;
        if (take_char(text, ':') && !take_number(text, 2, 0, 59, &second))
                return false;
        if (take_char(text, '.') && !take_fraction(text, &ms))
                return false;
        *ret_ms = ((int64_t)hour * 60 + minute) * 60000 + (int64_t)second * 1000 + ms;
        return true;
}

static bool take_zone(const char **text, int64_t *ret_ms) {
        int sign = **text == '-' ? -1 : 1, hours, minutes;

        if (take_char(text, 'Z')) {
                *ret_ms = 0;
                return true;
        }
        if ((!take_char(text, '+') && !take_char(text, '-')) ||
            !take_number(text, 2, 0, 23, &hours) || !take_char(text, ':') ||
            !take_number(text, 2, 0, 59, &minutes))
                return false;
        *ret_ms = sign * ((int64_t)hours * 60 + minutes) * 60000;
        return true;
}

/* -ENOENT: not a plain number at all. */
static int parse_unix_ms(const char *text, int64_t *ret) {
        bool negative = *text == '-';
        int64_t value = 0;

        text += negative;
        if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
                return -ENOENT;
        for (; *text; text++) {
                int digit = *text - '0';

                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, negative ? -digit : digit, &value))
                        return -ERANGE;
        }
        *ret = value;
        return 0;
}

int isotime_parse(const char *text, int64_t *ret_unix_ms) {
        int64_t days, ms = 0, zone_ms = 0;
        int r = parse_unix_ms(text, ret_unix_ms);

        if (r != -ENOENT)
                return r;
        if (!take_date(&text, &days))
                return -EINVAL;
        if (*text != '\0') {
                if (!take_char(&text, 'T') && !take_char(&text, ' '))
                        return -EINVAL;
                if (!take_time(&text, &ms) || !take_zone(&text, &zone_ms) || *text != '\0')
                        return -EINVAL;
        }
        *ret_unix_ms = days * MS_PER_DAY + ms - zone_ms;
        return 0;
}
