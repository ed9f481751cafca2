/* SPDX-License-Identifier: MIT */
#include "tests/support/collect.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static size_t arena_bytes(size_t n_parts, size_t capacity) {
        return sizeof(struct arena) + n_parts * sizeof(struct part) +
               n_parts * capacity * sizeof(uint64_t);
}

struct arena *arena_new(size_t n_parts, size_t part_capacity) {
        struct arena *arena = mmap(NULL, arena_bytes(n_parts, part_capacity),
                                   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        uint64_t *ids;

        cr_assert_neq(arena, MAP_FAILED);
        arena->n_parts = n_parts;
        arena->part_capacity = part_capacity;
        ids = (uint64_t *)&arena->parts[n_parts];
        for (size_t i = 0; i < n_parts; i++)
                arena->parts[i].ids = ids + i * part_capacity;
        return arena;
}

struct arena *arena_free(struct arena *arena) {
        munmap(arena, arena_bytes(arena->n_parts, arena->part_capacity));
        return NULL;
}

void arena_add(struct arena *arena, size_t part, uint64_t id) {
        struct part *p = &arena->parts[part];
        size_t used = atomic_load_explicit(&p->used, memory_order_relaxed);

        if (used == arena->part_capacity)
                return;
        p->ids[used] = id;
        /* release: a reader that sees the count sees the ID, also after a kill */
        atomic_store_explicit(&p->used, used + 1, memory_order_release);
}

size_t arena_total(const struct arena *arena) {
        size_t total = 0;

        for (size_t i = 0; i < arena->n_parts; i++)
                total += atomic_load_explicit(&arena->parts[i].used, memory_order_acquire);
        return total;
}

/* Least significant byte first; 8 passes over 64 bits. */
static void radix_sort(uint64_t *ids, uint64_t *scratch, size_t n) {
        for (unsigned shift = 0; shift < 64; shift += 8) {
                size_t counts[257] = { 0 };
                uint64_t *swap;

                for (size_t i = 0; i < n; i++)
                        counts[((ids[i] >> shift) & 255) + 1]++;
                for (unsigned i = 0; i < 256; i++)
                        counts[i + 1] += counts[i];
                for (size_t i = 0; i < n; i++)
                        scratch[counts[(ids[i] >> shift) & 255]++] = ids[i];
                swap = ids;
                ids = scratch;
                scratch = swap;
        }
}

size_t arena_expect_unique(const struct arena *arena) {
        size_t total = arena_total(arena), n = 0;
        uint64_t *ids = malloc((total + 1) * sizeof(*ids)), *scratch = malloc((total + 1) * sizeof(*ids));

        cr_assert_not_null(ids);
        cr_assert_not_null(scratch);
        for (size_t i = 0; i < arena->n_parts; i++) {
                size_t used = atomic_load_explicit(&arena->parts[i].used, memory_order_acquire);

                used = used < total - n ? used : total - n;
                memcpy(ids + n, arena->parts[i].ids, used * sizeof(*ids));
                n += used;
        }
        radix_sort(ids, scratch, n);
        for (size_t i = 1; i < n; i++)
                cr_assert_neq(ids[i], ids[i - 1], "duplicate ID %" PRIu64 " among %zu", ids[i], n);
        free(ids);
        free(scratch);
        return n;
}

void arena_expect_increasing(const struct arena *arena, size_t part) {
        const struct part *p = &arena->parts[part];
        size_t used = atomic_load_explicit(&p->used, memory_order_acquire);

        for (size_t i = 1; i < used; i++)
                cr_assert_gt(p->ids[i], p->ids[i - 1], "part %zu: ID %zu of %zu does not increase",
                             part, i, used);
}
