/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a host remembers of its coordinator: the file `fleet` in the state directory. Whatever
 * the coordinator shows that is lower is an old copy, put back from a backup. Text, exact and
 * replaced by a rename, as fence_file.h:
 *
 *   sfshm-fleet 1
 *   space 4a3d…              the ID space
 *   nonce 91cc…              the host's record; all 0: it has none any more
 *   since-unix-ms N          of that record, as the coordinator confirmed it last
 *   renewals N
 *   fence-tick N
 *   confirmed-unix-ms N      when that commit was sent
 *   boot-id 5e01…            of the daemon that wrote it
 *   directory DEVICE:INODE   likewise
 *   region R
 *   workers FIRST+COUNT      within the region: the run, as far as it certainly is ours
 *   grown-tick N             of the record
 *   claimed-unix-ms N        the run, or what it has grown by
 *   recovered-unix-ms N      of `contract`
 *   claims N                 of `used`, at this host's last claim
 *   checksum 0123456789abcdef
 */
#include <stdint.h>
#include <sys/types.h>

#define FLEET_MEMORY_NAME "fleet"
#define FLEET_MEMORY_NEW_NAME "fleet.new"
#define FLEET_MEMORY_TEXT_MAX 640u
#define FLEET_MEMORY_HEX 33u /* 16 bytes in hex, NUL */
#define FLEET_MEMORY_DIRECTORY 65u

struct fleet_memory {
        char space[FLEET_MEMORY_HEX]; /* "": nothing is remembered, a first start */
        char nonce[FLEET_MEMORY_HEX];
        uint64_t since_unix_ms, renewals, fence_tick; /* of the record */
        char boot_id[FLEET_MEMORY_HEX];
        char directory[FLEET_MEMORY_DIRECTORY];
        uint32_t region, first, count; /* count 0: not remembered */
        uint64_t grown_tick;
        uint64_t confirmed_unix_ms, claimed_unix_ms;
        uint64_t recovered_unix_ms, claims;
};

/* The host has none any more. */
void fleet_memory_forget_record(struct fleet_memory *memory);

/* The length of the text, without the NUL at its end. Pure. */
size_t fleet_memory_encode(const struct fleet_memory *memory, char text[FLEET_MEMORY_TEXT_MAX]);
/* As fence_file_decode(). Pure. */
int fleet_memory_decode(const char *text, size_t size, struct fleet_memory *ret);

/* 0, also when there is no file: nothing is remembered then; else as fence_file_read(). Takes
 * the files fleet-nonce and fleet-space of earlier releases where there is no file `fleet`. */
int fleet_memory_read(int dir_fd, struct fleet_memory *ret);
/* As small_file_write(). */
int fleet_memory_write(int dir_fd, const struct fleet_memory *memory);
