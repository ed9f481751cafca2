/* SPDX-License-Identifier: MIT */
#include "shm/clock.h"

#include <limits.h>

__extension__ typedef __int128 wide;

const char *clock_state_name(uint32_t state) {
        static const char *const names[] = { "starting", "running", "waiting", "failed" };

        return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

const char *clock_reason_name(uint32_t reason) {
        static const char *const names[] = { "none",  "slewing",  "offset", "stepping",
                                             "held",  "fence",    "rollback", "unsynchronised",
                                             "stuck", "end",      "cloned", "workers",
                                             "coordinator", "access" };

        _Static_assert(sizeof(names) / sizeof(names[0]) == CLOCK_REASONS, "a name for each reason");
        return reason < CLOCK_REASONS ? names[reason] : "?";
}

int64_t clock_line_at(const struct clock_line *line, int64_t boot_ns) {
        int64_t slewed_until = boot_ns < line->slew_end_boot_ns ? boot_ns : line->slew_end_boot_ns;
        wide elapsed = (wide)boot_ns - line->boot_base_ns;
        wide slewed = (wide)slewed_until - line->boot_base_ns;
        wide guarded = line->guarded_base_ns + elapsed;

        if (line->slew_ppb != 0 && slewed > 0)
                guarded += slewed * line->slew_ppb / 1000000000;
        return guarded < INT64_MIN + (wide)1 || guarded > INT64_MAX ? INT64_MIN : (int64_t)guarded;
}

int64_t clock_line_boot_of(const struct clock_line *line, uint64_t tick) {
        wide target = (wide)tick * NS_PER_TICK;
        wide low = line->boot_base_ns, boot;

        /* without slew the slope is 1; otherwise the slewed stretch comes first */
        wide ahead = target - line->guarded_base_ns;
        wide stretch = (wide)line->slew_end_boot_ns - line->boot_base_ns;

        if (line->slew_ppb == 0 || stretch <= 0 || ahead <= 0) {
                boot = low + ahead;
        } else {
                wide slope = 1000000000 + (wide)line->slew_ppb;
                wide gain = stretch * line->slew_ppb / 1000000000;

                boot = ahead <= stretch + gain ? low + (ahead * 1000000000 + slope - 1) / slope
                                               : low + ahead - gain;
        }
        if (boot < INT64_MIN)
                return INT64_MIN;
        return boot > INT64_MAX ? INT64_MAX : (int64_t)boot;
}

static void params_load(const struct clock_params *params, struct clock_line *ret) {
        ret->boot_base_ns = atomic_load_explicit(&params->boot_base_ns, memory_order_relaxed);
        ret->guarded_base_ns = atomic_load_explicit(&params->guarded_base_ns, memory_order_relaxed);
        ret->slew_ppb = atomic_load_explicit(&params->slew_ppb, memory_order_relaxed);
        ret->slew_end_boot_ns = atomic_load_explicit(&params->slew_end_boot_ns, memory_order_relaxed);
}

static void params_store(struct clock_params *params, const struct clock_line *line) {
        atomic_store_explicit(&params->boot_base_ns, line->boot_base_ns, memory_order_relaxed);
        atomic_store_explicit(&params->guarded_base_ns, line->guarded_base_ns, memory_order_relaxed);
        atomic_store_explicit(&params->slew_ppb, line->slew_ppb, memory_order_relaxed);
        atomic_store_explicit(&params->slew_end_boot_ns, line->slew_end_boot_ns, memory_order_relaxed);
}

uint64_t clock_line_check(const struct clock_line *line) {
        uint64_t check = ~((uint64_t)line->boot_base_ns ^ (uint64_t)line->guarded_base_ns ^
                           (uint64_t)line->slew_ppb ^ (uint64_t)line->slew_end_boot_ns);

        return check != 0 ? check : 1;
}

/* As params_store(), for the next daemon: it reads the copy that the latch names, and that
 * was complete before the latch named it. */
static void params_write(struct clock_segment *segment, unsigned copy,
                         const struct clock_line *line) {
        params_store(&segment->params[copy], line);
        atomic_store_explicit(&segment->params_check[copy], clock_line_check(line),
                              memory_order_relaxed);
}

bool clock_line_whole(const struct clock_segment *segment) {
        struct clock_line line;
        unsigned copy = clock_latch_begin(segment, &line) & 1;
        uint64_t check = atomic_load_explicit(&segment->params_check[copy], memory_order_relaxed);

        return check == 0 || check == clock_line_check(&line);
}

uint32_t clock_latch_begin(const struct clock_segment *segment, struct clock_line *ret) {
        /* acquire: pairs with the release in clock_latch_write(). The copy that the
         * sequence names was complete before the sequence was stored. */
        uint32_t sequence = atomic_load_explicit(&segment->latch, memory_order_acquire);

        params_load(&segment->params[sequence & 1], ret);
        return sequence;
}

bool clock_latch_retry(const struct clock_segment *segment, uint32_t begun) {
        /* pairs with the release barrier in clock_latch_write(): a reader that saw any
         * field of a newer line sees the newer sequence here */
        atomic_thread_fence(memory_order_acquire);
        return atomic_load_explicit(&segment->latch, memory_order_relaxed) != begun;
}

int64_t clock_read(const struct clock_segment *segment, int64_t (*clock_ns)(clockid_t clock),
                   struct clock_reading *ret) {
        do {
                ret->sequence = clock_latch_begin(segment, &ret->line);
                ret->boot_ns = clock_ns(CLOCK_BOOTTIME);
        } while (clock_latch_retry(segment, ret->sequence));
        return clock_line_at(&ret->line, ret->boot_ns);
}

void clock_latch_write(struct clock_segment *segment, const struct clock_line *line) {
        uint32_t sequence = atomic_load_explicit(&segment->latch, memory_order_relaxed);

        /* Even: readers use copy 0. Make copy 1 equal to it, then send readers there
         * while copy 0 changes. Odd at the start: the last writer died while readers
         * were on copy 1, which is complete, so only copy 0 is left to write. */
        if ((sequence & 1) == 0) {
                struct clock_line old;

                params_load(&segment->params[0], &old);
                /* same pairing: a reader still on copy 1 of the last write sees that
                 * write's even sequence if it sees any store below */
                atomic_thread_fence(memory_order_release);
                params_write(segment, 1, &old);
                /* release: copy 1 is complete before any reader is sent to it */
                atomic_store_explicit(&segment->latch, ++sequence, memory_order_release);
        }
        /* pairs with the acquire barrier in clock_latch_retry(): a reader that sees any
         * of the stores to copy 0 below also sees the odd sequence */
        atomic_thread_fence(memory_order_release);
        params_write(segment, 0, line);
        atomic_store_explicit(&segment->latch, ++sequence, memory_order_release);
}

void clock_turn_begin(struct clock_segment *segment, const struct clock_line *earlier,
                      int64_t boot_ns) {
        struct clock_line known;
        int64_t known_ns;

        if (clock_turn_open(segment, &known, &known_ns))
                return;
        params_store(&segment->earlier, earlier);
        atomic_store_explicit(&segment->turn_boot_ns, boot_ns, memory_order_relaxed);
        /* release, as below: only the next daemon reads them, when this one is dead and all
         * of its stores are visible; they must not change places in the program */
        atomic_store_explicit(&segment->turning, 1, memory_order_release);
        atomic_thread_fence(memory_order_release);
}

void clock_turn_end(struct clock_segment *segment) {
        atomic_store_explicit(&segment->turning, 0, memory_order_release);
}

bool clock_turn_open(const struct clock_segment *segment, struct clock_line *ret_earlier,
                     int64_t *ret_boot_ns) {
        /* relaxed: its writer is this thread, or dead */
        if (atomic_load_explicit(&segment->turning, memory_order_relaxed) == 0)
                return false;
        params_load(&segment->earlier, ret_earlier);
        *ret_boot_ns = atomic_load_explicit(&segment->turn_boot_ns, memory_order_relaxed);
        return true;
}
