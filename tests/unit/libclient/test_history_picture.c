/* SPDX-License-Identifier: MIT */
/* What events say together: who held a position, and what is not known. */
#include <criterion/criterion.h>

#include "libclient/history/picture.h"

static struct picture picture;

static void tell(enum history_kind kind, uint64_t tick, uint64_t t1) {
        picture_apply(&picture, &(struct history_event){
                .kind = (uint16_t)kind, .tick = tick, .client = kind == HISTORY_START ? 77 : 0,
                .daemon = { .start = 0, .width = 4096, .t1 = t1 } });
}

static void held(uint64_t tick, uint32_t record, uint64_t client, uint32_t start, uint64_t t0,
                 uint64_t t1) {
        picture_apply(&picture, &(struct history_event){
                .kind = HISTORY_HELD, .record = record, .tick = tick, .client = client,
                .held = { .start = start, .width = 10, .t0 = t0, .t1 = t1 } });
}

static void round_of_none(uint64_t tick) {
        tell(HISTORY_ROUND, tick, 0);
        tell(HISTORY_ROUND_END, tick, 0);
}

static uint64_t owner(uint64_t tick, uint32_t position) {
        const struct picture_held *found = picture_find(&picture, tick, position);

        return found != NULL ? found->client : 0;
}

static bool known(uint64_t tick) {
        return picture_gap_at(&picture, tick) == NULL;
}

static void begin(void) {
        cr_assert_eq(picture_init(&picture), 0);
        tell(HISTORY_START, 1000, 0);
        round_of_none(1000);
}

static void end(void) {
        picture_fini(&picture);
}

TestSuite(picture, .init = begin, .fini = end);

Test(picture, an_extension_is_the_same_reservation) {
        held(1000, 0, 1, 100, 1000, 1100);
        held(1050, 0, 1, 100, 1000, 1200);
        cr_expect_eq(picture.n_held, 1);
        cr_expect_eq(owner(1150, 105), 1);
        cr_expect_eq(owner(1150, 110), 0);
        cr_expect_eq(owner(999, 105), 0);
        cr_expect(known(1150) && !known(999));
}

/* Red when the longer end that was told before still counts. */
Test(picture, a_shortened_end_counts) {
        held(1000, 0, 1, 100, 1000, 2000);
        held(1500, 0, 1, 100, 1000, 1502);
        held(1500, 1, 2, 100, 1502, 2000);
        cr_expect_eq(owner(1501, 100), 1);
        cr_expect_eq(owner(1502, 100), 2);
}

/* Red when a loss forgets too much, or too little: what was lost may have ended it. */
Test(picture, a_loss_makes_doubtful_what_comes_after_it) {
        held(1000, 0, 1, 100, 1000, 2000);
        held(1100, 1, 2, 200, 1000, 2000);
        picture_lose(&picture, PICTURE_LOST);
        cr_expect_eq(owner(1099, 100), 1, "a loss concerns nothing before it");
        cr_expect_eq(owner(1100, 100), 0);
        cr_expect(known(1099) && !known(1100));
        tell(HISTORY_ROUND, 1300, 0);
        held(1300, 1, 2, 200, 1000, 2500);
        tell(HISTORY_ROUND_END, 1300, 0);
        cr_expect_eq(owner(1200, 200), 2, "it was held all the time");
        cr_expect_eq(owner(2400, 200), 2);
        cr_expect_eq(owner(1200, 100), 0);
        cr_expect_eq(owner(1400, 100), 0, "it was not told again");
        cr_expect(!known(1299) && known(1300));
}

Test(picture, a_round_that_began_before_a_loss_ends_no_gap) {
        tell(HISTORY_ROUND, 1100, 0);
        picture_lose(&picture, PICTURE_LOST);
        tell(HISTORY_ROUND_END, 1200, 0);
        cr_expect(!known(1200));
        round_of_none(1300);
        cr_expect(known(1300));
}

/* Red when the second loss leaves what was told after the first one as it is. */
Test(picture, a_second_loss_in_the_gap) {
        held(1000, 0, 1, 100, 1000, 5000);
        picture_lose(&picture, PICTURE_LOST);
        held(1200, 0, 1, 100, 1000, 5000);
        picture_lose(&picture, PICTURE_LOST);
        cr_expect_eq(owner(1199, 100), 1);
        cr_expect_eq(owner(1300, 100), 0);
        held(1400, 0, 1, 100, 1000, 5000);
        cr_expect_eq(owner(1300, 100), 1);
}

Test(picture, a_new_ledger_knows_nothing_below_the_fence) {
        tell(HISTORY_START, 2000, 9000);
        round_of_none(2000);
        cr_expect(!known(9000) && known(9001));
}

static void restart(uint64_t at, uint16_t flags, uint32_t generation) {
        picture_apply(&picture, &(struct history_event){
                .kind = HISTORY_START, .slot = flags, .tick = at, .client = 77,
                .daemon = { .generation = generation } });
}

/* Red when a daemon in between that told nothing goes unnoticed. */
Test(picture, the_next_daemon_that_continues_leaves_no_gap) {
        held(1000, 0, 1, 100, 1000, 1200);
        restart(1500, HISTORY_ADOPTED, 1);
        cr_expect(owner(1199, 100) == 1 && known(1300));
        held(1500, 0, 1, 100, 1500, 1900);
        restart(1600, HISTORY_ADOPTED, 3);
        cr_expect(owner(1499, 100) == 0 && owner(1500, 100) == 0 && !known(1500));
}

Test(picture, a_client_stays_known_when_the_daemon_does_not_know_it_any_more) {
        struct history_event event = { .kind = HISTORY_CLIENT, .tick = 1000, .client = 5,
                                       .client_is = { .pid = 42, .uid = 7, .comm = "worker" } };
        const struct picture_client *client;

        picture_apply(&picture, &event);
        picture_apply(&picture, &(struct history_event){ .kind = HISTORY_CGROUP, .client = 5,
                                                         .cgroup = "/system.slice" });
        event.client_is.comm[0] = '\0';
        picture_apply(&picture, &event);
        held(1000, 3, 5, 100, 1000, 1100);
        held(1050, 3, 0, 100, 1000, 1060);
        cr_expect_eq(owner(1050, 100), 5);
        client = picture_client_of(&picture, 77, 5);
        cr_assert_not_null(client);
        cr_expect_str_eq(client->comm, "worker");
        cr_expect_str_eq(client->cgroup, "/system.slice");
}

Test(picture, many_clients_and_slots) {
        for (uint32_t i = 0; i < 20000; i++) {
                picture_apply(&picture, &(struct history_event){
                        .kind = HISTORY_CLIENT, .tick = 1000 + i, .client = i + 1,
                        .client_is = { .pid = i } });
                held(1000 + i, i % PICTURE_RECORDS, i + 1, 100, 1000 + i, 1001 + i);
        }
        for (uint32_t i = 0; i < 20000; i += 777) {
                cr_expect_eq(owner(1000 + i, 100), i + 1);
                cr_expect_eq(picture_client_of(&picture, 77, i + 1)->pid, i);
        }
        picture_mark_clean(&picture);
        picture_compact(&picture, true);
        cr_expect_leq(picture.n_held, 1);
        cr_expect_leq(picture.n_clients, 1);
}
