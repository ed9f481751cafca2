/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * User-space probes (USDT) on slow paths of library and daemon, for perf, bpftrace and
 * SystemTap: sfshm-probes(7) lists them. One that nobody has attached to costs a no-op
 * instruction. Without <sys/sdt.h> there are none. The hot path has no probe.
 */
#if defined(SFSHM_PROBES)
#include <sys/sdt.h>

#define PROBE1(name, a) DTRACE_PROBE1(sfshm, name, a)
#define PROBE2(name, a, b) DTRACE_PROBE2(sfshm, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(sfshm, name, a, b, c)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(sfshm, name, a, b, c, d)
#else
#define PROBE1(name, a) ((void)(a))
#define PROBE2(name, a, b) ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define PROBE4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif
