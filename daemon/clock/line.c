/* SPDX-License-Identifier: MIT */
#include "daemon/clock/line.h"

#include "daemon/util/time.h"

bool line_slewing(const struct clock_line *line, int64_t boot_ns) {
        return line->slew_ppb != 0 && boot_ns < line->slew_end_boot_ns;
}

int64_t line_slew_left(const struct clock_line *line, int64_t boot_ns) {
        int64_t from = boot_ns > line->boot_base_ns ? boot_ns : line->boot_base_ns;

        if (!line_slewing(line, boot_ns))
                return 0;
        return time_clamped(((wide_ns)line->slew_end_boot_ns - from) * line->slew_ppb / NS_PER_S);
}

void line_begin(struct clock_line *line, int64_t boot_ns, int64_t guarded_ns) {
        *line = (struct clock_line){ .boot_base_ns = boot_ns, .guarded_base_ns = guarded_ns,
                                     .slew_end_boot_ns = boot_ns };
}

/* From the normal rate, at `turn_ns`. */
static void begin_slew(struct clock_line *line, int64_t turn_ns, int64_t ppb, int64_t stretch_ns) {
        line_begin(line, turn_ns, clock_line_at(line, turn_ns));
        line->slew_ppb = ppb;
        line->slew_end_boot_ns = time_clamped((wide_ns)turn_ns + stretch_ns);
}

bool line_bend(struct clock_line *line, int64_t boot_ns, int64_t ppb, int64_t stretch_ns) {
        int64_t turn_ns = time_clamped((wide_ns)boot_ns + LINE_LEAD_NS);
        int64_t end_ns = time_clamped((wide_ns)boot_ns + stretch_ns);

        if (!line_slewing(line, boot_ns)) {
                if (line->slew_ppb != 0) /* the slew is over; a line without one is read faster */
                        line_begin(line, boot_ns, clock_line_at(line, boot_ns));
                if (ppb != 0)
                        begin_slew(line, turn_ns, ppb, stretch_ns);
                return true;
        }
        /* readers may already have passed an end that comes before the turn */
        if (line->slew_ppb == ppb && line->slew_end_boot_ns >= turn_ns) {
                line->slew_end_boot_ns = end_ns > turn_ns ? end_ns : turn_ns;
                return true;
        }
        if (line->slew_end_boot_ns > turn_ns)
                line->slew_end_boot_ns = turn_ns;
        return false;
}
