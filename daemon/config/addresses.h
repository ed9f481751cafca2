/* SPDX-License-Identifier: MIT */
#pragma once
/* Lists of a coordinator's addresses, separated by blanks or commas. Pure. */
#include <stdbool.h>
#include <stddef.h>

#define ADDRESSES_MAX 16u
#define ADDRESS_LENGTH_MAX 255u

/* Advances *list to the next address and returns its length; 0 at the end. */
size_t addresses_next(const char **list);

/* 1 to 16 of http://HOST:PORT, or 1 to 16 of https://HOST:PORT; else -EINVAL. */
int addresses_check_urls(const char *list, bool *ret_tls);
/* 1 to 16 of HOST:PORT or [ADDRESS]:PORT; else -EINVAL. */
int addresses_check_hosts(const char *list);
/* Advances *list to the first address without a port and returns its length; 0: each has
 * one. */
size_t addresses_find_portless(const char **list);
/* The hosts of a checked list as ZooKeeper's client library takes them: malloc'ed,
 * or NULL. */
char *addresses_zookeeper_list(const char *list);
