/* SPDX-License-Identifier: MIT */
#include "bench/support/callers.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/support/measure.h"
#include "bench/support/process.h"

#define LOOK_EVERY 64u /* IDs between two looks at the clock */

static int take(sfshm *s, unsigned n) {
        uint64_t id;
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++)
                r = sfshm_next(s, &id);
        return r;
}

static int call(struct caller *caller, int64_t start_ns, int64_t end_ns) {
        sfshm *s = NULL;
        int r = sfshm_open(&s, NULL, 0);
        int64_t begun_ns, cpu_ns, at_ns;
        uint64_t ids = 0;

        while (r == 0 && now_ns() < start_ns)
                r = take(s, LOOK_EVERY);
        begun_ns = at_ns = now_ns();
        cpu_ns = own_cpu_ns();
        while (r == 0 && at_ns < end_ns) {
                r = take(s, LOOK_EVERY);
                ids += LOOK_EVERY;
                at_ns = now_ns();
        }
        caller->ids = ids;
        caller->took_ns = at_ns - begun_ns;
        caller->cpu_ns = own_cpu_ns() - cpu_ns;
        sfshm_close(s);
        return r;
}

struct caller *callers_start(unsigned n, int64_t start_ns, int64_t end_ns) {
        struct caller *callers = mmap(NULL, CALLERS_MAX * sizeof(*callers), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (callers == MAP_FAILED || n > CALLERS_MAX)
                fail("no memory for callers", -ENOMEM);
        for (unsigned i = 0; i < n; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        fail("cannot fork", -errno);
                if (pid == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        callers[i].error = call(&callers[i], start_ns, end_ns);
                        _exit(0);
                }
                callers[i].pid = pid;
        }
        return callers;
}

void callers_wait(const struct caller *callers, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                waitpid(callers[i].pid, NULL, 0);
        for (unsigned i = 0; i < n; i++)
                if (callers[i].error != 0)
                        fail("a caller", callers[i].error);
}

void callers_kill(const struct caller *callers, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                kill(callers[i].pid, SIGKILL);
        for (unsigned i = 0; i < n; i++)
                waitpid(callers[i].pid, NULL, 0);
}
