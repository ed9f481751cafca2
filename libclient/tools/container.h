/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>

/* The container of a cgroup's path, as "docker ID", "podman ID", "lxc NAME" or so; "" if the
 * path does not look like one. Returns `ret`. */
const char *container_of(const char *cgroup, char *ret, size_t size);
