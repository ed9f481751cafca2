/* SPDX-License-Identifier: MIT */
#include "daemon/ledger/withdraw.h"

#include "daemon/ledger/internal.h"
#include "daemon/ledger/journal.h"
#include "daemon/ledger/tell.h"
#include "daemon/util/kill_point.h"
#include "shm/clock.h"
#include "shm/probe.h"

/* A reader's own clock reading is at most a tick ahead of the moment at which it loads the
 * slot (a counter read late, another CPU's counter). So who found a grant valid did so at a
 * tick <= T + 1, where T is a reading after the new end was visible to all, and nothing is
 * granted below T + 2. */
#define WITHDRAW_TICKS 2u

static uint64_t later(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

/* Two ticks after `tick`; a tick that cannot be counted is the last one. */
static uint64_t two_after(uint64_t tick) {
        return tick > UINT64_MAX - WITHDRAW_TICKS ? UINT64_MAX : tick + WITHDRAW_TICKS;
}

/* The published line at a new CLOCK_BOOTTIME. */
static uint64_t clock_tick(const struct ledger *ledger) {
        return ledger->clock.tick ? ledger->clock.tick(ledger->clock.context) : CLOCK_NOW_INVALID;
}

/* The journal's rectangle of the slot, if it ends after `end` and the client's slot holds
 * the same grant. */
static bool withdrawable(const struct ledger *ledger, const struct withdrawal *w, uint64_t end,
                         struct rectangle *ret) {
        struct rectangle shown;

        return w->entry->slots != NULL && ledger_slot(ledger, w->entry, w->slot, ret) &&
               ret->t1 > end && slot_read(&w->entry->slots[w->slot], &shown) &&
               shown.start == ret->start && shown.width == ret->width && shown.t0 == ret->t0;
}

static void shorten_journal(struct ledger *ledger, const struct withdrawal *w,
                            const struct rectangle *held, uint64_t end) {
        struct live_rectangle *live = rectangle_set_find(
                &ledger->live, ledger_record_of(ledger, w->entry), w->slot, held->start);
        struct rectangle shorter = *held;

        if (live == NULL || end >= held->t1)
                return;
        shorter.t1 = end;
        ledger_tell_held(ledger, ledger_record_of(ledger, w->entry), w->slot, &shorter);
        journal_set_end(&w->entry->record->slots[w->slot], end);
        rectangle_set_shorten(&ledger->live, live, end);
}

/*
 * The order is the argument (PROTOCOL.md, section 11):
 *   1. the new end into the clients' slots: the present tick and the next stay valid, so
 *      that a caller in them notices nothing
 *   2. a barrier: the second reading is made after everybody sees those stores. On arm64
 *      the vDSO loads its sequence before it reads the counter, branches on it and executes
 *      an ISB: the barrier orders that load after the stores, and the counter comes after
 *      the load. On x86 the barrier empties the store buffer, and the counter is read after
 *      an LFENCE.
 *   3. the second reading, T. Whoever still finds an old end loaded it before the new one
 *      was visible, and had read its own clock before that load: at a tick <= T + 1.
 *   4. the new end, at or above T + 2, into journal and live set. A daemon that is killed
 *      before that leaves the old end to the next one, which writes it back to the slot:
 *      nobody else has got the positions.
 * The cursor is read after the barrier as well. A program whose clock is ahead of this one
 * has told so in its cursor, which only lengthens what it holds itself.
 */
uint64_t ledger_withdraw(struct ledger *ledger, const struct withdrawal *list, size_t n,
                         withdrawal_cursor_tick cursor_tick) {
        uint64_t before = clock_tick(ledger), end = two_after(before), after, free_from = 0;
        struct rectangle held;

        for (size_t i = 0; i < n && before != CLOCK_NOW_INVALID; i++)
                if (withdrawable(ledger, &list[i], end, &held)) {
                        slot_withdraw(&list[i].entry->slots[list[i].slot], end);
                        kill_point();
                }
        /* seq_cst: a store before it and a load after it must not change places, which no
         * weaker order forbids */
        atomic_thread_fence(memory_order_seq_cst);
        after = clock_tick(ledger);
        for (size_t i = 0; i < n; i++) {
                uint64_t t1;

                if (!ledger_slot(ledger, list[i].entry, list[i].slot, &held))
                        continue;
                if (before != CLOCK_NOW_INVALID && after != CLOCK_NOW_INVALID &&
                    withdrawable(ledger, &list[i], end, &held)) {
                        t1 = later(end, two_after(later(after, ledger->now)));
                        t1 = later(t1, two_after(cursor_tick(list[i].client, list[i].lane)));
                        PROBE3(withdraw, ledger_client_of(list[i].entry), held.start, t1);
                        shorten_journal(ledger, &list[i], &held, t1);
                        held.t1 = earlier(held.t1, t1);
                }
                free_from = later(free_from, held.t1);
        }
        ledger_store_in_order();
        return free_from;
}

uint64_t ledger_withdrawn_by(const struct ledger *ledger) {
        return two_after(clock_tick(ledger));
}
