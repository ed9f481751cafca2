/* SPDX-License-Identifier: MIT */
#pragma once
/* A thread that takes samples: a daemon that hangs is waited for, and the keys are not. */
#include <stdbool.h>

#include "libclient/observe/take.h"

struct taker {
        int fd;    /* readable when a sample is there */
        bool busy; /* one was asked for */
};

/* 0 or -errno. All signals are blocked in its thread. */
int taker_start(struct taker *ret, const struct take_target *target);
void taker_ask(struct taker *taker);
/* True if there is one; the caller clears it. */
bool taker_take(struct taker *taker, struct sample *ret);
/* Does not wait: the thread ends with its sample, or with the process. */
void taker_stop(struct taker *taker);
