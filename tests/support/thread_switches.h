/* SPDX-License-Identifier: MIT */
#pragma once
#include <sys/types.h>

/* Voluntary context switches of a thread: how often it went to sleep. */
long thread_switches(pid_t process, pid_t thread);
