/* SPDX-License-Identifier: MIT */
/*
 * U1, U3 under faults in any order: three hosts want two worker IDs, while hosts are cut
 * off, daemons and clients stopped, killed and started, and nodes of the coordinator as
 * well. What is waited for at random is the fault itself. $SFSHM_SEED repeats the same
 * order of faults (not of what the processes do meanwhile).
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/cluster/cluster.h"

#define SHORT_S 20
#define LONG_S 300
#define PAUSE_MAX_MS 3000
/* of a daemon that has ended; meanwhile others can get its worker ID */
#define AWAY_MIN_MS 3000
#define AWAY_MAX_MS 8000

TestSuite(at_random, .timeout = 1200);

static struct cluster c;
static bool stopped_daemon[CLUSTER_HOSTS], stopped_node[CLUSTER_NODES];
static int64_t away_until_ns[CLUSTER_HOSTS];
static unsigned n_faults;
static uint64_t state; /* of the generator */

static unsigned draw(unsigned below) {
        /* splitmix64 */
        uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return (unsigned)((z ^ z >> 31) % below);
}

/* ---- faults */

static void signal_daemon(unsigned i, int signal) {
        struct private_daemon *d = &c.hosts[i].daemon;

        if (d->pid != 0)
                kill(d->pid, signal);
        stopped_daemon[i] = signal == SIGSTOP;
}

static void disturb_host(struct cluster_host *h) {
        switch (draw(9)) {
        case 0:
        case 1:
                host_cut_off(h, 1 + draw(3));
                break;
        case 2:
                signal_daemon(h->number, stopped_daemon[h->number] ? SIGCONT : SIGSTOP);
                break;
        case 3:
                signal_daemon(h->number, SIGKILL);
                break;
        case 4:
        case 5:
                signal_daemon(h->number, SIGTERM);
                break;
        case 6:
                host_signal_clients(h, SIGSTOP);
                break;
        case 7:
                host_signal_clients(h, SIGCONT);
                break;
        default:
                host_join(h);
                break;
        }
}

static void disturb_node(unsigned i) {
        switch (draw(4)) {
        case 0:
                net_part(&c.nodes[i].net, &c.nodes[(i + 1) % c.n_nodes].net);
                break;
        case 1:
                if (c.nodes[i].pid == 0)
                        break;
                node_signal(&c, i, stopped_node[i] ? SIGCONT : SIGSTOP);
                stopped_node[i] = !stopped_node[i];
                break;
        case 2:
                if (c.nodes[i].pid == 0)
                        node_start(&c, i);
                else
                        node_stop(&c, i);
                stopped_node[i] = false;
                break;
        default:
                net_heal(&c.nodes[i].net);
                break;
        }
}

static void repair(void) {
        for (unsigned i = 0; i < c.n_nodes; i++) {
                net_heal(&c.nodes[i].net);
                if (c.nodes[i].pid == 0)
                        node_start(&c, i);
                node_signal(&c, i, SIGCONT);
                stopped_node[i] = false;
        }
        for (unsigned i = 0; i < c.n_hosts; i++) {
                net_heal(&c.hosts[i].net);
                signal_daemon(i, SIGCONT);
                host_signal_clients(&c.hosts[i], SIGCONT);
        }
}

static void disturb(void) {
        unsigned what = draw(10);

        n_faults++;
        if (what < 6)
                disturb_host(&c.hosts[draw(c.n_hosts)]);
        else if (what < 9)
                disturb_node(draw(c.n_nodes));
        else
                repair();
}

/* ---- what looks after daemons */

static void reap(struct cluster_host *h) {
        struct private_daemon *d = &h->daemon;

        if (waitpid(d->pid, NULL, WNOHANG) != d->pid)
                return;
        d->pid = 0;
        /* who was refused tries again at once */
        away_until_ns[h->number] = host_told(h, "event=start)") == 0 ? 0 :
                test_monotonic_ns() +
                (AWAY_MIN_MS + draw(AWAY_MAX_MS - AWAY_MIN_MS)) * INT64_C(1000000);
        remove(d->log);
}

static void look_after(struct cluster_host *h) {
        struct private_daemon *d = &h->daemon;

        if (d->pid != 0)
                reap(h);
        if (d->pid != 0 && host_told(h, "event=lease-lost") > 0)
                kill(d->pid, SIGTERM); /* again and again: it may be stopped */
        if (d->pid != 0 || test_monotonic_ns() < away_until_ns[h->number])
                return;
        stopped_daemon[h->number] = false;
        private_daemon_spawn(d);
}

static void look_after_all_until(int64_t until_ns) {
        do {
                for (unsigned i = 0; i < c.n_hosts; i++)
                        look_after(&c.hosts[i]);
                nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
        } while (test_monotonic_ns() < until_ns);
}

struct recovery {
        size_t before[CLUSTER_HOSTS * HOST_CLIENTS];
};

/* As many hosts as there are worker IDs. */
static bool two_hosts_serve(void *context) {
        const struct recovery *r = context;
        unsigned n = 0;

        look_after_all_until(0);
        for (size_t i = 0; i < c.n_hosts * HOST_CLIENTS; i += HOST_CLIENTS)
                n += atomic_load(&c.arena->parts[i].used) > r->before[i] + 200;
        return n >= 2;
}

static void expect_recovery(void) {
        struct recovery r;

        for (size_t i = 0; i < c.n_hosts * HOST_CLIENTS; i++)
                r.before[i] = atomic_load(&c.arena->parts[i].used);
        cr_assert(wait_until(two_hosts_serve, &r, 2 * CLUSTER_LIMIT_MS),
                  "no two hosts give IDs after everything was repaired; see their logs");
}

static void choose_seed(void) {
        const char *given = getenv("SFSHM_SEED");

        state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)test_monotonic_ns();
        fprintf(stderr, "SFSHM_SEED=%" PRIu64 "\n", state);
}

/* Red when a renewal does not check the record's revision (fleet/renew.c, commit_host),
 * or a claim the records which it has seen (fleet.c, draft_owner). */
Test(at_random, three_hosts_and_two_worker_ids) {
        int64_t end_ns;

        choose_seed();
        cluster_begin(&c, 3, 3);
        cluster_set(&c, "id.layout=41/1/21");
        cluster_set(&c, "reserve.standing=1s");
        cluster_set(&c, "workers.horizon=3s");
        cluster_set(&c, "workers.recycle_delay=100ms");
        host_start(&c.hosts[0]);
        host_start(&c.hosts[1]);
        host_start_clients(&c.hosts[2]);
        end_ns = test_monotonic_ns() +
                 (getenv("SFSHM_LONG") != NULL ? LONG_S : SHORT_S) * INT64_C(1000000000);
        signal_daemon(0, SIGTERM); /* one worker ID changes its owner in any case */
        while (test_monotonic_ns() < end_ns) {
                disturb();
                look_after_all_until(test_monotonic_ns() + draw(PAUSE_MAX_MS) * INT64_C(1000000));
        }
        repair();
        cluster_wait_served(&c);
        expect_recovery();
        fprintf(stderr, "%u faults\n", n_faults);
        cluster_end(&c);
}
