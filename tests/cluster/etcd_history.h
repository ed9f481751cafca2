/* SPDX-License-Identifier: MIT */
#pragma once
/* All that etcd was ever told of who has which worker IDs, looked at again. */

/* Fails the test unless, at every revision, each worker ID was in one record at most,
 * and no fence of a worker ID fell but in a clean stop. */
void etcd_history_check(const char *endpoint);
