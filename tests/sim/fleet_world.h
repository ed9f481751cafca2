/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A fleet in simulated time. The daemon's own code claims, renews and releases
 * (daemon/lease/fleet/fleet.h and below), over a coordinator in memory. Hosts have clocks of
 * their own; each of their requests and answers is a message which takes its time, gets
 * lost, comes twice or years later, while all others go on: a host waits for an answer
 * on a stack of its own.
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lease/fleet/fleet.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/fleet/resize.h"
#include "daemon/lease/fleet/resume.h"
#include "tests/support/memory_coordinator.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

struct fiber;

/* What a fleet is like. */
struct fleet_rules {
        struct id_layout layout;
        uint32_t hosts;
        uint32_t counts;         /* runs of 1, 2, 4 ... up to it */
        int64_t ttl_ns, recycle_ns, horizon_ns;
        bool calm;               /* messages arrive, clocks are right, nobody interferes */
        bool waits;              /* who finds none free asks again by itself, as a daemon does */
        int64_t clocks_within_ns; /* wall clocks, when they are not right */
        int64_t chaos_every_ns;  /* something happens to somebody; 0: nothing does */
        int64_t replace_every_ns; /* a host dies for good, and a new one comes; 0: never */
        int64_t begin_within_ns; /* all of them */
        /* the coordinator is copied, put back to a copy, emptied; 0: never. Clocks are right
         * within clocks_within_ns then, and no key is damaged */
        int64_t attack_every_ns;
};

/* A moment in what the coordinator has been told. What it is told after it was put back to a
 * copy is another branch, which goes on from the revision of the copy. */
struct fleet_point {
        unsigned branch;
        int64_t revision;
};

/* What is on the disk of a host. */
struct fleet_knowledge {
        struct fleet_point point; /* the last commit that was confirmed */
        bool released;            /* then it was stopped: a lower fence was sent */
        uint64_t recovered_ms;    /* how often the space had been recovered then */
        int64_t claimed_unix_ms;  /* when it claimed its worker IDs */
};

/* Ticks (lo, hi] of a run which one owner promised or may promise. */
struct tenure {
        uint32_t region, first, count; /* `first` within the region */
        unsigned host;
        uint64_t lo, hi;
        /* what its host knows of the coordinator; see fleet_attack.c */
        struct fleet_point point; /* of its last commit */
        int64_t done_ns;          /* when that was done */
        struct fleet_point start; /* of the claim, by which its present daemon began */
        int64_t start_ns;
        bool knew;                /* then that the coordinator was put back */
        int64_t claimed_unix_ms;  /* by the clock of its host; starts since have taken it up */
};

struct message;

enum host_phase { HOST_CLAIMS, HOST_SERVES, HOST_STOPS };

struct sim_host {
        unsigned index;
        struct record_identity who;
        uint32_t region, configured, max_count;
        uint32_t count; /* which it begins with: fewer, if its own run is shorter */
        struct fleet_memory memory; /* on its disk */
        /* clocks */
        int64_t base_true_ns, base_boot_ns; /* at the one the other was so much */
        int64_t rate_ppm;
        int64_t wall_ahead_ns;
        int64_t line_ns, line_boot_ns; /* the guarded clock, of this boot; 0: there is none */
        /* the shared memory of this boot */
        bool unconfirmed; /* goes on with what it remembers, see fleet/resume.h */
        struct tenure *tenure; /* of its first worker IDs, `count` or what it has */
        struct tenure *grown;  /* of those beyond, while it uses them; else NULL */
        uint64_t grown_hi;     /* what was promised of those, ever */
        bool lineage; /* the state directory is that of the ledger */
        uint64_t shm_fence;
        /* the process */
        bool up, serving, ghost, stopping, over, crash_due;
        unsigned life;          /* another one for each process */
        enum host_phase phase;
        struct fleet *fleet;
        struct lease_counters counters;
        uint64_t fence;         /* known to be durable */
        int64_t standing_ns;    /* promises reach so far; INT64_MAX: up to the fence */
        int64_t retry_ns, pause_ns, wait_ns, until_boot_ns;
        int claim_error; /* of the last attempt */
        int64_t stopped_until_ns; /* SIGSTOP, suspend, a virtual machine that is paused */
        /* the way to the coordinator */
        unsigned session;
        int64_t requests_lost_ns, answers_lost_ns; /* until then */
        struct fiber *fiber;    /* in a call */
        uint64_t call;          /* the number of that call */
        struct message *answer;
        uint64_t seen_changes;  /* of the coordinator, when it last listed a region */
        struct fleet_point seen; /* its last commit that was confirmed */
        int64_t seen_ns;         /* when that was done */
        int64_t grew_ns;         /* when it asked for what its run has grown by */
        bool seen_knew;
        struct fleet_knowledge known; /* of what is remembered */
};

struct fleet_sum {
        uint64_t events, claims, claims_failed, exhausted, exhausted_checked, conflicts, renewals,
                lost, grown, shrunk, resumed, crashes, reboots, stops, replaced, stalls, steps, copies,
                cuts, revoked, damages, late, twice, tenures, refused, requests, requests_of_claims,
                kept_copies, put_back, wiped, braked, recovered, gave_way, refused_old, excused,
                slept;
};

extern struct fleet_world {
        struct fleet_rules rules;
        uint64_t seed, random;
        bool loud;
        int64_t now_ns;
        struct sim_host *hosts;
        struct memory_coordinator memory;
        int64_t memory_base_ns, memory_at_ns, memory_ppm; /* its clock */
        int64_t outage_ns; /* nothing reaches it until then */
        int64_t churn_until_ns; /* no replacing after it; INT64_MAX */
        unsigned branch;       /* of the coordinator */
        char failure[32];      /* the event that was logged last */
        struct fleet_sum sum;
} fleet_world;

uint64_t fleet_below(uint64_t limit);
bool fleet_chance(uint64_t one_in);
/* From `least` to `most`, all sizes alike. */
int64_t fleet_spread(int64_t least_ns, int64_t most_ns);
void fleet_trace(const struct sim_host *host, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
void fleet_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* fleet_world.c: time */
enum fleet_event_kind { FLEET_START, FLEET_TURN, FLEET_ARRIVE, FLEET_ANSWER, FLEET_TIMEOUT,
                        FLEET_CHAOS, FLEET_REPLACE, FLEET_REPAIR, FLEET_ATTACK, FLEET_OPERATOR };
struct fleet_event {
        int64_t at_ns;
        uint64_t order;
        enum fleet_event_kind kind;
        unsigned host;
        uint64_t number; /* the process or call it was meant for */
        struct message *message;
};
void fleet_schedule(int64_t at_ns, enum fleet_event_kind kind, unsigned host, uint64_t number,
                    struct message *message);
void fleet_begin(uint64_t seed, const struct fleet_rules *rules);
/* Until then, or so many events. */
void fleet_world_run(int64_t until_ns, uint64_t n_events);
void fleet_end(void);
void fleet_memory_time(void);

/* fleet_host.c: a host and its daemon */
int64_t host_boot_ns(const struct sim_host *host);
int64_t host_wall_ns(const struct sim_host *host);
uint64_t host_tick(const struct sim_host *host);
/* When its CLOCK_BOOTTIME will have gone on by that. */
int64_t host_after(const struct sim_host *host, int64_t boot_ns);
void host_new_machine(struct sim_host *host);
void host_new_directory(struct sim_host *host);
void host_start(struct sim_host *host);
void host_turn(struct sim_host *host);
void host_resume(struct sim_host *host);
void host_stop(struct sim_host *host); /* SIGTERM */
void host_crash(struct sim_host *host);
void host_reboot(struct sim_host *host);
void host_promise(struct sim_host *host); /* what its clients may have by now */

/* fleet_net.c: messages */
extern const struct coordinator_calls fleet_calls; /* of a struct sim_host */
void message_arrive(struct message *message);
void message_answer(struct sim_host *host, struct message *message, uint64_t call);
struct message *message_free(struct message *message); /* one of those who hold it */

/* fleet_chaos.c: what happens to a fleet */
void chaos(void);
void chaos_replace(void);
void chaos_repair(void);
void chaos_end(void);
/* All is well from now on, and in time everybody is: who can be. */
void chaos_settle(void);

/* fleet_attack.c: a coordinator that is put back to an old copy, or emptied */
void attack_begin(void);
void attack_end(void);
void attack(void);
void attack_operator(void);
void attack_stop(void); /* no more of them; the operator goes on */
/* A commit was done. `claims`: by a daemon that starts, and remembers `known`. Did that one
 * remember more than the coordinator's past? */
bool attack_committed(const struct coordinator_commit *commit,
                      const struct fleet_knowledge *known, bool claims);
struct fleet_point attack_now(void);
/* Two owners of the same ticks: nobody could know. */
bool attack_excuses(const struct tenure *a, const struct tenure *b, uint64_t ticks);
/* The host was refused; or has lost its worker IDs: it had to be so. */
void attack_refused(const struct sim_host *host, int64_t asked_ns);
/* Since what that host knows? */
bool attack_has_recovered(const struct sim_host *host);
void attack_lost(const struct sim_host *host);

/* fleet_check.c */
void check_fleet_begin(void);
void check_fleet_end(void);
struct tenure *tenure_new(const struct sim_host *host, uint32_t first, uint32_t count,
                          uint64_t lo);
void tenure_promise(struct tenure *tenure, uint64_t hi);
bool tenure_continues(const struct tenure *tenure, const struct sim_host *host, uint32_t first,
                      uint32_t count);
bool tenure_meets(const struct tenure *tenure, const struct sim_host *host, uint32_t first,
                  uint32_t count);
/* The record that told their fence is gone: never to be handed out again. */
void check_gone(uint32_t region, const struct record_host *record);
/* A lost record is there again: its host, which knows its fence, has written it. */
void check_written(const struct coordinator_commit *commit);
void check_granted(const struct sim_host *host, uint32_t first, uint32_t count);
/* They serve and renew, or no run is free. */
void check_settled(void);
/* It was told that no run is free. */
void check_exhausted(const struct sim_host *host);
