/* SPDX-License-Identifier: MIT */
/* Clients: they attach, allocate by the rules of the library, sleep, leave. */
#include <string.h>

#include "promises.h"
#include "shm/pages.h"
#include "world.h"

/* A new page and lane; the old cursor is closed, the new one begins after it. */
void client_connect(struct sim_client *c) {
        struct client *client = c->client;

        if (!daemon_welcomes())
                return;
        if (client == NULL)
                client = daemon_attach(c);
        if (client == NULL) {
                c->attach_ns = world.boot_ns + SECOND;
                return;
        }
        c->attach_ns = NEVER;
        c->client = client;
        c->page = client_grants(client);
        c->clock = segments_clock(&world.daemon.segments);
        c->attached_ns = world.boot_ns;
        memset(c->seen, 0, sizeof(c->seen));
}

/* The widest slot valid at `tick`. */
static bool pick(const struct sim_client *c, uint64_t tick, struct rectangle *ret) {
        bool found = false;

        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++) {
                struct rectangle r;

                if (!slot_read(&c->page->slots[0][slot], &r) || !rectangle_at(&r, tick) ||
                    (found && r.width <= ret->width))
                        continue;
                *ret = r;
                found = true;
        }
        return found;
}

static int64_t larger(int64_t a, int64_t b) {
        return a > b ? a : b;
}

/* The longest time without IDs, and how far a tick is from the true time. */
static void measure(uint64_t tick) {
        int64_t error_ns = (int64_t)tick * MS - world.true_ns;

        if (world.measured.last_ns > 0)
                world.measured.gap_ns = larger(world.measured.gap_ns,
                                               world.true_ns - world.measured.last_ns -
                                                       world.poll_ns);
        world.measured.error_ns = larger(world.measured.error_ns,
                                         error_ns < 0 ? -error_ns : error_ns);
        world.measured.last_ns = world.true_ns;
}

bool client_take(struct sim_client *c) {
        struct rectangle r;
        uint64_t tick;

        if (c->page == NULL)
                return false;
        tick = clock_tick_of(check_reader(c->clock));
        if (tick == CLOCK_NOW_INVALID || tick <= c->last_tick || tick < c->page->base_tick ||
            tick - c->page->base_tick > CURSOR_TICK_MAX || !pick(c, tick, &r))
                return false;
        c->last_tick = tick;
        c->ids += r.width;
        c->overflows++;
        check_id(c, &r, tick);
        if (c == &world.clients[0])
                measure(tick);
        return true;
}

void clients_take(void) {
        for (unsigned i = 0; i < CLIENTS; i++)
                if (world.exact || world_chance(2))
                        (void)client_take(&world.clients[i]);
}

/*
 * What it held is withdrawn (U1, U2), but two threads of it slept: both had found the slot
 * valid, one by a clock as late as can be, the other by one that is a tick ahead. They take
 * what they found. Nothing of it is promised to others before the tick after that.
 */
static void leave_asleep(struct sim_client *c) {
        uint64_t before = clock_tick_of(check_reader(c->clock)), tick;
        struct rectangle held[SLOTS_PER_LANE];

        check_pages();
        memcpy(held, c->seen, sizeof(held));
        c->leaves = true;
        daemon_detach(c);
        tick = clock_tick_of(check_reader(c->clock));
        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++) {
                if (held[slot].width > 0)
                        promises_withdraw(&held[slot], before + 2);
                for (uint64_t at = tick; at <= tick + 1; at++)
                        if (at > c->last_tick && rectangle_at(&held[slot], at))
                                promises_take(&held[slot], at);
        }
}

void client_leave(struct sim_client *c) {
        if (c->client != NULL)
                leave_asleep(c);
        *c = (struct sim_client){ .attach_ns = NEVER };
}

/* Some are back soon, some sleep and use what they hold meanwhile. */
void clients_cut_off(int64_t back_ns) {
        for (unsigned i = 0; i < CLIENTS; i++) {
                struct sim_client *c = &world.clients[i];

                if (c->page != NULL && c->client == NULL)
                        c->attach_ns = world.boot_ns + back_ns;
        }
}
