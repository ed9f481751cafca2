/* SPDX-License-Identifier: MIT */
/*
 * What clients that come and go cost: the process that comes next, a neighbour of
 * another user, and the cap of their own. Needs a daemon with workers.count=1 and
 * caps.uid.65534=CAP, and root for the other users. Each figure has its control run
 * beside it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/support/callers.h"
#include "bench/support/measure.h"
#include "bench/support/process.h"
#include "bench/support/width.h"
#include "libclient/handle.h"

#define UID_CHURN 65533u
#define UID_CAPPED 65534u
#define CAP 100u /* positions in a tick: caps.uid.65534=100000 */

#define SUCCESSIVE 200u
#define APART 20u
#define APART_NS (250 * NS_PER_MS)
#define IDS 1000u

#define AGE_NS (1050 * NS_PER_MS)
#define NEVER INT64_MAX
#define WARM_UP_NS (6 * NS_PER_S)
#define MEASURE_NS (8 * NS_PER_S)

#define KEPT_MAX 4096u
#define CAPPED_NS (4 * NS_PER_S)
#define LOOK_NS (100 * INT64_C(1000))

static void *shared(size_t size) {
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED)
                fail("no memory", -errno);
        return map;
}

static pid_t child(void) {
        pid_t pid = fork();

        if (pid < 0)
                fail("cannot fork", -errno);
        if (pid == 0)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

static void child_wait(pid_t pid) {
        int status = 0;

        if (waitpid(pid, &status, 0) != pid || status != 0)
                fail("a process of the benchmark failed", 0);
}

/* From the start of the open to the last of its IDs, in ms. */
static double take_and_go(void) {
        int64_t begun = now_ns(), ended;
        sfshm *s = open_or_die(0);
        uint64_t id;

        for (unsigned i = 0; i < IDS; i++) {
                int r = sfshm_next(s, &id);

                if (r < 0)
                        fail("sfshm_next", r);
        }
        ended = now_ns();
        sfshm_close(s);
        return (double)(ended - begun) / 1e6;
}

static void successive(const char *what, unsigned n, int64_t pause_ns, struct target p50,
                       struct target p99) {
        double *ms = shared(n * sizeof(*ms));
        char name[96];

        for (unsigned i = 0; i < n; i++) {
                pid_t pid = child();

                if (pid == 0) {
                        ms[i] = take_and_go();
                        _exit(0);
                }
                child_wait(pid);
                sleep_ns(pause_ns);
        }
        snprintf(name, sizeof(name), "%s: median of %u", what, n);
        report(name, median(ms, n), "ms", p50);
        snprintf(name, sizeof(name), "%s: p99", what);
        report_values(name, percentile(ms, n, 0.99), "ms", p99, ms, n);
        munmap(ms, n * sizeof(*ms));
}

struct opens {
        uint64_t failed;
        int error; /* of the last */
};

/* A number of handles; each is closed and opened again at that age. They are opened one by
 * one in the time of one age, or of one second if they never get older. */
static void churn(unsigned n, int64_t age_ns, struct opens *opens) {
        int64_t begun = now_ns(), spread_ns = age_ns == NEVER ? NS_PER_S : age_ns;
        struct {
                sfshm *handle;
                int64_t due_ns;
        } *all = calloc(n, sizeof(*all));

        if (all == NULL)
                fail("no memory", -ENOMEM);
        for (unsigned i = 0; i < n; i++)
                all[i].due_ns = begun + spread_ns / n * i;
        for (unsigned i = 0;; i = (i + 1) % n) {
                uint64_t id;
                int r;

                sleep_until_ns(all[i].due_ns);
                all[i].handle = sfshm_close(all[i].handle);
                r = sfshm_open(&all[i].handle, NULL, 0);
                if (r == 0)
                        r = sfshm_next(all[i].handle, &id);
                if (r < 0) {
                        opens->failed++;
                        opens->error = r;
                }
                all[i].due_ns = age_ns == NEVER ? NEVER : now_ns() + age_ns;
        }
}

static double rate_beside(unsigned n, int64_t age_ns, struct opens *opens) {
        int64_t start_ns;
        struct caller *callers;
        double rate;
        pid_t pid = child();

        if (pid == 0) {
                raise_descriptor_limit();
                if (setuid(UID_CHURN) < 0)
                        _exit(1);
                churn(n, age_ns, opens);
        }
        start_ns = now_ns() + WARM_UP_NS;
        callers = callers_start(1, start_ns, start_ns + MEASURE_NS);
        callers_wait(callers, 1);
        rate = (double)callers[0].ids / ((double)callers[0].took_ns / 1e9);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        sleep_ns(NS_PER_S);
        return rate;
}

static void neighbour(unsigned n, struct target target) {
        struct opens *opens = shared(sizeof(*opens));
        double control = rate_beside(n, NEVER, opens), rate = rate_beside(n, AGE_NS, opens);
        char name[96];

        snprintf(name, sizeof(name), "a saturating caller beside %u handles of another uid", n);
        report(name, control / 1e6, "M/s", TARGET_NONE);
        snprintf(name, sizeof(name), "the same, each reopened every 1.05 s");
        report(name, rate / 1e6, "M/s", TARGET_NONE);
        snprintf(name, sizeof(name), "the second by the first, %u handles", n);
        report(name, rate / control, "x", target);
        snprintf(name, sizeof(name), "opens of %u handles that failed", n);
        report(name, (double)opens->failed, "opens", TARGET_AT_MOST(0));
        if (opens->failed > 0)
                printf("  the last failure: %s\n", sfshm_strerror(opens->error));
        munmap(opens, sizeof(*opens));
}

/* Pages of handles, also of closed ones: a relative that kept them could use them on. */
static struct {
        const struct clock_segment *clock;
        const struct grants_page *pages[KEPT_MAX];
        unsigned n;
} kept;

/* A second mapping of a shared one, which stays when the first is unmapped. */
static const void *map_again(void *map) {
        void *again = mremap(map, 0, (size_t)sysconf(_SC_PAGESIZE), MREMAP_MAYMOVE);

        if (again == MAP_FAILED)
                fail("cannot map pages again", -errno);
        return again;
}

static void keep(const sfshm *s) {
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);

        if (kept.n == KEPT_MAX)
                fail("more handles than there is room for", 0);
        if (kept.clock == NULL)
                kept.clock = map_again(attachment_clock(a));
        kept.pages[kept.n++] = map_again(attachment_grants(a));
}

/* What all handles, open and closed, can take in this tick. */
static double usable(void) {
        uint64_t tick = tick_now(kept.clock);
        double sum = 0;

        for (unsigned i = 0; i < kept.n; i++)
                sum += width_at(kept.pages[i], tick);
        return sum;
}

static void busy_until(sfshm *const handles[], unsigned n, int64_t until_ns, double *sum,
                       uint64_t *looks) {
        uint64_t ids[64];

        for (; now_ns() < until_ns; sleep_ns(LOOK_NS)) {
                for (unsigned i = 0; i < n; i++)
                        if (handles[i] != NULL)
                                (void)sfshm_next_batch(handles[i], ids, 64);
                *sum += usable();
                ++*looks;
        }
}

/* By the cap: what the handles of a capped uid could take, on average. One of `n` is closed
 * and opened again every `pause_ns`; all are busy. */
static double by_cap(unsigned n, int64_t pause_ns) {
        int64_t end_ns = now_ns() + CAPPED_NS;
        sfshm **handles = calloc(n, sizeof(*handles));
        uint64_t looks = 0;
        double sum = 0;

        if (handles == NULL)
                fail("no memory", -ENOMEM);
        for (unsigned i = 0; now_ns() < end_ns; i = (i + 1) % n) {
                handles[i] = sfshm_close(handles[i]);
                if (sfshm_open(&handles[i], NULL, 0) == 0) {
                        (void)sfshm_set_timeout(handles[i], 0);
                        keep(handles[i]);
                }
                busy_until(handles, n, now_ns() + pause_ns, &sum, &looks);
        }
        return looks > 0 ? sum / (double)looks / CAP : 0;
}

static void capped(unsigned n, int64_t pause_ns) {
        double *ratio = shared(sizeof(*ratio));
        char name[96];
        pid_t pid = child();

        if (pid == 0) {
                if (setuid(UID_CAPPED) < 0)
                        _exit(1);
                *ratio = by_cap(n, pause_ns);
                _exit(0);
        }
        child_wait(pid);
        snprintf(name, sizeof(name), "capped uid, %u handles, one anew each %d ms: by the cap", n,
                 (int)(pause_ns / NS_PER_MS));
        report(name, *ratio, "x", TARGET_AT_MOST(1.1));
        munmap(ratio, sizeof(*ratio));
        sleep_ns(NS_PER_S);
}

int main(void) {
        report_title("turnover", "clients that come and go, one worker ID");
        successive("processes 250 ms apart, 1,000 IDs each", APART, APART_NS, TARGET_NONE,
                   TARGET_NONE);
        successive("processes one after another, 1,000 IDs each", SUCCESSIVE, 0, TARGET_AT_MOST(3),
                   TARGET_AT_MOST(20));
        if (geteuid() != 0) {
                printf("  not measured: only root can be several users\n");
                return 0;
        }
        neighbour(16, TARGET_AT_LEAST(0.95));
        neighbour(1000, TARGET_AT_LEAST(0.8));
        capped(1, 10 * NS_PER_MS);
        capped(16, 10 * NS_PER_MS);
        capped(16, 66 * NS_PER_MS); /* each for 1.05 s */
        return 0;
}
