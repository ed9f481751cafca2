/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <errno.h>
#include <string.h>

#include "world.h"

static struct history_sum *sum;

/* Spread over the orders of magnitude. */
static int64_t spread(int64_t from, int64_t to) {
        int64_t top = from;

        while (top < to && !world_chance(to / from > 1000000 ? 12 : 5))
                top = top > to / 3 ? to : top * 3;
        return top / 2 + (int64_t)world_below((uint64_t)(top - top / 2) + 1);
}

static int64_t sign(void) {
        return world_chance(2) ? -1 : 1;
}

static struct sim_client *some_client(void) {
        return &world.clients[world_below(CLIENTS)];
}

/* ---- configuration */

static void choose_policy(void) {
        struct guard_policy *policy = &world.config.clock;

        if (world_chance(3)) {
                *policy = (struct guard_policy){ GUARD_OFFSET, 10 * SECOND, MINUTE, 10 * MS,
                                                 false };
                return;
        }
        policy->on_rollback = (enum guard_rollback)world_below(3);
        policy->max_offset_ns = world_chance(4) ? 0 : spread(10 * MS, HOUR);
        policy->max_forward_step_ns = spread(MS, DAY);
        policy->max_slew_ns = spread(MS / 10, 500 * MS);
        policy->require_sync = world_chance(8);
}

static void choose_config(void) {
        choose_policy();
        if (world_chance(2))
                return;
        world.config.standing_ns = spread(2 * SECOND, MINUTE);
        world.config.elastic_ns = spread(40 * MS, 2 * SECOND);
}

static void set_policy(void) {
        choose_policy();
        trace("policy: %d, offset %ld ms, forward %ld ms, slew %ld us",
              world.config.clock.on_rollback, (long)(world.config.clock.max_offset_ns / MS),
              (long)(world.config.clock.max_forward_step_ns / MS),
              (long)(world.config.clock.max_slew_ns / US));
        if (!world.daemon.up)
                return;
        guard_set_policy(world.daemon.keeper.guard, &world.config.clock);
        world.stepped = true;
        check_stepped(1); /* no step, but things may change */
        daemon_round();
}

/* ---- the daemon */

/* A daemon which has no room for its fence exits, and is started again. */
static void start(void) {
        if (world.daemon.up)
                return;
        sum->starts++;
        if (world_chance(4))
                world.kill_in = 1 + (unsigned)world_below(60);
        (void)daemon_start();
        if (world.daemon.up)
                clients_cut_off(world_chance(4) ? NEVER / 2 - world.boot_ns : spread(MS, SECOND));
}

static void die(void) {
        unsigned was = world.kill_in;

        switch (world_below(4)) {
        case 0:
                daemon_kill();
                break;
        case 1:
                daemon_stop();
                break;
        default: /* sometime in what comes next */
                world.kill_in = 1 + (unsigned)world_below(world_chance(2) ? 8 : 80);
                daemon_round();
                sum->kills_within += !world.daemon.up && was == 0;
        }
}

static void lose(void) {
        unsigned what = (unsigned)world_below(4);

        trace("lost: %s", what == 0 ? "clock" : what == 1 ? "ledger" : "all");
        if (what < 2)
                world.files[what].map = NULL;
        else
                memset(world.files, 0, sizeof(world.files));
}

/* ---- time */

/* Also for days, when there is no daemon. */
static void pass(void) {
        bool idle = !world.daemon.up;

        if (idle && world_chance(10))
                clocks_pass(spread(MINUTE, 30 * DAY));
        world_pass(spread(10 * US, world_chance(10) ? 10 * MINUTE : 20 * SECOND));
}

static void burst(void) {
        unsigned n = 1 + (unsigned)world_below(15);

        while (n-- > 0) {
                struct sim_client *c = some_client();

                if (!client_take(c) && world_chance(2))
                        daemon_want(c, (uint32_t)world_below(5000));
                daemon_round();
                world_pass(world_chance(8) ? 100 * MS : MS);
        }
}

static int64_t notice(void) {
        if (world_chance(10))
                return NEVER;
        return world_chance(2) ? 0 : (int64_t)world_below(2000) * US;
}

static void set_clock(void) {
        sum->steps++;
        switch (world_below(8)) {
        case 0: /* right again */
                world_step(world.true_ns - world.wall_ns, notice());
                break;
        case 1: /* a leap second */
                world_step(-SECOND, notice());
                break;
        case 2: /* flapping */
                for (unsigned n = (unsigned)world_below(12); n > 0; n--) {
                        world_step(sign() * spread(MS, MINUTE), notice());
                        world_pass(spread(10 * US, SECOND));
                }
                break;
        case 3: /* as readings are imprecise */
                world_step(sign() * (int64_t)world_below(MS), NEVER);
                break;
        default:
                world_step(sign() * spread(MS, world_chance(4) ? 10 * YEAR : HOUR), notice());
        }
}

static void reboot(void) {
        int64_t error_ns = world_chance(2) ? 0 : sign() * spread(MS, world_chance(4) ? YEAR : HOUR);

        sum->reboots++;
        world_reboot(world_chance(2), spread(SECOND, world_chance(5) ? 10 * DAY : MINUTE),
                     error_ns);
        if (world_chance(3))
                world.synchronised = false;
        start();
}

static void change_disk(void) {
        if (world.disk_full || world.disk_slow_ns > 0) {
                world.disk_full = false;
                world.disk_slow_ns = 0;
                world.disk_good_ns = world.boot_ns + 10 * SECOND; /* what is under way */
        } else if (world_chance(2)) {
                world.disk_full = true;
        } else {
                world.disk_slow_ns = spread(10 * MS, 10 * SECOND);
        }
        trace("disk: %s, %ld ms", world.disk_full ? "full" : "good",
              (long)(world.disk_slow_ns / MS));
}

static void attach_or_leave(void) {
        struct sim_client *c = some_client();

        if (c->page != NULL && world_chance(3))
                client_leave(c);
        else if (c->client == NULL && c->attach_ns > world.boot_ns)
                c->attach_ns = world.boot_ns;
        daemon_round();
}

static void event(void) {
        static void (*const events[])(void) = {
                pass, pass, pass, pass, pass, burst, burst, burst, set_clock, set_clock, set_clock,
                set_clock, die, die, start, start, start, attach_or_leave, attach_or_leave,
                attach_or_leave,
        };

        sum->events++;
        switch (world_below(60)) {
        case 0:
                world_suspend(spread(MS, world_chance(3) ? 3 * DAY : MINUTE));
                break;
        case 1:
                lose();
                break;
        case 2:
                reboot();
                break;
        case 3:
        case 4:
                change_disk();
                break;
        case 5:
        case 6:
                (void)daemon_accept();
                break;
        case 7:
                world.cloned = world_chance(4);
                break;
        case 8:
                set_policy();
                break;
        case 9:
                world.stop_ns = spread(MS, HOUR);
                break;
        case 10:
                world.synchronised = !world.synchronised;
                break;
        default:
                events[world_below(sizeof(events) / sizeof(events[0]))]();
        }
}

/* ---- in the end */

static bool at_the_end(int64_t ns) {
        return ns >= ((int64_t)id_tick_max(&world.config.layout) - 120000) * MS;
}

/* IDs up to here may exist, or are past. */
static int64_t past_ns(void) {
        const struct guard *guard = &world.daemon.segments.guard;
        int64_t guarded_ns = clock_line_at(&guard->line, world.boot_ns);
        int64_t first_ns = (int64_t)guard->first_tick * MS;

        return guard->served && guarded_ns > first_ns ? guarded_ns : first_ns;
}

static void wait_until_ready(int64_t limit_ns) {
        int64_t end_ns = world.boot_ns + limit_ns;

        while (!daemon_welcomes() && world.boot_ns < end_ns) {
                int64_t at_ns = daemon_deadline(), left_ns = end_ns - world.boot_ns;

                sum->waits++;
                world_pass(at_ns - world.boot_ns < left_ns && at_ns > world.boot_ns
                                   ? at_ns - world.boot_ns : left_ns < SECOND ? left_ns : SECOND);
        }
}

/*
 * What the table of shm/PROTOCOL.md allows. A line that begins: as long as the wall
 * clock is behind the fence, less what the policy lets IDs run ahead. One that goes
 * on: until it has passed the fence, and before that until the wall clock has caught
 * up with it; longer by the slew.
 */
static int64_t longest_wait_ns(void) {
        const struct guard_policy *policy = &world.config.clock;
        const struct guard *guard = &world.daemon.segments.guard;
        int64_t guarded_ns = clock_line_at(&guard->line, world.boot_ns), wait_ns = 0;
        int64_t first_ns = (int64_t)guard->first_tick * MS;
        int64_t allowed_ns = policy->on_rollback == GUARD_OFFSET && world.wall_ns >= 0
                                     ? policy->max_offset_ns : 0;
        int64_t ahead_ns = (guard->served ? guarded_ns : first_ns) - world.wall_ns - allowed_ns;

        if (guard->served && first_ns > guarded_ns)
                wait_ns = ((first_ns - guarded_ns) / (SECOND - policy->max_slew_ns) + 1) * SECOND;
        return wait_ns + (ahead_ns > 0 ? ahead_ns : 0) + 12 * SECOND;
}

/* Somebody takes care of it: disk, clock and daemon are good, and IDs flow again. */
static void recover(void) {
        struct sim_client *c = &world.clients[0];

        for (unsigned i = 0; i < CLIENTS; i++)
                client_leave(&world.clients[i]);
        world.kill_in = 0;
        world.cloned = world.disk_full = false;
        world.disk_slow_ns = world.stop_ns = 0;
        world.disk_good_ns = world.boot_ns + 10 * SECOND;
        world.synchronised = true;
        world_step(world.true_ns - world.wall_ns, 0);
        if (!world.daemon.up && daemon_start() == -ERANGE &&
            at_the_end((int64_t)world.disk_fence * MS))
                return;
        daemon_round();
        if (at_the_end(world.wall_ns) || at_the_end(past_ns()))
                return;
        if (world.daemon.segments.guard.reason == CLOCK_REASON_CLONED) {
                int64_t behind_ns = past_ns() - world.wall_ns;

                world_pass(behind_ns > 0 ? behind_ns + 10 * MS : 0);
                if (daemon_accept() != 0)
                        fail("a clone cannot be accepted");
        }
        wait_until_ready(longest_wait_ns());
        if (!daemon_welcomes())
                fail("no ID within the time that is promised");
        c->attach_ns = world.boot_ns;
        for (int i = 0; i < 120 && !client_take(c); i++)
                world_pass(100 * MS);
        if (c->ids == 0)
                fail("a client gets no ID though the clock is good");
}

/* The two clocks meet in the end, by themselves or once accepted. */
static void settle(void) {
        int64_t ahead_ns = clock_line_at(&world.daemon.segments.guard.line, world.boot_ns) -
                           world.wall_ns;
        int64_t size_ns = ahead_ns < 0 ? -ahead_ns : ahead_ns, slew_s;
        int64_t rate = -world.daemon.segments.guard.line.slew_ppb;

        /* an offset that goes on keeps its rate over a restart */
        if (rate <= 0 || rate > world.config.clock.max_slew_ns)
                rate = world.config.clock.max_slew_ns;
        slew_s = size_ns / rate;

        client_leave(&world.clients[0]);
        if (world.daemon.keeper.reason == CLOCK_REASON_HELD)
                (void)daemon_accept();
        if (slew_s > 7200)
                return;
        world_pass((slew_s + 14) * SECOND);
        ahead_ns = clock_line_at(&world.daemon.segments.guard.line, world.boot_ns) - world.wall_ns;
        if (ahead_ns > 2 * MS || ahead_ns < -2 * MS)
                fail("the clock is %ld us ahead of the wall clock for good", (long)(ahead_ns / US));
}

static int64_t first_time(void) {
        if (world_chance(50))
                return (int64_t)id_tick_max(&id_layout_default) * MS - spread(SECOND, 100 * DAY);
        return world_chance(50) ? spread(MS, 10 * SECOND) - 5 * SECOND : 11 * YEAR;
}

void history_run(uint64_t seed, struct history_sum *ret) {
        unsigned n;

        sum = ret;
        world_begin(seed, false, 0);
        world.true_ns = world.wall_ns = first_time();
        choose_config();
        n = 10 + (unsigned)world_below(51);
        if (world_chance(20))
                world.wall_ns += sign() * spread(MS, YEAR);
        start();
        for (unsigned i = 0; i < 2; i++)
                world.clients[i].attach_ns = world.boot_ns;
        while (n-- > 0)
                event();
        recover();
        if (world.daemon.ready && world.clients[0].ids > 0)
                settle();
        for (unsigned i = 0; i < CLIENTS; i++)
                sum->ids += world.clients[i].ids;
        sum->rounds += world.rounds;
        sum->histories++;
        world_end();
}
