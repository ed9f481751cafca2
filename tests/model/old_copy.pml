/* SPDX-License-Identifier: MIT */
/*
 * A model of what hosts do when their coordinator is put back to an old copy of the keys
 * (daemon/lease/KEYS.md). There are WORKERS worker IDs; ticks are 1 .. TICKS.
 *
 *   A host claims a worker ID, renews, grows, stops with a release or without one, starts
 *   again, finds an old copy and brakes for all, gives way, or has lost its worker IDs. Each
 *   of these is one step, for a commit is on the condition that nothing of what it rests on has
 *   changed. A host that does nothing is paused, or does not reach the coordinator. What it
 *   and its clients may issue up to its fence they do issue, in every tick, also after it has
 *   stopped; so a start that needs no coordinator is no step.
 *   A host that has lost its worker IDs does not start again: it would be another host, which
 *   knows nothing. There are no sessions: once a fence has passed, others may claim.
 *   A copy of all keys is taken once, at any time, and put back RESTORES times; a second time
 *   only after a host has braked.
 *
 * Bounds: HOSTS hosts of which each claims once, STOPS stops in all, a horizon of one tick. Not
 * modelled: runs that shrink, damaged keys, operators, clocks or horizons that differ between
 * hosts, and revisions that are by chance the same before and after a copy is put back.
 *
 * Asserted, of each worker ID and tick:
 *   BEFORE  no two hosts issue it while no copy was ever put back, and nobody brakes then.
 *   AFTER   from the moment a host has braked, no two hosts issue it of which either has
 *           renewed, claimed or braked since. What is left is one host that the copy lacks and
 *           one that claimed from the copy, of which neither has looked. With RESTORES=2 it is
 *           also one that claimed from the first copy, which the second one lacks again, until
 *           it looks: nobody can know of it.
 *   NONE    with ALL_KNOW: no two hosts issue it at all. A host starts, grows, or renews after
 *           its fence, only if it had a commit after the copy was taken, or somebody has braked.
 *
 * Variants, each of which must fail:
 *   NO_NOT_BEFORE      a brake does not raise not_before
 *   FENCE_ONLY         it raises not_before to its own fence, not to those of others
 *   NO_FENCE_CHECK     a host whose own fence has passed writes its record back
 *   BRAKE_LATE         it has looked at its clock a tick before it reads the copy
 *   NO_LATE_RENEWAL    a renewal after the own fence is like any other
 *   NO_GIVE_WAY        who claimed from the copy goes on
 *   START_BLIND        a start does not look whether to give way
 *   KEEP_GROWN_TIME    a growth keeps the time of the claim (GROW, WORKERS=3)
 *   KEEP_CLAIM_TIME    a start after the own fence does, and promises at once (START_PROMISES)
 *   NO_RECORD_CHECK    a start takes up a record that is older than it remembers (ALL_KNOW)
 *   UNCOUNTED_RELEASE  a release does not count renewals up (ALL_KNOW)
 *   COMPARE_FENCES     the fence says what is older, not the number of renewals (ALL_KNOW)
 * and these with RESTORES=2, while one copy needs none of them:
 *   BRAKE_FIRST        a host looks whether to brake before it looks whether to give way
 *   START_BELOW        a start after the own fence begins above not_before only in a newer
 *                      generation (LOST_ANSWERS)
 *   SERVE_EARLY        a run is renewed, or grows, while not_before is ahead
 *   KNOWN_IS_ENOUGH    a host gives way where the generation is higher than it knows, instead of
 *                      higher than when it claimed
 *   FORGET_SINCE       a brake forgets the claims_since of a brake of which not_before is ahead
 * One shows nothing within these bounds: KEEP_SINCE, a brake in the generation of another one
 * does not lower claims_since.
 */
#ifndef TICKS
#define TICKS 4
#endif
#ifndef HOSTS
#define HOSTS 3
#endif
#ifndef RESTORES
#define RESTORES 1
#endif
#ifndef STOPS
#define STOPS 1
#endif
#ifndef WORKERS
#define WORKERS 2 /* or 3 */
#endif
#define HORIZON 1 /* a renewal promises this tick and the next one */

typedef contract_t {
        byte generation;   /* recovered_unix_ms */
        byte not_before;   /* not_before_tick; what has passed is 0, as with every fence */
        byte claims_since; /* 0: nobody is to give way */
};
/*
 * Of (since, renewals) only one thing is ever asked: are they lower than those that the host
 * knows to have written last? So it is a bit: it is set by a write, which clears that of the copy.
 */
typedef record_t { byte workers; byte fence; bit newest };
typedef keys_t { contract_t contract; byte used; record_t record[HOSTS] };

mtype = { NEW, RUNS, STOPPED, LOST };
typedef host_t {
        mtype state = NEW;
        byte workers;         /* a bit for each */
        byte begin[WORKERS];  /* it issues above this tick, */
        byte fence;           /* and up to this one, which the coordinator has confirmed */
        byte held;            /* of these, clients have what an earlier run promised, */
        byte held_fence;      /* up to this tick */
        byte generation;      /* of the contract as confirmed last */
        byte not_before;
        byte claims_since;
        byte claimed;         /* when */
        byte claimed_in;      /* the generation then */
        byte renewed;         /* the last commit that was confirmed */
        bit knows;            /* ghost: has had a commit since the copy was taken */
        bit since_brake;      /* ghost: has renewed, claimed or braked since the first brake */
        bit stray;            /* ghost: what it has comes from a copy; nobody has braked since */
};

keys_t keys, copy;
host_t host[HOSTS];
byte now = 1;
bit saved;
byte restores, stops;
bit old, braked; /* ghosts: a copy was put back; and somebody has braked */
byte issued[WORKERS]; /* ghost: who issues it in this tick; a bit for each host */
byte sure[WORKERS];   /* ghost: and has renewed, claimed or braked since the first brake */

/* scratch within a step */
hidden byte h, i, w, others, owner, above, wanted;
hidden byte own, whole, due, is_free;

#define HAS(set, member) ((set) & (1 << (member)))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define me _pid
#define HOST host[me]
#define RECORD keys.record[me]
#define CONTRACT keys.contract

/* ---- what is issued, and what must not be */

#define ISSUES \
        ((HAS(host[h].workers, w) && now > host[h].begin[w] && now <= host[h].fence) || \
         (HAS(host[h].held, w) && now <= host[h].held_fence))
#define IS_EXCUSED (restores > 1 && braked && host[h].stray)

inline check() {
        others = issued[w] & (255 - (1 << h));
#ifdef ALL_KNOW
        assert(!others); /* NONE */
#endif
        assert(old || !others); /* BEFORE */
        assert(!(host[h].since_brake && others)); /* AFTER */
        assert(!(sure[w] & (255 - (1 << h)))); /* AFTER */
        issued[w] = issued[w] | (1 << h);
        sure[w] = sure[w] | (host[h].since_brake << h)
}

inline forget_sure() {
        sure[0] = 0; sure[1] = 0; sure[WORKERS - 1] = 0
}

inline forget_issued() {
        issued[0] = 0; issued[1] = 0; issued[WORKERS - 1] = 0;
        forget_sure()
}

inline issue() {
        for (h : 0 .. HOSTS - 1) {
                for (w : 0 .. WORKERS - 1) {
                        if
                        :: ISSUES && !IS_EXCUSED -> check()
                        :: else
                        fi
                }
        }
        h = 0 /* spin wants no loop at the end of a step */
}

/* ---- what is known, and what is written */

inline forget() {
        HOST.state = LOST;
        HOST.workers = 0; HOST.fence = 0; HOST.held = 0; HOST.held_fence = 0;
        HOST.begin[0] = 0; HOST.begin[1] = 0; HOST.begin[WORKERS - 1] = 0;
        HOST.generation = 0; HOST.not_before = 0; HOST.claims_since = 0;
        HOST.claimed = 0; HOST.claimed_in = 0; HOST.renewed = 0;
        HOST.since_brake = 0; HOST.knows = 0;
        RECORD.newest = 0; copy.record[me].newest = 0
}

inline write_record() {
        RECORD.workers = HOST.workers;
        RECORD.fence = HOST.fence;
        RECORD.newest = 1;
        copy.record[me].newest = 0
}

inline know() {
#ifdef ALL_KNOW
        HOST.knows = HOST.knows || (saved && (!old || braked))
#else
        skip
#endif
}

inline confirm() {
        HOST.generation = CONTRACT.generation;
        HOST.not_before = CONTRACT.not_before;
        HOST.claims_since = (CONTRACT.not_before < now -> 0 : CONTRACT.claims_since);
        HOST.renewed = now;
        know();
        if
        :: braked -> HOST.since_brake = 1; HOST.stray = 0
        :: else
        fi
}

inline claim_now() {
        HOST.claimed = now;
        HOST.claimed_in = CONTRACT.generation;
        HOST.stray = (old && !braked)
}

inline look_at_record() {
        own = (RECORD.workers != 0);
        whole = (RECORD.workers == HOST.workers)
}

/* Who has the worker ID, and above which tick would it be claimed? */
inline look_for(worker) {
        owner = HOSTS;
        above = CONTRACT.not_before;
        for (i : 0 .. HOSTS - 1) {
                if
                :: HAS(keys.record[i].workers, worker) -> owner = i
                :: else
                fi
        }
        is_free = (owner == HOSTS -> !HAS(keys.used, worker) : keys.record[owner].fence < now);
        if
        :: owner < HOSTS && keys.record[owner].fence > above -> above = keys.record[owner].fence
        :: else
        fi
}

inline take(worker) {
        if
        :: owner < HOSTS ->
                keys.record[owner].workers = keys.record[owner].workers & (255 - (1 << worker));
                if
                :: keys.record[owner].workers == 0 ->
                        keys.record[owner].fence = 0;
                        keys.record[owner].newest = 0
                :: else
                fi
        :: else
        fi;
        keys.used = keys.used | (1 << worker);
        HOST.workers = HOST.workers | (1 << worker);
        HOST.begin[worker] = above
}

/* ---- the first start of a host */

inline claim(worker) {
        look_for(worker);
        if
        :: is_free ->
                take(worker);
                HOST.state = RUNS;
                HOST.fence = above;
                claim_now();
                write_record();
                confirm()
        :: else
        fi
}

/* ---- a start that remembers */

#ifdef START_BELOW
#define BEGINS_ABOVE (CONTRACT.generation > HOST.generation)
#else
#define BEGINS_ABOVE (CONTRACT.generation > HOST.generation || HOST.fence < now)
#endif

inline take_up() {
        above = MAX(RECORD.fence, HOST.fence);
#ifndef KEEP_CLAIM_TIME
        if
        :: HOST.fence < now -> claim_now()
        :: else
        fi;
#endif
        if
        :: BEGINS_ABOVE ->
                HOST.held = (HOST.fence < now -> 0 : HOST.workers);
                HOST.held_fence = HOST.fence;
                above = MAX(above, CONTRACT.not_before);
                HOST.begin[0] = above; HOST.begin[1] = above; HOST.begin[WORKERS - 1] = above
        :: else
        fi;
        HOST.state = RUNS;
        HOST.workers = RECORD.workers;
        HOST.fence = above;
#ifdef START_PROMISES
        HOST.fence = MAX(above, now + HORIZON);
#endif
        for (w : 0 .. WORKERS - 1) {
                if :: !HAS(HOST.workers, w) -> HOST.begin[w] = 0 :: else fi
        }
        write_record();
        confirm()
}

#ifdef COMPARE_FENCES
#define IS_OLDER (RECORD.fence < HOST.fence)
#else
#define IS_OLDER (!RECORD.newest)
#endif
#ifdef NO_RECORD_CHECK
#define IS_REFUSED (CONTRACT.generation < HOST.generation)
#else
#define IS_REFUSED \
        (CONTRACT.generation < HOST.generation || \
         (CONTRACT.generation == HOST.generation && IS_OLDER))
#endif

#ifdef KNOWN_IS_ENOUGH
#define CLAIMED_IN HOST.generation
#else
#define CLAIMED_IN HOST.claimed_in
#endif
#define GIVES_WAY \
        (CONTRACT.generation > CLAIMED_IN && CONTRACT.claims_since != 0 && \
         HOST.claimed >= CONTRACT.claims_since)

inline start() {
        if
        :: RECORD.workers == 0 || IS_REFUSED
        :: else ->
                if
#ifndef START_BLIND
                :: GIVES_WAY && HOST.fence >= now -> forget()
#endif
                :: else -> take_up()
                fi
        fi
}

/* ---- the renewal of a host that runs */

inline find_others() {
        others = 0;
        for (i : 0 .. HOSTS - 1) {
                if
                :: i != me && (keys.record[i].workers & HOST.workers) -> others = 1
                :: else
                fi
        }
}

/* A claim since the last known commit of this host, from the copy or from what was lost, is at
 * or after claims_since. */
inline raise_contract() {
        assert(old); /* BEFORE */
        above = MAX(MAX(CONTRACT.not_before, HOST.not_before), HOST.fence);
#ifndef FENCE_ONLY
        above = MAX(above, now + HORIZON);
#endif
        wanted = HOST.renewed;
        if
        :: CONTRACT.generation <= HOST.generation ->
                CONTRACT.generation = MAX(now, HOST.generation + 1);
#ifndef FORGET_SINCE
                /* who was to give way after an earlier copy may not have looked yet */
                if
                :: HOST.not_before >= now && HOST.claims_since != 0 ->
                        wanted = MIN(wanted, HOST.claims_since)
                :: else
                fi;
                if
                :: CONTRACT.not_before >= now && CONTRACT.claims_since != 0 ->
                        wanted = MIN(wanted, CONTRACT.claims_since)
                :: else
                fi
#endif
        :: else ->
                if
#ifdef KEEP_SINCE
                :: CONTRACT.claims_since != 0 -> wanted = CONTRACT.claims_since
#else
                :: CONTRACT.claims_since != 0 -> wanted = MIN(wanted, CONTRACT.claims_since)
#endif
                :: else
                fi
        fi;
        CONTRACT.claims_since = wanted;
#ifndef NO_NOT_BEFORE
        CONTRACT.not_before = above;
#endif
        if
        :: !braked && !HOST.stray ->
                braked = 1;
                forget_issued() /* what was issued before does not count */
        :: else
        fi
}

inline brake() {
        raise_contract();
        keys.used = keys.used | HOST.workers;
        write_record();
        confirm()
}

/* It has lost its worker IDs. Where that is not sure to be an ordinary loss, it brakes all the
 * same, without its record: all but a claim after its fence are signs of an old copy. */
inline lose() {
        if
        :: (own && IS_OLDER) || CONTRACT.generation < HOST.generation ||
           (!own && HOST.fence >= now) -> raise_contract()
        :: else
        fi;
        forget()
}

inline late_renewal() {
#ifdef NO_LATE_RENEWAL
        skip
#else
        if
        :: HOST.fence < now && CONTRACT.generation == HOST.generation -> claim_now()
        :: else
        fi
#endif
}

inline write_renewal() {
        late_renewal();
        HOST.fence = MAX(MAX(HOST.fence, RECORD.fence), now + HORIZON);
        write_record();
        confirm()
}

#ifdef NO_LATE_RENEWAL
#define IS_TOO_LATE false
#else
#define IS_TOO_LATE (HOST.fence < now && CONTRACT.generation != HOST.generation)
#endif
#ifdef NO_FENCE_CHECK
#define MAY_BRAKE true
#elif defined BRAKE_LATE
#define MAY_BRAKE (HOST.fence >= now - 1)
#else
#define MAY_BRAKE (HOST.fence >= now)
#endif

inline brake_if_due() {
        due = (!own || IS_OLDER || CONTRACT.generation < HOST.generation);
        find_others();
        if
        :: due ->
                if
                :: (!whole && others) || !MAY_BRAKE -> lose()
                :: else -> brake()
                fi
        :: else
        fi
}

inline give_way_if_due() {
        if
        :: GIVES_WAY -> forget() /* its record rests */
        :: else
        fi
}
#ifdef NO_GIVE_WAY
#define GIVE_WAY_IF_DUE
#else
#define GIVE_WAY_IF_DUE give_way_if_due()
#endif

inline renew() {
        look_at_record();
        due = 0;
#ifdef BRAKE_FIRST
        brake_if_due();
        if
        :: HOST.state == RUNS && !due -> GIVE_WAY_IF_DUE
        :: else
        fi;
#else
        GIVE_WAY_IF_DUE;
        if
        :: HOST.state == RUNS -> brake_if_due()
        :: else
        fi;
#endif
        if
        :: HOST.state != RUNS || due
        :: else ->
                if
                :: !whole || IS_TOO_LATE -> forget()
                :: else -> write_renewal()
                fi
        fi
}

#ifdef LOST_ANSWERS
/* It was done, and the host does not know: its next renewal finds out. */
hidden byte fence, generation, not_before, claims_since, claimed, claimed_in, renewed, newest;

inline renew_unanswered() {
        fence = HOST.fence;
        generation = HOST.generation;
        not_before = HOST.not_before;
        claims_since = HOST.claims_since;
        claimed = HOST.claimed;
        claimed_in = HOST.claimed_in;
        renewed = HOST.renewed;
        newest = copy.record[me].newest;
        renew();
        if
        :: HOST.state == RUNS ->
                HOST.fence = fence;
                HOST.generation = generation;
                HOST.not_before = not_before;
                HOST.claims_since = claims_since;
                HOST.claimed = claimed;
                HOST.claimed_in = claimed_in;
                HOST.renewed = renewed;
                copy.record[me].newest = newest
        :: else
        fi
}
#endif

#define IS_AS_KNOWN \
        (RECORD.workers == HOST.workers && RECORD.newest && \
         CONTRACT.generation == HOST.generation && CONTRACT.not_before == HOST.not_before)

inline grow() {
        wanted = (HOST.workers == 1 -> 1 : 0);
        look_for(wanted);
        if
        :: is_free && owner != me ->
                take(wanted);
                HOST.fence = MAX(MAX(HOST.fence, RECORD.fence), above);
#ifndef KEEP_GROWN_TIME
                claim_now();
#else
                HOST.stray = (HOST.stray || (old && !braked));
#endif
                write_record();
                confirm()
        :: else
        fi
}

/* ---- the end of a run */

inline stop() {
        HOST.state = STOPPED;
        HOST.renewed = 0;
        stops++
}

/* Where the coordinator has something else, nothing is written. */
inline release() {
        stop();
        HOST.fence = now;
        if
        :: IS_AS_KNOWN ->
#ifdef UNCOUNTED_RELEASE
                RECORD.fence = HOST.fence;
#else
                write_record();
#endif
                know()
        :: else
        fi
}

#ifdef ALL_KNOW
#define KNOWS (!old || braked || HOST.knows)
#else
#define KNOWS true
#endif

/* Hosts are alike, and worker IDs as well. */
#define IS_NEXT (me == 0 || host[me - 1].state != NEW)
#ifdef SERVE_EARLY
#define MAY_RENEW true
#define MAY_GROW true
#else
#define MAY_GROW (CONTRACT.not_before < now)
#define MAY_RENEW \
        (HOST.begin[0] < now && HOST.begin[1] < now && HOST.begin[WORKERS - 1] < now)
#endif
#define HAS_NEWS (HOST.fence < now + HORIZON || HOST.renewed != now || !IS_AS_KNOWN)

active [HOSTS] proctype a_host() {
end:
        do
        :: d_step { HOST.state == NEW && IS_NEXT && KNOWS -> claim(0); issue() }
        :: d_step { HOST.state == NEW && IS_NEXT && KNOWS && (keys.used || saved) ->
                   claim(1); issue() }
#if WORKERS > 2
        :: d_step { HOST.state == NEW && IS_NEXT && KNOWS && HAS(keys.used, 1) ->
                   claim(2); issue() }
#endif
        :: d_step { HOST.state == STOPPED && KNOWS -> start(); issue() }
        :: d_step { HOST.state == RUNS && MAY_RENEW && HAS_NEWS &&
                   (KNOWS || HOST.fence >= now) ->
                   renew(); issue() }
#ifdef LOST_ANSWERS
        :: d_step { HOST.state == RUNS && MAY_RENEW -> renew_unanswered(); issue() }
#endif
#ifdef GROW
        :: d_step { HOST.state == RUNS && HOST.workers != 3 && KNOWS && MAY_GROW &&
                   IS_AS_KNOWN ->
                   grow(); issue() }
#endif
        :: d_step { HOST.state == RUNS && stops < STOPS -> stop() }
        :: d_step { HOST.state == RUNS && stops < STOPS && HOST.fence >= now -> release() }
        od
}

/* ---- time, and the coordinator */

inline copy_keys(from, to) {
        to.contract.generation = from.contract.generation;
        to.contract.not_before = from.contract.not_before;
        to.contract.claims_since = from.contract.claims_since;
        to.used = from.used;
        for (i : 0 .. HOSTS - 1) {
                to.record[i].workers = from.record[i].workers;
                to.record[i].fence = from.record[i].fence;
                to.record[i].newest = from.record[i].newest
        }
        i = 0
}

inline clear_copy() {
        copy.contract.generation = 0;
        copy.contract.not_before = 0;
        copy.contract.claims_since = 0;
        copy.used = 0;
        for (i : 0 .. HOSTS - 1) {
                copy.record[i].workers = 0;
                copy.record[i].fence = 0;
                copy.record[i].newest = 0
        }
}

inline put_back() {
        copy_keys(copy, keys);
        restores++;
        old = 1; braked = 0;
        for (i : 0 .. HOSTS - 1) {
                host[i].since_brake = 0
        }
        forget_sure();
        if
        :: restores == RESTORES -> clear_copy()
        :: else
        fi
}

/* A tick that has passed is like none. */
#if defined COMPARE_FENCES || defined BRAKE_LATE
#define PASS(tick) skip
#else
#define PASS(tick) if :: tick < now -> tick = 0 :: else fi
#endif

inline pass_tick() {
        now++;
        PASS(keys.contract.not_before);
        PASS(copy.contract.not_before);
        for (i : 0 .. HOSTS - 1) {
                PASS(keys.record[i].fence);
                PASS(copy.record[i].fence);
                PASS(host[i].fence);
                PASS(host[i].held_fence);
                if :: host[i].held_fence < now -> host[i].held = 0 :: else fi;
                PASS(host[i].not_before);
                if :: host[i].not_before < now -> host[i].claims_since = 0 :: else fi;
                PASS(host[i].begin[0]);
                PASS(host[i].begin[1]);
                PASS(host[i].begin[WORKERS - 1])
        }
        forget_issued()
}

active proctype world() {
end:
        do
        :: d_step { now < TICKS -> pass_tick(); issue() }
        :: d_step { !saved && keys.used -> saved = 1; copy_keys(keys, copy) }
        :: d_step { saved && (restores == 0 || (restores < RESTORES && braked)) ->
                   put_back(); issue() }
        od
}
