/* SPDX-License-Identifier: MIT */
/* What the daemon reads from a client's own page, whatever stands in it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/client/client.h"
#include "daemon/util/time.h"
#include "shm/clock.h"

#define WIDTH 1000u

static void no_step(void) {
}

static struct client *make_client(uint32_t lanes) {
        const struct client_shape shape = {
                .id = 7, .base_tick = 1000, .n_lanes = lanes, .worker_first = 3,
                .worker_counters = 2, .generation = 9 };
        struct client *client = NULL;

        cr_assert_eq(client_new(&client, &shape), 0);
        client->attached_boot_ns = time_ns(CLOCK_BOOTTIME);
        return client;
}

static struct cursors_page *map_cursors(const struct client *client) {
        void *map = mmap(NULL, client->cursors.size, PROT_READ | PROT_WRITE, MAP_SHARED,
                         client->cursors.fd, 0);

        cr_assert_neq(map, MAP_FAILED);
        return map;
}

/* Red when the header is not filled in, or a cursor begins as anything but the
 * full tick 0 (a first add would then be taken for an ID). */
Test(client, is_born_with_full_cursors_and_a_header) {
        struct client *client = make_client(4);
        struct grants_page *grants = client_grants(client);
        struct cursors_page *cursors = map_cursors(client);

        cr_expect_arr_eq(grants->magic, GRANTS_MAGIC, sizeof(grants->magic));
        cr_expect_eq(grants->client, 7);
        cr_expect_eq(grants->base_tick, 1000);
        cr_expect_eq(grants->lanes, 4);
        cr_expect_eq(grants->worker_first, 3);
        cr_expect_eq(grants->size, grants_page_size_counted(4, grants->worker_counters));
        cr_expect_eq(grants->cursors_size, cursors_page_size(4, 2));
        cr_expect_eq(grants->generation, 9);
        cr_expect_null(client->cursors.map);
        for (unsigned i = 0; i < 4; i++)
                cr_expect_eq(atomic_load(&cursors->lanes[i].cursor),
                             cursor_pack(0, 0, CURSOR_OFFSET_FULL));
        cr_expect_eq(client->amounts.of[ACCOUNT_BYTES], 2 * 4096);
        client_free(client);
}

/* Red without the seals or with another mode. */
Test(client, pages_are_sealed_and_its_own) {
        struct client *client = make_client(1);
        const int fds[] = { client->grants.fd, client->cursors.fd };

        for (unsigned i = 0; i < 2; i++) {
                struct stat status;

                cr_assert_eq(fstat(fds[i], &status), 0);
                cr_expect_eq(status.st_mode & 07777, 0600);
                /* and writing not sealed: the client writes its cursors */
                cr_expect_eq(fcntl(fds[i], F_GET_SEALS) &
                                     (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE),
                             F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
                cr_expect_eq(ftruncate(fds[i], 0), -1);
        }
        client_free(client);
}

/* Red when the used part of the unfinished tick is left out or not bounded by
 * the width of the slot which the cursor names. */
Test(client, counts_the_unfinished_tick_up_to_its_width) {
        struct client *client = make_client(2);
        struct cursors_page *cursors = map_cursors(client);
        struct rectangle grant = { .start = 0, .width = WIDTH, .t0 = 1001, .t1 = 2000 };
        struct client_counters counters;

        cr_assert_eq(slot_grant(&client_grants(client)->slots[1][0], &grant, no_step), 0);
        cr_assert_eq(slot_grant(&client_grants(client)->slots[1][2], &grant, no_step), 0);
        cr_assert_eq(client_read_lane(client, 1, &counters), 0);
        cr_expect_eq(counters.ids, 0, "a new cursor is full and has handed out nothing");

        atomic_store(&cursors->lanes[1].ids, 5000);
        atomic_store(&cursors->lanes[1].overflows, 3);
        atomic_store(&cursors->lanes[1].overflow_wait_ns, 900);
        atomic_store(&cursors->lanes[1].cursor, cursor_pack(1, 2, 10));
        cr_assert_eq(client_read_lane(client, 1, &counters), 0);
        cr_expect_eq(counters.ids, 5010);
        cr_expect_eq(counters.overflows, 3);
        cr_expect_eq(counters.overflow_wait_ns, 900);

        atomic_store(&cursors->lanes[1].cursor, cursor_pack(1, 2, WIDTH + 77));
        cr_assert_eq(client_read_lane(client, 1, &counters), 0);
        cr_expect_eq(counters.ids, 5000 + WIDTH);

        /* a slot without a grant has no width */
        atomic_store(&cursors->lanes[1].cursor, cursor_pack(1, 3, 10));
        cr_assert_eq(client_read_lane(client, 1, &counters), 0);
        cr_expect_eq(counters.ids, 5000);
        client_free(client);
}

/* A tick that began at an offset is counted less that offset: below zero until
 * the first ID. Red when that is taken for a number near 2^64. */
Test(client, is_not_confused_by_a_count_below_zero) {
        struct client *client = make_client(1);
        struct cursors_page *cursors = map_cursors(client);
        struct client_counters counters;

        atomic_store(&cursors->lanes[0].ids, (uint64_t)-31);
        cr_assert_eq(client_read_lane(client, 0, &counters), 0);
        cr_expect_eq(counters.ids, 0);
        client_free(client);
}

/* Rule 13. Red when a number of the page is passed on as it is. */
Test(client, cuts_absurd_numbers_to_what_can_be) {
        struct client *client = make_client(1);
        struct cursors_page *cursors = map_cursors(client);
        const uint64_t absurd[] = { UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
                                    UINT64_MAX - (UINT64_C(1) << 40) };
        struct client_counters counters;

        for (unsigned i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
                atomic_store(&cursors->lanes[0].cursor, absurd[i]);
                atomic_store(&cursors->lanes[0].ids, absurd[i]);
                atomic_store(&cursors->lanes[0].overflows, absurd[i]);
                atomic_store(&cursors->lanes[0].overflow_wait_ns, absurd[i]);
                cr_assert_eq(client_read_lane(client, 0, &counters), 0);
                /* an hour at the highest rate there can be */
                cr_expect_leq(counters.ids, UINT64_C(3600000) * SLOT_WIDTH_MAX);
                cr_expect_leq(counters.overflows, UINT64_C(3600000) * SLOT_WIDTH_MAX);
                cr_expect_leq(counters.overflow_wait_ns, INT64_MAX / 4096);
        }
        client_free(client);
}

/* The client may take its pages away at any time (rule 13). Red, by SIGBUS or
 * a wrong number, when the daemon reads them through a mapping that it trusts. */
Test(client, reads_a_punched_page_as_nothing) {
        struct client *client = make_client(1);
        struct cursors_page *cursors = map_cursors(client);
        struct client_counters counters;

        atomic_store(&cursors->lanes[0].ids, 5000);
        cr_assert_eq(fallocate(client->cursors.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                               (off_t)client->cursors.size), 0);
        cr_assert_eq(client_read_lane(client, 0, &counters), 0);
        cr_expect_eq(counters.ids, 0);
        cr_expect_eq(client_read_lane(client, 1, &counters), -EINVAL);

        /* a page that cannot be read is an error, not a number */
        close(client->cursors.fd);
        client->cursors.fd = open("/dev/null", O_RDONLY);
        cr_expect_eq(client_read_lane(client, 0, &counters), -EIO);
        client_free(client);
}

static int adopt(const struct client *from, uint64_t id, uint32_t lanes, struct client **ret) {
        return client_adopt(ret, id, lanes, from->grants.fd, from->cursors.fd);
}

/* Red when a field of the header is not looked at. */
Test(client, is_adopted_from_its_own_pages_only) {
        static const size_t fields[] = {
                offsetof(struct grants_page, magic), offsetof(struct grants_page, version),
                offsetof(struct grants_page, size), offsetof(struct grants_page, client),
                offsetof(struct grants_page, lanes), offsetof(struct grants_page, worker_counters),
                offsetof(struct grants_page, cursors_size) };
        struct client *client = make_client(4), *adopted = NULL;
        uint8_t *page = client->grants.map;

        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                page[fields[i]] ^= 1;
                cr_expect_eq(adopt(client, 7, 4, &adopted), -EBADMSG, "offset %zu", fields[i]);
                page[fields[i]] ^= 1;
        }
        cr_expect_eq(adopt(client, 8, 4, &adopted), -EBADMSG);
        cr_expect_eq(adopt(client, 7, 2, &adopted), -EBADMSG);
        cr_expect_eq(adopt(client, 7, 0, &adopted), -EBADMSG);
        cr_expect_eq(adopt(client, 7, LANES_MAX + 1, &adopted), -EBADMSG);
        cr_expect_eq(client_adopt(&adopted, 7, 4, client->cursors.fd, client->grants.fd), -EBADMSG);
        cr_expect_null(adopted);
        cr_assert_eq(adopt(client, 7, 4, &adopted), 0);
        cr_expect_eq(adopted->attached_tick, 1001);
        cr_expect_arr_eq(&adopted->amounts, &client->amounts, sizeof(client->amounts));
        cr_expect_eq(adopted->grants.fd, -1);
        cr_expect_null(adopted->cursors.map, "the client may punch it");
        cr_expect_eq(client_grants(adopted)->client, 7);
        client_free(adopted);
        cr_expect_geq(fcntl(client->grants.fd, F_GETFD), 0, "still the caller's");
        cr_expect_geq(fcntl(client->cursors.fd, F_GETFD), 0);
        client_free(client);
}
