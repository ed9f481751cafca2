/* SPDX-License-Identifier: MIT */
/*
 * A model of shm/PROTOCOL.md: one granting thread, its ledger, the slots of two
 * clients, and the readers of one lane. Positions are 0 and 1; ticks are
 * 1 .. TICKS-1; a span is the set of its positions, so 3 is both.
 *
 *   Client 0 has slots 0 and 1, one cursor, one cached key, and two readers in
 *   it: the hot path and the slow path. They run step by step, one load or
 *   store each.
 *   Client 1 has slot 2 and competes for the same positions. Whatever it is
 *   promised counts as given by it, for nothing stops it from taking that; its
 *   inner workings are those of client 0.
 *   The daemon grants, extends and reuses slots, dies at any store, and is
 *   followed by one which knows nothing but the ledger.
 *
 * spin interleaves but does not reorder, so what weak memory allows stands here
 * explicitly: the stores of t0, span and t1 become visible in each order which
 * slot_grant() allows (t0 before span, all between odd and even), and the loads
 * of slot_read() happen in each order which its barrier allows.
 *
 * Asserted: U1 no (tick, position) is given twice; O1 an ID is above all which
 * were returned before its call began; U2 a published t1 never shrinks and
 * published rectangles are disjoint. -DHARM_ONLY leaves U2 out: where a rule is
 * taken away there must be a duplicate or a reordered ID, not only a rule broken.
 * run.sh searches the model in parts, as it is too big for one search:
 * -DNO_READERS for U2 alone, -DHOT_AT_ONCE and -DSLOW_AT_ONCE with more ticks.
 *
 * Variants, each of which must fail:
 *   NO_RULE1           neither odd sequence nor ordered stores of a grant
 *   NO_RULE1_BARRIER   slot_read() re-reads the sequence without a barrier
 *   NO_RULE1_T0_FIRST  t0 may become visible after the span (hot path)
 *   NO_RULE2           a live slot is rewritten, its positions granted anew
 *   NO_RULE3           two threads grant
 *   NO_RULE4           the slot is written before the ledger
 *   NO_RULE6           a cursor per slot
 */
#ifndef TICKS
#define TICKS 4
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
/* Each reader either in single steps or, to search further, all at once. */
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
#define NOBODY 9
#define FULL 2 /* an offset that is past every width: rule 12's clamp */

/*
 * Of a sequence only two things are ever asked: is it odd, and was it stored
 * to since slot_read() loaded it. So it is a bit for the one and `moved`, which
 * the reader clears and each store meanwhile sets, for the other: no counter to wrap.
 */
typedef slot_t { bit odd; byte span; byte t0; byte t1 };
typedef cursor_t { byte tick; byte slot; byte offset };

slot_t slots[2];
slot_t ledger[3];
byte reading = NOBODY; /* the slot which slot_read() is in */
bit moved;
bit claiming; /* slow_reader is between its load of the cursor and its swap */
bit swapped;  /* and the cursor has changed since; no value of it comes back */
byte clock = 1;
byte crashes;
bit idle; /* the daemon is between two decisions */

#ifdef NO_RULE6
cursor_t cursor[2];
#define CURSOR(s) cursor[s]
#else
cursor_t cursor[1];
#define CURSOR(s) cursor[0]
#endif
byte key_tick, key_slot;

/* ghosts, a bit for each position of a tick */
byte given[TICKS];    /* returned in client 0's lane */
byte taken[TICKS];    /* ever promised to client 1 */
#ifndef HARM_ONLY
byte promised[TICKS]; /* ever promised to client 0, in ticks to come */
#endif
byte newest; /* the highest ID returned in client 0's lane */

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

/* ---- the daemon ---- */

/* What has run out is forgotten, between two decisions. */
inline forget_record(i) {
        if
        :: !ledger[i].odd && ledger[i].t1 <= clock ->
                ledger[i].span = 0; ledger[i].t0 = 0; ledger[i].t1 = 0
        :: else
        fi
}
inline clear_odd(i) {
        if
        :: ledger[i].odd ->
                ledger[i].odd = 0; ledger[i].span = 0; ledger[i].t0 = 0; ledger[i].t1 = 0
        :: else
        fi
}
inline forget_expired() {
        forget_record(0);
        forget_record(1);
        forget_record(2)
}

#define CLASHES(i) \
        ((i) != s && !ledger[i].odd && (ledger[i].span & span) && \
         t0 < ledger[i].t1 && ledger[i].t0 < t1)

#define MAYBE_DIE \
        if \
        :: true \
        :: crashes < CRASHES -> crashes++; goto adopt \
        fi

inline publish() {
        for (i : t0 .. t1 - 1) {
                if
                :: s == 2 ->
                        assert(!(given[i] & span)); /* U1 */
#ifndef HARM_ONLY
                        assert(!(promised[i] & span)); /* U2 */
#endif
                        taken[i] = taken[i] | span
                :: else ->
#ifndef HARM_ONLY
                        assert(!(taken[i] & span)); /* U2 */
                        if
                        :: i >= clock -> promised[i] = promised[i] | span
                        :: else
                        fi
#else
                        skip
#endif
                fi
        }
        i = 0
}

inline store_t1(where) {
#ifndef HARM_ONLY
        assert(t1 >= where.t1); /* U2 */
#endif
        where.t1 = t1
}

/* slot_grant() on the ledger: nobody else reads it, so only dying in the middle shows. */
inline grant_ledger() {
        atomic {
                ledger[s].odd = 1;
                MAYBE_DIE;
                ledger[s].t0 = t0;
                MAYBE_DIE;
                ledger[s].span = span;
                MAYBE_DIE;
                store_t1(ledger[s]);
                MAYBE_DIE;
                ledger[s].odd = 0;
                MAYBE_DIE
        }
}

inline disturb() {
        if
        :: reading == s -> moved = 1
        :: else
        fi
}

inline grant_slot() {
#ifndef NO_RULE1
        atomic { slots[s].odd = 1; disturb(); MAYBE_DIE };
#endif
        do
        :: atomic { !(done & 1) -> slots[s].t0 = t0; done = done | 1; MAYBE_DIE }
#ifdef NO_RULE1_T0_FIRST
        :: atomic { !(done & 2) -> slots[s].span = span; done = done | 2; MAYBE_DIE }
#else
        :: atomic { (done & 3) == 1 -> slots[s].span = span; done = done | 2; MAYBE_DIE }
#endif
        :: atomic { !(done & 4) -> store_t1(slots[s]); done = done | 4; MAYBE_DIE }
        :: atomic { done == 7 -> break }
        od;
        atomic { slots[s].odd = 0; disturb(); publish(); MAYBE_DIE }
}

/* Client 1's slot is not modelled: nobody here reads it. */
inline give_out() {
        if
        :: s == 2 -> atomic { publish() }
        :: else -> grant_slot()
        fi
}

/* Chooses a slot, a span and [t0, t1) at or after the clock, and checks it
 * against the ledger alone. */
inline decide_grant() {
#ifdef NO_RULE3
        if
        :: thread == 0 -> if :: s = 0 :: s = 1 fi
        :: else -> s = 2
        fi;
#else
        if :: s = 0 :: s = 1 :: s = 2 fi;
#endif
        /* Spans which begin elsewhere, so that a mix of two shows; and which
         * let both slots, or slot 0 and client 1, be valid in one tick. */
        if :: span = 3 :: s == 0 -> span = 2 :: s != 0 -> span = 1 fi;
        if :: t0 = clock :: t0 = clock + 1 fi;
        t1 = t0 + 1; /* extensions make it longer */
        if
        :: t1 > TICKS || CLASHES(0) || CLASHES(1) || CLASHES(2) -> goto rest
#ifndef NO_RULE2
        /* the slot's own old rectangle must have run out */
        :: ledger[s].t1 > clock -> goto rest
#endif
        :: else
        fi
}

inline decide_extension() {
        if :: s = 0 :: s = 1 fi;
        span = ledger[s].span;
        t0 = ledger[s].t0;
        t1 = ledger[s].t1 + 1;
        if
        :: ledger[s].odd || ledger[s].t1 <= clock || t1 > TICKS ||
           CLASHES(0) || CLASHES(1) || CLASHES(2) -> goto rest
        :: slots[s].odd || slots[s].t0 != t0 || slots[s].span != span -> goto rest
        :: else
        fi
}

proctype daemon(byte thread) {
        byte s, span, t0, t1, done, i;

adopt: /* A new daemon: whatever the old one had in mind is gone. A record it was
        * writing is cleared: its old rectangle had run out, the new one was
        * never published. */
        atomic { clear_odd(0); clear_odd(1); clear_odd(2) };
rest:
        atomic {
                s = 0; span = 0; t0 = 0; t1 = 0; done = 0; i = 0;
#ifndef NO_RULE3
                idle = 1;
                forget_expired()
#endif
        };
end:
        do
        :: atomic { idle = 0; decide_grant() };
#ifdef NO_RULE4
                give_out();
                grant_ledger();
#else
                grant_ledger();
                give_out();
#endif
                goto rest
        :: atomic { idle = 0; decide_extension() };
                atomic { store_t1(ledger[s]); MAYBE_DIE };
                atomic { store_t1(slots[s]); publish() };
                goto rest
        od
}

/* ---- client 0: two readers of one lane ---- */

/*
 * slot_read(slots[s]), and whether the rectangle holds `now`: jumps to `over`
 * where not. Whatever was loaded is compared at once, so that only the span
 * has to be remembered.
 */
inline slot_read() {
        atomic {
                if
                :: slots[s].odd -> goto over
                :: else -> reading = s
                fi
        };
        do
        :: atomic { !(loaded & 1) -> span = slots[s].span; loaded = loaded | 1 }
        :: atomic { !(loaded & 2) -> loaded = loaded | 2;
                if
                :: slots[s].t0 > now -> goto over
                :: else
                fi
           }
        :: atomic { !(loaded & 4) -> loaded = loaded | 4;
                if
                :: slots[s].t1 <= now -> goto over
                :: else
                fi
           }
#ifdef NO_RULE1_BARRIER
        :: atomic { !(loaded & 8) -> loaded = loaded | 8;
#else
        :: atomic { loaded == 7 -> loaded = 15;
#endif
                if
                :: moved -> goto over
                :: else -> reading = NOBODY
                fi
           }
        :: atomic { loaded == 15 -> loaded = 0; break }
        od
}

inline fetch_add() {
        c.tick = CURSOR(s).tick;
        c.slot = CURSOR(s).slot;
        c.offset = CURSOR(s).offset;
        swapped = claiming;
        CURSOR(s).offset = (c.offset < FULL -> c.offset + 1 : FULL)
}

#ifdef NO_RULE6
#define BEGIN_CALL before = newest
#define COMMIT
#else
/* The order of the cursor is what O1 rests on, so the base model asks for more:
 * an ID above all that were returned before the cursor was changed for it. */
#define BEGIN_CALL
#define COMMIT before = newest;
#endif

proctype hot_reader() {
        byte s, span, now, before;
        cursor_t c;

end:
        do
        :: HOT_STEPS { atomic { clock == key_tick -> now = clock; s = key_slot; BEGIN_CALL };
                atomic { span = slots[s].span };
                atomic {
                        if
                        :: slots[s].t0 > now -> goto over /* granted anew */
                        :: else
                        fi
                };
                atomic {
                        fetch_add();
                        COMMIT
                        if
                        :: c.tick == now && c.slot == s && c.offset < WIDTH(span) ->
                                give(now, POSITION(span, c.offset));
                                goto over
                        :: c.offset >= FULL -> goto over
                        :: else -> s = 0; span = 0; now = 0
                        fi
                };
                /* Not what was expected: judge the value it owns by a full read,
                 * here in one step: slow_reader takes slot_read() apart. */
                atomic {
                        s = c.slot;
                        if
                        :: !slots[s].odd && slots[s].t0 <= c.tick && c.tick < slots[s].t1 &&
                           c.offset < WIDTH(slots[s].span) ->
                                span = slots[s].span;
                                give(c.tick, POSITION(span, c.offset))
                        :: else
                        fi
                };
over:
                atomic {
                        s = 0; span = 0; now = 0; before = 0;
                        c.tick = 0; c.slot = 0; c.offset = 0
                }
        }
        od
}

proctype slow_reader() {
        byte s, span, loaded, now, before, offset;

end:
        do
        :: SLOW_STEPS { atomic { now = clock; BEGIN_CALL; if :: s = 0 :: s = 1 fi };
                atomic {
                        if
                        :: CURSOR(s).tick > now -> goto over
                        :: CURSOR(s).tick == now &&
                           (CURSOR(s).slot != s || CURSOR(s).offset >= FULL) -> goto over
                        :: else -> claiming = 1
                        fi
                };
                slot_read();
                atomic {
                        /* compare and swap: the same step claims the caller's position */
                        if
                        :: swapped -> goto over
                        :: CURSOR(s).tick == now && CURSOR(s).offset >= WIDTH(span) -> goto over
                        :: else
                        fi;
                        offset = (CURSOR(s).tick == now -> CURSOR(s).offset : 0);
                        CURSOR(s).tick = now;
                        CURSOR(s).slot = s;
                        CURSOR(s).offset = offset + 1;
                        COMMIT
                        give(now, POSITION(span, offset));
                        claiming = 0; span = 0; before = 0; offset = 0
                };
                /* a key of a tick that is over is used by nobody */
                atomic {
                        if
                        :: now == clock -> key_tick = now; key_slot = s
                        :: else
                        fi
                };
over:
                atomic {
                        reading = NOBODY; moved = 0; loaded = 0;
                        claiming = 0; swapped = 0;
                        s = 0; span = 0; now = 0; before = 0
                }
        }
        od
}

/* ---- time ---- */

proctype time() {
end:
        do
        :: atomic {
                clock < TICKS - 1 ->
#ifndef HARM_ONLY
                promised[clock] = 0;
#endif
                clock++;
                key_tick = 0; key_slot = 0;
                if
                :: idle -> forget_expired()
                :: else
                fi
        }
        od
}

init {
        atomic {
                run daemon(0);
#ifdef NO_RULE3
                run daemon(1);
#endif
#ifndef NO_READERS
                run hot_reader();
                run slow_reader();
#endif
                run time()
        }
}
