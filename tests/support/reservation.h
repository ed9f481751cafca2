/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a client holds. In its first second it is served from one short slot to the
 * next; a test that takes its daemon away waits until it holds more, however slow the
 * machine is. It does not count the seconds.
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/sfshm.h"

/* How far the standing reservations of its lanes reach, all of them, in ms; 0 while
 * what it holds is of an earlier start of the daemon. */
int64_t reservation_left_ms(const sfshm *s);

/* Takes IDs until that is so much; each call must succeed, with a higher ID. */
void reservation_take_until(sfshm *s, int64_t left_ms);
