/* SPDX-License-Identifier: MIT */
/*
 * U1: one thread gives the same positions to two clients in turn and takes them back, as
 * fast as it can and with ticks of 20 us, while threads of both read their slots by the
 * rules of the library. At no tick may both of them find the positions theirs.
 *
 * Red, each tried, when ledger_withdraw() frees positions from T on, or by its first reading.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "daemon/ledger/withdraw.h"
#include "daemon/util/time.h"
#include "tests/unit/support/ledger_world.h"

#define TICK_NS 20000
#define TICKS (1u << 20) /* 21 s, on a machine that does not let the readers run */
#define WITHDRAWALS 2000u
#define USED 2000u
#define WIDTH 64u

static struct {
        int64_t begun_ns;
        _Atomic unsigned char users[TICKS]; /* a bit for each client */
        _Atomic uint64_t used, twice;
        _Atomic bool stop;
} stress;

/* From 1000 on, where the ledger begins. */
static uint64_t stress_tick(void *context) {
        (void)context;
        return 1000 + (uint64_t)(time_ns(CLOCK_BOOTTIME) - stress.begun_ns) / TICK_NS;
}

static uint64_t no_cursor(const struct client *client, uint32_t lane) {
        (void)client, (void)lane;
        return 0;
}

static void use(unsigned client, uint64_t tick) {
        unsigned char users;

        if (tick - 1000 >= TICKS)
                return;
        /* relaxed: an independent word for each tick */
        users = atomic_fetch_or_explicit(&stress.users[tick - 1000], (unsigned char)(1u << client),
                                         memory_order_relaxed);
        if ((users & (1u << client)) == 0)
                atomic_fetch_add_explicit(&stress.used, 1, memory_order_relaxed);
        if ((users & ~(1u << client)) != 0)
                atomic_fetch_add_explicit(&stress.twice, 1, memory_order_relaxed);
}

/* What one thread of each client remembers. */
struct key {
        uint64_t tick;
        unsigned slot;
};

/* The slow path: the clock, then the slots. The hot path: the key of then, and the span. */
static void read_slots(unsigned client, struct key *key) {
        const struct slot *slots = world.pages[client];
        uint64_t tick = stress_tick(NULL);

        for (unsigned i = 0; i < SLOTS_PER_LANE; i++) {
                struct rectangle r;

                if (!slot_read(&slots[i], &r) || !rectangle_at(&r, tick))
                        continue;
                use(client, tick);
                *key = (struct key){ tick, i };
        }
        if (key->tick != 0 && slot_span_at(&slots[key->slot], key->tick) != 0)
                use(client, key->tick);
}

/* Both clients in turn: where there are two CPUs, they must be able to meet in one tick. */
static void *read_for_ever(void *context) {
        struct key keys[2] = { { .tick = 0 }, { .tick = 0 } };

        (void)context;
        while (!atomic_load_explicit(&stress.stop, memory_order_relaxed))
                for (unsigned client = 0; client < 2; client++)
                        read_slots(client, &keys[client]);
        return NULL;
}

/* The first slot of the lane that may be rewritten now. */
static bool grant_somewhere(unsigned lane, uint64_t from) {
        uint64_t now = stress_tick(NULL);

        ledger_set_now(world.ledger, now);
        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++)
                if (world_grant(lane, slot, RUN_START, WIDTH, from > now ? from : now,
                                now + 3 * TICKS) == 0)
                        return true;
        return false;
}

static uint64_t withdraw_all(unsigned lane) {
        struct withdrawal list[SLOTS_PER_LANE];

        for (unsigned slot = 0; slot < SLOTS_PER_LANE; slot++)
                list[slot] = (struct withdrawal){ .entry = world.lanes[lane], .slot = slot };
        return ledger_withdraw(world.ledger, list, SLOTS_PER_LANE, no_cursor);
}

/* Until somewhere in the four ticks from `tick` on. */
static void wait_into(uint64_t tick, uint64_t round) {
        int64_t into_ns = (int64_t)(round * 7919 % (4 * TICK_NS));

        while (time_ns(CLOCK_BOOTTIME) - stress.begun_ns < (int64_t)(tick - 1000) * TICK_NS + into_ns)
                ;
}

static bool enough(uint64_t withdrawals) {
        return stress_tick(NULL) >= 1000 + TICKS ||
               (withdrawals >= WITHDRAWALS &&
                atomic_load_explicit(&stress.used, memory_order_relaxed) >= USED);
}

Test(U1, withdrawn_at_high_frequency, .init = world_begin, .fini = world_end) {
        pthread_t threads[2];
        uint64_t from = 0, withdrawals = 0;

        ledger_set_fence(world.ledger, UINT64_MAX);
        ledger_set_clock(world.ledger, (struct ledger_clock){ stress_tick, NULL });
        stress.begun_ns = time_ns(CLOCK_BOOTTIME);
        for (unsigned i = 0; i < 2; i++)
                cr_assert_eq(pthread_create(&threads[i], NULL, read_for_ever, NULL), 0);
        for (unsigned lane = 0; !enough(withdrawals); lane ^= 1) {
                while (!grant_somewhere(lane, from))
                        ;
                wait_into(from > 0 ? from : 1000, withdrawals);
                from = withdraw_all(lane);
                withdrawals++;
        }
        atomic_store_explicit(&stress.stop, true, memory_order_relaxed);
        for (unsigned i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        cr_log_info("%lu withdrawals, %lu ticks used", (unsigned long)withdrawals,
                    (unsigned long)atomic_load(&stress.used));
        cr_expect_eq(atomic_load(&stress.twice), 0, "%lu times in both",
                     (unsigned long)atomic_load(&stress.twice));
        cr_expect_gt(atomic_load(&stress.used), 0);
}
