/* SPDX-License-Identifier: MIT */
#pragma once
/* The IDs of this boot and of this machine, 16 bytes each. Silent. */
#include <stdint.h>

/* -ENOENT: there is none (a machine ID may be missing, empty or not made yet); -EBADMSG:
 * it is not 32 hexadecimal digits. */
int ids_boot(uint8_t ret[16]);
int ids_machine(uint8_t ret[16]);
/* 32 digits. */
void ids_format(char text[33], const uint8_t id[16]);
