/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A host in simulated time. The daemon's own code runs in it: guard, timekeeper,
 * state, ledger, reserve. What is below it is replaced at link time: clocks, disk,
 * named segments (plain memory), machine, log, sockets. Clients allocate from
 * their slots by the rules of the library, whole widths, so that whatever is
 * promised twice is also taken twice. Everything that anybody sees is checked
 * (check.c), whenever it may have changed.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/config.h"
#include "daemon/ledger/ledger.h"
#include "daemon/reserve/reserve.h"
#include "daemon/startup/segments.h"
#include "daemon/clock/timekeeper.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)

#define CLIENTS 5u
/* A step up to that size may look like none. */
#define WORLD_NOTICED_NS (1100 * US)
#define NEVER INT64_MAX

/* What daemon/lease/lease.c is, without threads. */
struct lease {
        struct lease_grant grant;
        uint64_t fence, target, writing; /* writing 0: nothing */
        int64_t written_ns; /* CLOCK_BOOTTIME at which the disk has it, or refuses */
        int64_t told_ns;    /* ... and at which this is known; NEVER */
        int64_t retry_ns, delay_ns;
        int error;
        bool news; /* its eventfd is readable */
};

/* A process that attaches. Its page stays what it is when the daemon is gone. */
struct sim_client {
        struct client *client;       /* the daemon's; NULL: not connected */
        struct grants_page *page;    /* NULL: never attached in this boot */
        struct clock_segment *clock; /* as it was mapped */
        uint64_t last_tick;          /* of its IDs */
        uint64_t ids, overflows;
        int64_t attach_ns;   /* CLOCK_BOOTTIME at which it tries; NEVER */
        int64_t attached_ns; /* since when it is */
        struct rectangle seen[SLOTS_PER_LANE];
        bool leaves; /* what it holds is withdrawn */
};

struct sim_daemon {
        bool up;
        bool looked; /* a round is done since it started, or was stopped */
        struct lease lease;
        struct segments segments;
        struct ledger *ledger;
        struct fence fence;
        struct reserve *reserve;
        struct timekeeper keeper;
        uint64_t reserve_tick;
        bool ready, changed;
};

struct world {
        uint64_t random;
        /* time, ns; the first two since the epoch */
        int64_t true_ns, wall_ns, boot_ns;
        bool synchronised;
        int64_t next_step_ns, next_step_by; /* CLOCK_BOOTTIME; one that nobody announces */
        bool stepped;       /* not noticed yet: no round has looked since */
        int64_t notice_ns;  /* when the daemon is told; NEVER */
        bool cloned;
        int64_t stop_ns;    /* the daemon is stopped that long, at its next reading */
        bool exact;         /* nothing is random: daemon and disk take fixed times */
        /* the disk */
        uint64_t disk_fence;
        uint8_t lineage[16];
        bool has_lineage, disk_full;
        int64_t disk_slow_ns, disk_good_ns; /* a write takes that long; good since */
        /* named segments */
        struct segment files[3];
        uint8_t boot_id[16];
        struct config config;
        struct sim_daemon daemon;
        struct sim_client clients[CLIENTS];
        /* kill -9 at the n-th kill point from now; 0: not */
        unsigned kill_in;
        jmp_buf death;
        bool in_daemon;
        uint64_t rounds;
        /* by whoever takes IDs */
        int64_t poll_ns; /* how often it tries */
        struct {
                int64_t last_ns, gap_ns, error_ns;
        } measured;
};
extern struct world world;

/* Forgets everything; `exact`: for measuring. */
void world_begin(uint64_t seed, bool exact, int64_t wall_ns);
void world_end(void);
uint64_t world_below(uint64_t limit);
bool world_chance(uint64_t one_in);
/* Memory until world_end(). */
void *world_memory(size_t size);

/* kernel.c */
int64_t lease_due(const struct lease *lease);
void lease_go_on(struct lease *lease);
/* Time goes by, nobody's turn comes. */
void clocks_pass(int64_t ns);

/* time.c: time goes by, and whoever is due does what is due. */
void world_pass(int64_t ns);
/* The wall clock is set; the daemon is told after `notice_ns` (NEVER: not). */
void world_step(int64_t by_ns, int64_t notice_ns);
void world_reboot(bool clean_stop, int64_t off_ns, int64_t wall_error_ns);
void world_suspend(int64_t ns);

/* daemon.c */
int daemon_start(void);
void daemon_round(void);
int64_t daemon_deadline(void);
void daemon_kill(void);
void daemon_stop(void);
int daemon_accept(void);
/* Are newcomers let in? */
bool daemon_welcomes(void);
struct client *daemon_attach(struct sim_client *c);
void daemon_detach(struct sim_client *c);
void daemon_want(struct sim_client *c, uint32_t count);

/* clients.c */
void client_connect(struct sim_client *c);
/* Takes all of one tick; false when there is nothing now. */
bool client_take(struct sim_client *c);
void client_leave(struct sim_client *c);
/* The daemon is gone. */
void clients_cut_off(int64_t back_ns);
void clients_take(void);

/* promises.c: what stands in the pages, U2 and U3 */
void check_pages(void);

/* check.c */
void check_begin(uint64_t seed);
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* A reader's look at a line at this moment: never back. */
int64_t check_reader(struct clock_segment *clock);
void check_id(struct sim_client *c, const struct rectangle *r, uint64_t tick);
/* Around a round. */
void check_before_round(void);
void check_after_round(void);
/* A new state of the clock is published. */
void check_carried(void);
/* ... one in which grants were made */
void check_served(void);
void check_stepped(int64_t by_ns);
void check_stopped(void);
void check_accepted(void);
/* Killed in the middle: what is published counts. */
void check_cut(void);
void check_started(void);
