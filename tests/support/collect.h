/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Collecting IDs from many threads and processes, and looking for duplicates.
 * The arena is shared memory made before the forks; each taker has a part.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
        size_t n_parts, part_capacity;
        struct part {
                _Atomic size_t used;
                uint64_t *ids;
        } parts[];
};

struct arena *arena_new(size_t n_parts, size_t part_capacity);
struct arena *arena_free(struct arena *arena);
/* From the part's one taker. Full parts take no more. */
void arena_add(struct arena *arena, size_t part, uint64_t id);
size_t arena_total(const struct arena *arena);
/* Fails the test naming the first duplicate; returns how many IDs were compared. */
size_t arena_expect_unique(const struct arena *arena);
/* Fails the test unless the part's IDs strictly increase. */
void arena_expect_increasing(const struct arena *arena, size_t part);
