/* SPDX-License-Identifier: MIT */
#pragma once
/* The list of calls.h. */
#include "daemon/lease/zookeeper/calls.h"

/* As coordinator.h; -EAGAIN: what is listed moved all the time. */
int zookeeper_list(void *coordinator, const char *prefix, struct coordinator_list *ret);

int64_t zookeeper_deadline_ns(const struct zookeeper_coordinator *zookeeper);
/* PREFIX/KEY, malloc'ed; NULL: no memory. */
char *zookeeper_key_path(const struct zookeeper_coordinator *zookeeper, const char *key);
/* 0 for what a request was answered; -EACCES, or -EIO with a line in the log. */
int zookeeper_refused(int code, const char *path);
