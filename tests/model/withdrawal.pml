/* SPDX-License-Identifier: MIT */
/*
 * A model of withdrawal (shm/PROTOCOL.md, section 11, rules 2, 14 and 15). Positions are 0
 * and 1; ticks are 1 .. TICKS-1; a span is the set of its positions, so 3 is both.
 *
 *   Client 0 has one slot, one cursor, a cached key, and two callers: the hot path, which
 *   uses its key whatever the clock says by now (`now` may be late for any time, and loads
 *   may be reordered), and the slow path, whose own reading of the clock may be AHEAD of the
 *   moment at which it loads the slot: a counter that is read late, or another CPU's.
 *   Client 1 takes everything that it is ever promised, in all ticks of it.
 *   The daemon grants, withdraws, and dies at any store. The next one knows the ledger alone
 *   and repairs the slot from it, as with a descriptor store.
 *   Its store buffer: the store of a withdrawal becomes visible at any later time, but
 *   before any other store of the daemon. The barrier waits for it.
 *
 * Asserted: U1 no (tick, position) is given twice; O1 an ID is above all that were returned
 * before the cursor was changed for it.
 *
 * Variants, each of which must fail:
 *   FREE=0, FREE=1     the ledger's end is T, or T + 1
 *   NO_BARRIER         T is read while the store may still be in the buffer
 *   LEDGER_FIRST       the ledger's end is written before the slot's
 *   STALE_T            T is read before the store
 *   SLOT_FIRST         a reader loads the slot before it reads its clock
 *   NO_RULE2           a slot is rewritten before its end in the ledger
 *   NO_CLAMP           the ledger's end may become later than it was
 *   AHEAD=2            the clock of a program is wrong by more than a tick; CURSOR_RULE
 *                      saves it once its cursor has told so
 */
#ifndef TICKS
#define TICKS 5
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef FREE
#define FREE 2
#endif
#ifndef AHEAD
#define AHEAD 1
#endif
#ifndef END
#define END TICKS /* of the first grant */
#endif
#ifndef GRANTS
#define GRANTS 2
#endif
#ifndef WITHDRAWALS
#define WITHDRAWALS 2
#endif
#ifdef HOT_AT_ONCE
#define HOT_STEPS atomic
#else
#define HOT_STEPS
#endif
#ifdef SLOW_AT_ONCE
#define SLOW_STEPS atomic
#else
#define SLOW_STEPS
#endif
#define FULL 2

typedef slot_t { bit odd; byte span; byte t0; byte t1 };
typedef cursor_t { byte tick; byte offset };

slot_t slot;      /* in client 0's page */
slot_t ledger[2]; /* a record for each client */
byte clock = 1;
byte grants, withdrawals, crashes;
bit idle;                  /* the daemon is between two decisions */
bit buffered; byte buffer; /* the store of a withdrawal that is not visible yet */
bit reading, moved;        /* slot_read() is under way; the sequence was stored to */
bit swapped;               /* the cursor has changed since the slow path loaded it */
cursor_t cursor;
byte key;                  /* a tick; 0: none */

/* ghosts, a bit for each position of a tick */
byte given[TICKS + 3]; /* returned by client 0 */
byte taken[TICKS + 3]; /* ever promised to client 1 */
byte newest;

#define WIDTH(span) ((span) == 3 -> 2 : 1)
#define POSITION(span, offset) ((span) == 2 -> 1 : (offset))
#define ID(tick, position) ((tick) * 2 + (position))

inline give(when, place) {
        assert(!((given[when] | taken[when]) & (1 << (place)))); /* U1 */
        assert(ID(when, place) > before); /* O1 */
        given[when] = given[when] | (1 << (place));
        if
        :: ID(when, place) > newest -> newest = ID(when, place)
        :: else
        fi
}

/* ---- the daemon */

#define MAYBE_DIE \
        if \
        :: true \
        :: crashes < CRASHES -> crashes++; goto adopt \
        fi

#define OVERLAPS(i) \
        ((ledger[i].span & span) && t0 < ledger[i].t1 && ledger[i].t0 < t1)

inline forget(i) {
        if
        :: ledger[i].t1 <= clock ->
                ledger[i].odd = 0; ledger[i].span = 0; ledger[i].t0 = 0; ledger[i].t1 = 0
        :: else
        fi
}

inline disturb() {
        if
        :: reading -> moved = 1
        :: else
        fi
}

inline decide_grant() {
        if :: s = 0 :: s = 1 fi;
        if :: span = 1 :: span = 2 :: span = 3 fi;
        if
        :: t0 = clock
        :: t0 = clock + 1
        :: t0 = clock + 2
#if END != TICKS
        :: t0 = END
#endif
        fi;
        t1 = TICKS;
        if
        :: grants >= GRANTS || t0 >= t1 || OVERLAPS(0) || OVERLAPS(1) -> goto rest
#ifdef NO_RULE2
        :: s == 0 && slot.t1 > clock -> goto rest /* its end in the slot counts */
#else
        :: ledger[s].t1 > clock -> goto rest
#endif
        :: else -> grants++
        fi
}

/* Only dying in the middle shows what the order of the ledger's stores is: an odd record
 * is cleared. */
inline grant_ledger() {
        atomic {
                ledger[s].odd = 1; MAYBE_DIE;
                ledger[s].t0 = t0; ledger[s].span = span; ledger[s].t1 = t1; MAYBE_DIE;
                ledger[s].odd = 0; MAYBE_DIE
        }
}

inline grant_slot() {
        atomic { !buffered -> slot.odd = 1; disturb(); MAYBE_DIE };
        do
        :: atomic { !(done & 1) -> slot.t0 = t0; done = done | 1; MAYBE_DIE }
        :: atomic { (done & 3) == 1 -> slot.span = span; done = done | 2; MAYBE_DIE }
        :: atomic { !(done & 4) -> slot.t1 = t1; done = done | 4; MAYBE_DIE }
        :: atomic { done == 7 -> break }
        od;
        atomic { slot.odd = 0; disturb(); MAYBE_DIE }
}

inline promise_to_client_1() {
        atomic {
                !buffered;
                for (i : t0 .. t1 - 1) {
                        assert(!(given[i] & span)); /* U1 */
                        taken[i] = taken[i] | span
                }
                i = 0
        }
}

inline decide_withdrawal() {
        s = 0;
        if
        :: withdrawals >= WITHDRAWALS || ledger[0].odd || ledger[0].span == 0 ||
           ledger[0].t1 <= clock + 2 || slot.odd || slot.t0 != ledger[0].t0 ||
           slot.span != ledger[0].span -> goto rest
        :: else -> withdrawals++; t1 = clock + 2 /* E */
        fi
}

inline read_clock_for_the_ledger() {
        until = clock + FREE;
#ifdef CURSOR_RULE
        if
        :: cursor.tick + FREE > until -> until = cursor.tick + FREE
        :: else
        fi
#endif
}

inline shorten_ledger() {
        if
        :: t1 > until && FREE == 2 -> until = t1
        :: else
        fi;
#ifndef NO_CLAMP
        if
        :: until > ledger[0].t1 -> until = ledger[0].t1
        :: else
        fi;
#endif
        ledger[0].t1 = until
}

inline withdraw() {
#ifdef LEDGER_FIRST
        atomic { read_clock_for_the_ledger(); shorten_ledger(); MAYBE_DIE };
#endif
#ifdef STALE_T
        atomic { read_clock_for_the_ledger() };
#endif
        atomic { buffered = 1; buffer = t1; MAYBE_DIE };
#ifndef NO_BARRIER
        !buffered;
#endif
#ifndef LEDGER_FIRST
        atomic {
#ifndef STALE_T
                read_clock_for_the_ledger();
#endif
                MAYBE_DIE
        };
        atomic { shorten_ledger(); MAYBE_DIE }
#endif
}

/* What the ledger holds is written to the slot again. */
inline repair() {
        if
        :: ledger[0].span == 0 || ledger[0].t1 <= clock
        :: else ->
                if
                :: slot.odd || slot.span != ledger[0].span || slot.t0 != ledger[0].t0 ->
                        slot.odd = 0; disturb();
                        slot.t0 = ledger[0].t0; slot.span = ledger[0].span
                :: else
                fi;
                slot.t1 = ledger[0].t1
        fi
}

inline clear_odd(i) {
        if
        :: ledger[i].odd ->
                ledger[i].odd = 0; ledger[i].span = 0; ledger[i].t0 = 0; ledger[i].t1 = 0
        :: else
        fi
}

proctype daemon() {
        byte s, span, t0, t1, until, done, i;

adopt: /* all stores of a dead process are visible */
        atomic {
                !buffered;
                clear_odd(0); clear_odd(1);
                if
                :: crashes > 0 -> repair()
                :: else
                fi
        };
rest:
        atomic {
                s = 0; span = 0; t0 = 0; t1 = 0; until = 0; done = 0; i = 0;
                idle = 1; forget(0); forget(1)
        };
end:
        do
        :: atomic { idle = 0; decide_grant() };
                grant_ledger();
                if
                :: s == 0 -> grant_slot()
                :: else -> promise_to_client_1()
                fi;
                goto rest
        :: atomic { idle = 0; decide_withdrawal() };
                withdraw();
                goto rest
        od
}

proctype store_buffer() {
end:
        do
        :: atomic { buffered -> slot.t1 = buffer; buffered = 0; buffer = 0 }
        od
}

/* ---- client 0 */

/* Loads in each order that the two sequence loads and the barrier allow. */
inline slot_read() {
        atomic {
                if
                :: slot.odd -> goto over
                :: else -> reading = 1
                fi
        };
        do
        :: atomic { !(loaded & 1) -> span = slot.span; loaded = loaded | 1;
                if :: span == 0 -> goto over :: else fi }
        :: atomic { !(loaded & 2) -> loaded = loaded | 2;
                if :: slot.t0 > now -> goto over :: else fi }
        :: atomic { !(loaded & 4) -> loaded = loaded | 4;
                if :: slot.t1 <= now -> goto over :: else fi }
        :: atomic { loaded == 7 -> loaded = 8;
                if :: moved -> goto over :: else -> reading = 0 fi }
        :: atomic { loaded == 8 -> loaded = 0; break }
        od
}

inline read_clock() {
        now = clock;
        if
        :: true
        :: now = clock + AHEAD
        fi;
        if
        :: now > TICKS - 1 -> now = TICKS - 1
        :: else
        fi
}

inline load_cursor() {
        if
        :: cursor.tick > now || (cursor.tick == now && cursor.offset >= FULL) -> goto over
        :: else -> swapped = 0
        fi
}

proctype slow_path() {
        byte span, loaded, now, before, offset;

end:
        do
        :: SLOW_STEPS {
#ifdef SLOT_FIRST
                /* at most what it was good for bounds the tick */
                atomic {
                        if
                        :: slot.odd || slot.span == 0 || slot.t0 > clock -> goto over
                        :: else -> span = slot.span; loaded = slot.t1
                        fi
                };
                atomic {
                        read_clock();
                        if :: now >= loaded -> goto over :: else -> loaded = 0 fi;
                        load_cursor()
                };
#else
                atomic { read_clock(); load_cursor() };
                slot_read();
#endif
                atomic { /* compare and swap */
                        if
                        :: swapped || (cursor.tick == now && cursor.offset >= WIDTH(span)) ->
                                goto over
                        :: else
                        fi;
                        before = newest;
                        offset = (cursor.tick == now -> cursor.offset : 0);
                        cursor.tick = now; cursor.offset = offset + 1;
                        give(now, POSITION(span, offset))
                };
                atomic { key = now };
over:
                atomic {
                        reading = 0; moved = 0; loaded = 0; swapped = 0;
                        span = 0; now = 0; before = 0; offset = 0
                }
           }
        od
}

proctype hot_path() {
        byte span, now, before;
        cursor_t c;

end:
        do
        :: HOT_STEPS {
                atomic { key != 0 -> now = key };
                atomic { span = slot.span; if :: span == 0 -> goto over :: else fi };
                atomic { if :: slot.t0 > now -> goto over :: else fi };
                atomic { /* fetch and add */
                        c.tick = cursor.tick; c.offset = cursor.offset;
                        swapped = 1;
                        cursor.offset = (c.offset < FULL -> c.offset + 1 : FULL);
                        before = newest;
                        if
                        :: c.tick == now && c.offset < WIDTH(span) ->
                                give(now, POSITION(span, c.offset));
                                goto over
                        :: c.offset >= FULL -> goto over
                        :: else -> span = 0; now = 0
                        fi
                };
                /* The tick is the cursor's, which was known before: rule 15. */
                atomic {
                        if
                        :: !slot.odd && slot.span != 0 && slot.t0 <= c.tick &&
                           c.tick < slot.t1 && c.offset < WIDTH(slot.span) ->
                                span = slot.span;
                                give(c.tick, POSITION(span, c.offset))
                        :: else
                        fi
                };
over:
                atomic { span = 0; now = 0; before = 0; c.tick = 0; c.offset = 0 }
           }
        od
}

/* ---- time */

proctype time() {
end:
        do
        :: atomic {
                clock < TICKS - 1 -> clock++;
                if
                :: idle -> forget(0); forget(1)
                :: else
                fi
           }
        od
}

init {
        atomic {
                ledger[0].span = 3; ledger[0].t0 = 1; ledger[0].t1 = END;
                slot.span = 3; slot.t0 = 1; slot.t1 = END;
                run daemon();
                run store_buffer();
                run hot_path();
                run slow_path();
                run time()
        }
}
