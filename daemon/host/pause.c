/* SPDX-License-Identifier: MIT */
#include "daemon/host/pause.h"

static int64_t pause_late_ns(const struct pause *pause, int64_t boot_ns, int64_t passed_ns) {
        int64_t asleep_ns = boot_ns - pause->boot_ns - passed_ns, late_ns;

        if (pause->due_ns >= boot_ns)
                return 0;
        late_ns = boot_ns - (pause->due_ns > pause->boot_ns ? pause->due_ns : pause->boot_ns);
        /* the two clocks are not read at once */
        if (asleep_ns > 0)
                late_ns -= asleep_ns;
        return late_ns < 0 ? 0 : late_ns < passed_ns ? late_ns : passed_ns;
}

bool pause_look(struct pause *pause, int64_t boot_ns, int64_t mono_ns, int64_t due_ns,
                bool stopped, struct pause_length *ret) {
        int64_t passed_ns = mono_ns - pause->mono_ns;
        int64_t late_ns = pause_late_ns(pause, boot_ns, passed_ns);
        bool first = pause->boot_ns == 0;

        *pause = (struct pause){ boot_ns, mono_ns, due_ns };
        if (first || (late_ns < PAUSE_MIN_NS && !(stopped && passed_ns >= PAUSE_MIN_NS)))
                return false;
        *ret = (struct pause_length){ late_ns, passed_ns };
        return true;
}
