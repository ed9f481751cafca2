/* SPDX-License-Identifier: MIT */
/* What is done with a region grows with its hosts, and not with their square. Machine
 * instructions are counted, so that no other load matters. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/fleet/choose.h"
#include "daemon/lease/keys/commit.h"
#include "daemon/repair/workers_release.h"
#include "tests/unit/support/single_step.h"

#define FEW 32u
#define MANY 128u
/* Four times as many hosts take four times the steps; sixteen times would be the square. */
#define GROWTH 6
/* A set has 1024 words. Whoever looks at all of them for each host does it 65,536 times. */
#define STEPS_A_HOST 1000u

TestSuite(fleet_steps, .timeout = 120);

static struct fleet_view *view;
static struct fleet_choice choice;

static void look(void *nothing) {
        (void)nothing;
}

/* Hosts that stopped for good, the first of them last, each with one worker ID. */
static void make_hosts(uint32_t n) {
        view = calloc(1, sizeof(*view));
        cr_assert_not_null(view);
        view->owners = calloc(n, sizeof(*view->owners));
        view->end = n;
        for (uint32_t w = 0; w < n; w++) {
                struct record_host record = { .fence_tick = 1 + n - w };

                snprintf(record.nonce, RECORD_HEX, "%032x", w);
                worker_set_add(&record.workers, w);
                view->owners[w].record = record_brief_new(&record);
                cr_assert_not_null(view->owners[w].record);
        }
}

static void mark_all(void *hosts) {
        (void)hosts;
        memset(view->of_worker, 0xff, view->end * sizeof(view->of_worker[0]));
        for (uint32_t i = 0; i < view->end; i++)
                fleet_view_mark(view, view->n_owners++);
}

static unsigned long count_steps(uint32_t n, void (*what)(void *)) {
        unsigned long steps;

        make_hosts(n);
        if (what != mark_all)
                mark_all(NULL);
        steps = single_step(what, look, NULL);
        view = fleet_view_free(view);
        return steps;
}

static void expect_linear(void (*what)(void *)) {
        unsigned long few = count_steps(FEW, what), many = count_steps(MANY, what);

        cr_expect_lt(many, few * GROWTH, "%lu steps for %u hosts, %lu for %u", few, FEW, many, MANY);
        cr_expect_lt(many, MANY * STEPS_A_HOST, "%lu steps for %u hosts", many, MANY);
}

static void choose(void *nothing) {
        (void)nothing;
        if (fleet_choose(view, view->end / 4, 1000, 0, &choice) < 0)
                abort();
}

/* Red when each run is looked at from its beginning. */
Test(fleet_steps, of_a_choice) {
        expect_linear(choose);
}

/* Red when a record is looked at as a set. */
Test(fleet_steps, of_a_list) {
        expect_linear(mark_all);
}

static void take_one(void *nothing) {
        static struct fleet_commit commit;
        static struct worker_set taken;

        (void)nothing;
        worker_set_add(&taken, view->end); /* nobody's, so that nothing is written */
        (void)fleet_commit_owners(&commit, view, &taken);
}

/* Red when sets are compared as a whole. */
Test(fleet_steps, of_a_commit) {
        expect_linear(take_one);
}

static void release_all(void *nothing) {
        static struct workers_release release;
        size_t *owners, n;

        (void)nothing;
        release.view = view;
        for (uint32_t w = 0; w < view->end; w++)
                worker_set_add(&release.asked, w);
        if (workers_release_owners(&release, false, &owners, &n) < 0 || n != view->end)
                abort();
}

/* Red when each owner is searched among those that were found. */
Test(fleet_steps, of_a_release) {
        expect_linear(release_all);
}

/* What the moving window finds is what a look at each run finds. Red when window_drop_first()
 * counts an owner that still has a part of the run, or keeps a fence that has left it. */
Test(fleet_steps, a_choice_is_the_best_of_all_runs) {
        unsigned seed = 1;

        for (int round = 0; round < 300; round++) {
                uint32_t count = 1 + (uint32_t)rand_r(&seed) % 6, best = UINT32_MAX;
                uint64_t best_fence = 0, fence;

                make_hosts(40);
                memset(view->of_worker, 0xff, view->end * sizeof(view->of_worker[0]));
                view->n_owners = view->end;
                for (uint32_t w = 0; w < view->end; w++) {
                        view->owners[w].record->fence_tick = (uint64_t)rand_r(&seed) % 5 + 1;
                        view->owners[w].alive = rand_r(&seed) % 12 == 0;
                        view->of_worker[w] = (int32_t)((uint32_t)rand_r(&seed) % 8) - 1;
                        if (w > 0 && rand_r(&seed) % 2 == 0)
                                view->of_worker[w] = view->of_worker[w - 1];
                }
                for (uint32_t first = 0; first + count <= view->end; first++) {
                        bool better;

                        if (fleet_extent(view, first, count, 1000, 0, NULL, &fence) < count)
                                continue;
                        better = best == UINT32_MAX || fence < best_fence ||
                                 (fence == best_fence && best % count != 0 && first % count == 0);
                        best = better ? first : best;
                        best_fence = better ? fence : best_fence;
                }
                if (fleet_choose(view, count, 1000, 0, &choice) < 0)
                        choice = (struct fleet_choice){ UINT32_MAX, 0 };
                cr_assert_eq(choice.first, best, "round %d: %u, not %u", round, choice.first, best);
                cr_assert(best == UINT32_MAX || choice.fence_tick == best_fence);
                view = fleet_view_free(view);
        }
}
