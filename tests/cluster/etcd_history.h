/* SPDX-License-Identifier: MIT */
#pragma once

/* All that etcd was ever told, as history.h looks at it. */
void etcd_history_check(const char *endpoint);
