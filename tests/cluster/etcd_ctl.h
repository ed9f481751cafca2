/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdio.h>
#include <sys/types.h>

/* etcdctl at work; what it says can be read from *ret_output, which is closed by
 * etcd_ctl_end(); that ends it, too. */
pid_t etcd_ctl_begin(const char *endpoint, char *const arguments[], FILE **ret_output);
void etcd_ctl_end(pid_t pid, FILE *output);
/* All that it says, malloc'ed. */
char *etcd_ctl(const char *endpoint, char *const arguments[]);
#define ETCD_CTL(endpoint, ...) etcd_ctl(endpoint, (char *[]){ __VA_ARGS__, NULL })
