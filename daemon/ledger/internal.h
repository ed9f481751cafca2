/* SPDX-License-Identifier: MIT */
#pragma once
/* What the ledger consists of, for the files of this folder. */
#include "daemon/ledger/entry.h"
#include "daemon/ledger/fence_word.h"
#include "daemon/ledger/rectangles.h"
#include "daemon/ledger/recovery.h"

/* What is known about a record besides what the segment holds. */
struct place {
        struct ledger_entry entry;
        uint32_t n_live;
        bool open;
        bool awaits; /* a client of the earlier daemon */
        bool left;   /* closed by this one; see gone.h */
        bool succeeded; /* its client has attached again */
        bool damaged; /* such a client cannot go on with it */
        uint64_t counted; /* by which ledger_gone() */
};

struct history;

struct ledger {
        struct ledger_segment *segment;
        struct run run;
        uint64_t now, fence, last_promise;
        uint64_t adopted_end; /* from here on nothing of an earlier daemon is left */
        struct fence_word fence_copy; /* NULLs: none */
        struct rectangle_set live;
        struct recovery recovery; /* until the adoption ends */
        struct ledger_clock clock; /* for withdrawals */
        struct place *places;  /* one for each record */
        uint32_t *free_places; /* a stack of records neither open nor resting */
        uint32_t n_free, n_open;
        uint64_t n_counts;
        uint64_t expired; /* rectangles, since the start */
        struct history *history; /* NULL: none; see tell.h */
        uint32_t told; /* records of this round that are told */
};

/*
 * Rule 4, fence before journal before client, between relaxed stores: where kill_point()
 * is empty the compiler must not swap them. The CPU may let others see them in another
 * order. That does no harm: the journal and the fence are read only after this process is
 * dead, and then all stores that it executed are visible, which are an unbroken beginning
 * of the stores in program order.
 */
static inline void ledger_store_in_order(void) {
        atomic_signal_fence(memory_order_seq_cst);
}

static inline uint32_t ledger_record_of(const struct ledger *ledger,
                                        const struct ledger_entry *entry) {
        return (uint32_t)(entry->record - ledger->segment->lanes);
}

/* The number of the client whose lane it is. */
static inline uint64_t ledger_client_of(const struct ledger_entry *entry) {
        /* relaxed: only shown */
        return atomic_load_explicit(&entry->record->client, memory_order_relaxed);
}
