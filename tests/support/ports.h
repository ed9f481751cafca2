/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * TCP ports of 127.0.0.1 for servers that take their port as an option. A port stays
 * this process's until it ends, also while its server is down: no connection gets it
 * as its source, for it is below the ephemeral ones, and no other test gets it, for
 * an abstract socket of that number, which is the kernel's to release, says whose it is.
 */
unsigned port_reserve(void);
