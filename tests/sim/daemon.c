/* SPDX-License-Identifier: MIT */
/* A daemon: what server/start.c and server/server.c do with the modules, one round at a
 * time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "promises.h"
#include "world.h"

static uint64_t tick_now(void) {
        return guard_tick(&world.daemon.segments.guard, world.boot_ns);
}

/* The process is gone; the others and what it left stay. */
static void gone(void) {
        struct sim_daemon *d = &world.daemon;

        d->up = false;
        world.in_daemon = false;
        for (unsigned i = 0; i < CLIENTS; i++)
                world.clients[i].client = NULL;
        reserve_free(d->reserve);
        ledger_free(d->ledger);
        d->reserve = NULL;
        d->ledger = NULL;
}

void daemon_kill(void) {
        struct lease *lease = &world.daemon.lease;

        if (!world.daemon.up)
                return;
        trace("killed");
        /* what was on its way to the disk may get there */
        if (lease->writing != 0 && lease->written_ns != NEVER && !world.disk_full &&
            !world.exact && world_chance(2))
                world.disk_fence = lease->writing;
        gone();
        check_pages();
}

/* True when it got through; a kill point may end it instead. */
#define ALIVE_DURING(what) \
        (setjmp(world.death) == 0                                               \
                 ? (world.in_daemon = true, (what), world.in_daemon = false, true) \
                 : cut())

static bool cut(void) {
        trace("killed in the middle");
        world.in_daemon = false;
        check_cut();
        daemon_kill();
        return false;
}

static void lease_begin(struct lease *lease) {
        *lease = (struct lease){ .written_ns = NEVER, .told_ns = NEVER };
        lease->grant = (struct lease_grant){ .worker_first = 1, .worker_count = 1,
                                             .fence_tick = world.disk_fence };
        lease->fence = lease->target = world.disk_fence;
}

static bool prepare_step(void *context, uint64_t tick) {
        struct sim_daemon *d = context;

        return reserve_prepare_step(d->reserve, tick);
}

/* Clients of the simulation sleep by the clock, not on their pages. */
static void changed(void *context) {
        (void)context;
}

static const struct timekeeper_hooks timekeeper_hooks = {
        .prepare = prepare_step,
        .changed = changed,
};

/* The checks of T1 suppose that a round in which the line changes is short. */
static bool may_be_late(const struct clock_segment *clock) {
        return atomic_load(&clock->state) == CLOCK_STATE_RUNNING &&
               atomic_load(&clock->reason) == CLOCK_REASON_NONE && world_chance(8);
}

/* As start.c does; now and then the daemon is late between two readings. */
static uint64_t published_tick(void *context) {
        struct clock_segment *clock = context;
        int64_t ns = world.exact ? 0 : (int64_t)world_below(may_be_late(clock) ? 20000 : 100) * US;
        uint64_t tick;

        clocks_pass(ns);
        if (ns > 2 * MS)
                check_stopped();
        tick = clock_tick_of(check_reader(clock));
        promises_look(tick);
        return timekeeper_last_tick(&world.daemon.keeper);
}

/* As start.c does. */
static int open_all(void) {
        struct sim_daemon *d = &world.daemon;
        int r = segments_start(&d->segments, &world.config, &d->lease);

        if (r < 0)
                return r;
        r = ledger_new(&d->ledger, segments_ledger(&d->segments), d->segments.run,
                       segments_tick(&d->segments, world.boot_ns));
        if (r < 0)
                return r;
        ledger_copy_fence(d->ledger, fence_word_clock(segments_clock(&d->segments)));
        ledger_set_clock(d->ledger, (struct ledger_clock){ published_tick,
                                                           segments_clock(&d->segments) });
        fence_init(&d->fence, &d->lease, d->ledger, id_tick_max(&world.config.layout));
        r = reserve_new(&d->reserve, &world.config, d->ledger, &d->fence, client_wake);
        if (r < 0)
                return r;
        d->keeper = (struct timekeeper){ .guard = &d->segments.guard,
                                         .clock = segments_clock(&d->segments),
                                         .hooks = &timekeeper_hooks,
                                         .context = d };
        timekeeper_init(&d->keeper);
        return 0;
}

int daemon_start(void) {
        struct sim_daemon *d = &world.daemon;
        volatile int r = 0;

        trace("start");
        *d = (struct sim_daemon){ .up = true };
        lease_begin(&d->lease);
        if (!ALIVE_DURING(r = open_all()))
                return -EINTR;
        if (r < 0) {
                gone();
                return r;
        }
        check_started();
        daemon_round();
        return world.daemon.up ? 0 : -EINTR;
}

/* server.c's rounds */
static void settle(void) {
        struct sim_daemon *d = &world.daemon;
        bool ready;

        timekeeper_look(&d->keeper);
        ready = guard_ready(&d->segments.guard);
        if (ready && !d->ready)
                d->changed = true;
        d->ready = ready;
        if (ready && (d->changed || tick_now() >= d->reserve_tick)) {
                d->changed = false;
                d->reserve_tick = reserve_run(d->reserve, tick_now());
        }
        timekeeper_set_stuck(&d->keeper, fence_stuck(&d->fence, ready, tick_now()));
        for (unsigned i = 0; i < CLIENTS; i++)
                if (world.boot_ns >= world.clients[i].attach_ns)
                        client_connect(&world.clients[i]);
}

bool daemon_welcomes(void) {
        int64_t resume_ns;

        return timekeeper_ready(&world.daemon.keeper, &resume_ns);
}

void daemon_round(void) {
        struct sim_daemon *d = &world.daemon;

        if (!d->up)
                return;
        world.rounds++;
        if (d->lease.news) {
                d->lease.news = false;
                d->changed = true;
                fence_take(&d->fence);
        }
        check_before_round();
        world.notice_ns = NEVER;
        if (!ALIVE_DURING(settle()))
                return;
        world.stepped = false;
        check_after_round();
        d->looked = true;
        check_served();
}

/* When the next round is due. */
int64_t daemon_deadline(void) {
        const struct sim_daemon *d = &world.daemon;
        int64_t next_ns, at_ns;

        if (!d->up)
                return NEVER;
        /* not each second as well while something is out of order: years would pass */
        next_ns = guard_deadline(&d->segments.guard);
        for (unsigned i = 0; i < CLIENTS && daemon_welcomes(); i++)
                if (world.clients[i].attach_ns < next_ns)
                        next_ns = world.clients[i].attach_ns;
        if (d->lease.news || (d->ready && d->changed))
                return world.boot_ns;
        if (!d->ready || d->reserve_tick == UINT64_MAX)
                return next_ns;
        at_ns = clock_line_boot_of(&d->segments.guard.line, d->reserve_tick);
        return at_ns < next_ns ? at_ns : next_ns;
}

/* As server_run() and server_stop() end. */
static void stop(void) {
        struct sim_daemon *d = &world.daemon;
        uint64_t now_tick;

        clocks_pass(world.exact ? 0 : (int64_t)world_below(3000) * US);
        clients_take();
        now_tick = tick_now();
        fence_release(&d->fence, guard_above_fence(&d->segments.guard, now_tick) ? now_tick : 0);
        segments_close(&d->segments);
}

void daemon_stop(void) {
        if (!world.daemon.up)
                return;
        trace("stop");
        if (ALIVE_DURING(stop()))
                gone();
        check_pages();
}

int daemon_accept(void) {
        char text[TIMEKEEPER_TEXT];
        volatile int r = 0;

        if (!world.daemon.up)
                return -ENOTCONN;
        check_before_round();
        if (!ALIVE_DURING(r = timekeeper_accept(&world.daemon.keeper, text)))
                return -EINTR;
        world.stepped = false;
        trace("accept: %d", r);
        if (r == 0)
                check_accepted();
        check_after_round();
        daemon_round();
        return r;
}

/* ---- clients */

struct client *daemon_attach(struct sim_client *c) {
        struct sim_daemon *d = &world.daemon;
        struct client *client = world_memory(sizeof(*client) + sizeof(client->lanes[0]));
        int r;

        client->id = ledger_number_client(d->ledger);
        client->uid = (uid_t)(c - world.clients);
        client->n_lanes = 1;
        client->attached_tick = tick_now();
        client->grants.map = world_memory(grants_page_size(1));
        client_grants(client)->base_tick =
                client->attached_tick > 0 ? client->attached_tick - 1 : 0;
        r = ledger_open_lane(d->ledger, client->id, 0, 0, 0, client_grants(client)->slots[0],
                             &client->lanes[0].entry);
        if (r == 0) {
                r = reserve_attach(d->reserve, client, tick_now());
                if (r < 0 && r != -EAGAIN)
                        (void)ledger_close_lane(d->ledger, client->lanes[0].entry);
        }
        if (r < 0 && r != -EAGAIN)
                return NULL;
        d->changed = true;
        return client;
}

void daemon_detach(struct sim_client *c) {
        if (c->client == NULL || !ALIVE_DURING(reserve_withdraw(world.daemon.reserve, c->client)))
                return;
        reserve_detach(world.daemon.reserve, c->client);
        (void)ledger_close_lane(world.daemon.ledger, c->client->lanes[0].entry);
        c->client = NULL;
        world.daemon.changed = true;
}

void daemon_want(struct sim_client *c, uint32_t count) {
        if (!world.daemon.up || c->client == NULL || !world.daemon.ready)
                return;
        if (ALIVE_DURING(reserve_want(world.daemon.reserve, c->client, 0, count, tick_now())))
                world.daemon.changed = true;
}
