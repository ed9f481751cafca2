/* SPDX-License-Identifier: MIT */
#pragma once
/* The list of ZooKeeper's servers. Pure. */

/* 1 to 16 of HOST:PORT or [ADDRESS]:PORT, separated by blanks or commas; or -EINVAL. */
int zookeeper_hosts_check(const char *hosts);
/* As the client library wants a list that was checked: malloc'ed, or NULL. */
char *zookeeper_hosts_list(const char *hosts);
