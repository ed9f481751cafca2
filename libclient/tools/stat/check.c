/* SPDX-License-Identifier: MIT */
/* sfshm-stat --check: a sentence and an exit status as monitors want them (Nagios, Icinga
 * and others run it as it is). */
#include "libclient/tools/stat/stat.h"

/* A daemon that stands by by itself and goes on by itself is a warning. */
static enum stat_check judge(const struct sample *sample) {
        switch (sample->state) {
        case SAMPLE_UNCLEAR:
                return STAT_CHECK_UNKNOWN;
        case SAMPLE_DEAD:
        case SAMPLE_SILENT:
        case SAMPLE_FAILED:
                return STAT_CHECK_CRITICAL;
        case SAMPLE_STARTING:
        case SAMPLE_WAITING:
                return STAT_CHECK_WARNING;
        default:
                /* IDs carry an old time until the operator says which clock is right */
                return sample->reason == CLOCK_REASON_HELD ? STAT_CHECK_WARNING : STAT_CHECK_OK;
        }
}

enum stat_check stat_print_check(FILE *out, const struct sample *sample) {
        static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
        enum stat_check check = judge(sample);
        char text[SAMPLE_TEXT];

        fprintf(out, "%s: %s\n", words[check], sample_sentence(sample, text));
        return check;
}
