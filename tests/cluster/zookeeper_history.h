/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/cluster/cluster.h"

#define ZOOKEEPER_MARK "/the-end"

/*
 * All that was committed until the mark was created, as history.h looks at it: what is in
 * the logs of most nodes. One alone may have what its leader never committed, or a gap
 * where it was sent a snapshot instead. Nodes may go on meanwhile: what is committed is in
 * the logs of most before anybody is told.
 */
void zookeeper_history_check(const struct cluster *c);
