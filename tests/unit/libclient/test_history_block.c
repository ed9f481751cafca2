/* SPDX-License-Identifier: MIT */
/* Blocks say what the picture says, and nothing else is taken for one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/history/block.h"
#include "libclient/history/varint.h"

static struct picture picture, copy;
static uint8_t bytes[BLOCK_MAX];

static void begin(void) {
        cr_assert_eq(picture_init(&picture), 0);
        cr_assert_eq(picture_init(&copy), 0);
        picture.in_gap = false;
}

static void end(void) {
        picture_fini(&picture);
        picture_fini(&copy);
}

TestSuite(block, .init = begin, .fini = end);

static void fill(uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                char cgroup[PICTURE_CGROUP + 1] = "/kubepods.slice/pod1";
                struct picture_client client = { .ledger = UINT64_C(0xfedcba9876543210),
                                                 .number = i + 1, .pid = 100000 + i, .uid = i,
                                                 .start_unix_ms = INT64_C(1764547200000) + i,
                                                 .comm = "sixteen-letters", .cgroup = cgroup };

                picture_put_client(&picture, &client);
                picture_put_held(&picture, &(struct picture_held){
                        .ledger = client.ledger, .client = i + 1, .record = i, .slot = i % 4,
                        .lane = i % 64, .start = i * 37, .width = i % 4096 + 1,
                        .t0 = UINT64_C(60000000000) + i, .t1 = UINT64_C(60000000000) + i * 3 });
        }
        picture.tick = 60000000000;
        picture.ledger = 5;
}

static struct block_header header(void) {
        return (struct block_header){ .ring = 1, .position = 2, .from = 3, .host = "host",
                                      .layout = id_layout_default };
}

static void expect_same(uint32_t n) {
        cr_assert_eq(copy.n_held, n);
        cr_assert_eq(copy.n_clients, n);
        for (uint32_t i = 0; i < n; i++) {
                const struct picture_held *a = &picture.held[i], *b = &copy.held[i];
                const struct picture_client *c = &picture.clients[i], *e = &copy.clients[i];

                cr_assert(a->ledger == b->ledger && a->client == b->client && a->t0 == b->t0 &&
                          a->t1 == b->t1 && a->record == b->record && a->start == b->start &&
                          a->width == b->width && a->slot == b->slot && a->lane == b->lane);
                cr_assert(c->pid == e->pid && c->uid == e->uid &&
                          c->start_unix_ms == e->start_unix_ms);
                cr_assert_str_eq(c->comm, e->comm);
                cr_assert_str_eq(c->cgroup, e->cgroup);
        }
}

Test(block, round_trip_over_several) {
        struct block_header h = header(), read;
        unsigned n = 0;

        fill(5000);
        do {
                size_t size = block_write(&picture, &h, bytes);

                cr_assert_leq(size, BLOCK_MAX);
                cr_assert_eq(block_read(&copy, &read, bytes, size), (int)size);
                cr_expect_eq(copy.tick, read.whole ? picture.tick : 0);
                n++;
        } while (!h.whole);
        cr_expect_gt(n, 1);
        expect_same(5000);
        cr_expect_eq(copy.ledger, 5);
        cr_expect(!copy.in_gap);
}

/* What changed since is all that the next block has. */
Test(block, an_extension_costs_a_few_bytes) {
        struct block_header h = header();
        size_t size;

        fill(100);
        (void)block_write(&picture, &h, bytes);
        for (uint32_t i = 0; i < 100; i++) {
                struct picture_held held = picture.held[i];

                held.t1 += 5000;
                picture_put_held(&picture, &held);
        }
        size = block_write(&picture, &h, bytes);
        cr_expect_lt(size, sizeof(h) + 100 * 20);
        cr_expect_eq(block_write(&picture, &h, bytes), sizeof(h));
}

Test(block, gaps_and_doubt) {
        struct block_header h = header(), read;
        size_t size;

        fill(3);
        picture.held[1].t1 += 100;
        picture_lose(&picture, PICTURE_LOST);
        picture_put_gap(&picture, &(struct picture_gap){ .from = 5, .to = 9, .why = PICTURE_DAMAGED,
                                                         .dirty = true });
        picture.unknown_tick = 99;
        size = block_write(&picture, &h, bytes);
        cr_assert_eq(block_read(&copy, &read, bytes, size), (int)size);
        cr_expect(copy.in_gap && copy.gap.from == picture.gap.from &&
                  copy.gap.why == PICTURE_LOST && copy.unknown_tick == 99);
        cr_assert_eq(copy.n_gaps, 1);
        cr_expect(copy.gaps[0].from == 5 && copy.gaps[0].to == 9);
        cr_expect(copy.held[1].doubtful);
}

/* Red when any byte of header or payload is not under the checksum. */
Test(block, every_flipped_bit_and_every_cut_is_noticed) {
        struct block_header h = header(), read;
        size_t size;

        fill(20);
        size = block_write(&picture, &h, bytes);
        for (size_t n = 0; n < size; n++)
                cr_assert_lt(block_read(&copy, &read, bytes, n), 0, "cut at %zu", n);
        for (size_t i = 0; i < size * 8; i++) {
                bytes[i / 8] ^= (uint8_t)(1u << i % 8);
                cr_assert_lt(block_read(&copy, &read, bytes, size), 0, "bit %zu", i);
                bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        cr_expect_eq(copy.n_held, 0);
        bytes[8]++;
        cr_expect_eq(block_read(&copy, &read, bytes, size), -EPROTO);
}

static uint64_t fnv(uint64_t hash, const void *data, size_t n) {
        for (size_t i = 0; i < n; i++)
                hash = (hash ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
        return hash;
}

/* As an attacker would write it: with a checksum that fits. Nothing may be touched out of
 * bounds (ASan), and what is accepted has been checked. */
Test(block, random_payloads_with_a_good_checksum) {
        struct block_header read, h;

        srand(1);
        for (unsigned round = 0; round < 20000; round++) {
                size_t n = (size_t)rand() % 200;

                h = header();
                memcpy(h.magic, BLOCK_MAGIC, 8);
                h.version = BLOCK_VERSION;
                h.length = (uint32_t)n;
                h.whole = 1;
                for (size_t i = 0; i < n; i++)
                        bytes[sizeof(h) + i] = (uint8_t)(rand() % 4 ? rand() % 8 : rand());
                h.checksum = fnv(fnv(UINT64_C(0xcbf29ce484222325), &h, sizeof(h)),
                                 bytes + sizeof(h), n);
                memcpy(bytes, &h, sizeof(h));
                (void)block_read(&copy, &read, bytes, sizeof(h) + n);
        }
        for (size_t i = 0; i < copy.n_held; i++)
                cr_assert(copy.held[i].record < PICTURE_RECORDS &&
                          copy.held[i].slot < PICTURE_SLOTS);
}

Test(varint, every_size) {
        uint8_t room[10];

        for (unsigned bits = 0; bits < 64; bits++)
                for (int d = -1; d <= 1; d++) {
                        uint64_t value = (UINT64_C(1) << bits) + (uint64_t)d;
                        struct bytes_out out = { room, room + sizeof(room), false };
                        struct bytes_in in = { room, room, false };

                        put_number(&out, value);
                        in.end = out.at;
                        cr_assert(!out.full && get_number(&in) == value && !in.bad);
                        out.at = room;
                        put_change(&out, value, 1000);
                        in = (struct bytes_in){ room, out.at, false };
                        cr_assert(get_change(&in, 1000) == value && !in.bad);
                }
}
