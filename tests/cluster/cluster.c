/* SPDX-License-Identifier: MIT */
#include "tests/cluster/cluster.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cluster/clients.h"
#include "tests/support/scratch.h"

#define FIRST_NODE 11u
#define FIRST_HOST 31u

/* those of which meson.build found what is needed: &coordinator_..., */
static const struct coordinator_kind *const kinds[] = { CLUSTER_KINDS };

static const struct coordinator_kind *kind_under_test(void) {
        const char *name = getenv("SFSHM_COORDINATOR");

        for (size_t i = 0; name != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kinds[i]->name, name) == 0)
                        return kinds[i];
        cr_assert_null(name, "SFSHM_COORDINATOR=%s: there is no such one", name);
        return kinds[0];
}

/* Most conditions cost a process or a long log. */
bool cluster_wait(bool (*condition)(void *context), void *context) {
        int64_t deadline = test_monotonic_ns() + CLUSTER_LIMIT_MS * INT64_C(1000000);

        while (!condition(context)) {
                if (test_monotonic_ns() > deadline)
                        return false;
                nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
        }
        return true;
}

/* ---- nodes */

void node_start(struct cluster *c, unsigned node) {
        struct cluster_node *n = &c->nodes[node];

        cr_assert_eq(n->pid, 0, "it runs already");
        n->pid = fork_bound();
        cr_assert_geq(n->pid, 0);
        if (n->pid == 0) {
                char log[128];
                int fd;

                snprintf(log, sizeof(log), "%s/log", n->directory);
                fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
                dup2(fd, STDOUT_FILENO);
                dup2(fd, STDERR_FILENO);
                net_enter(&n->net);
                c->kind->run(c, node);
                _exit(127);
        }
}

void node_stop(struct cluster *c, unsigned node) {
        if (c->nodes[node].pid != 0) {
                kill(c->nodes[node].pid, SIGKILL);
                waitpid(c->nodes[node].pid, NULL, 0);
        }
        c->nodes[node].pid = 0;
}

void node_signal(struct cluster *c, unsigned node, int signal) {
        siginfo_t stopped;

        cr_assert_eq(kill(c->nodes[node].pid, signal), 0);
        /* its threads stop one after the other: until the last has, it may answer */
        if (signal == SIGSTOP)
                cr_assert_eq(waitid(P_PID, (id_t)c->nodes[node].pid, &stopped, WSTOPPED), 0);
}

static bool all_serve(void *context) {
        const struct cluster *c = context;

        for (unsigned i = 0; i < c->n_nodes; i++)
                if (c->nodes[i].pid != 0 && !c->kind->serves(c, i))
                        return false;
        return true;
}

void cluster_wait_served(struct cluster *c) {
        cr_assert(cluster_wait(all_serve, c), "%s does not serve; its logs are "
                  "below %s", c->kind->name, c->directory);
}

static bool one_leads(void *context) {
        const struct cluster *c = context;

        for (unsigned i = 0; i < c->n_nodes; i++)
                if (c->kind->leads(c, i))
                        return true;
        return false;
}

unsigned cluster_leader(struct cluster *c) {
        for (;;) {
                cr_assert(cluster_wait(one_leads, c), "no node leads");
                for (unsigned i = 0; i < c->n_nodes; i++)
                        if (c->kind->leads(c, i))
                                return i;
        }
}

struct session_count {
        const struct cluster *cluster;
        int wanted;
};

static bool sessions_are(void *context) {
        const struct session_count *s = context;

        return s->cluster->kind->sessions(s->cluster) == s->wanted;
}

void cluster_expect_sessions(struct cluster *c, int n) {
        struct session_count s = { c, n };

        cr_assert(cluster_wait(sessions_are, &s),
                  "there are %d sessions, not %d", c->kind->sessions(c), n);
}

struct renewals {
        const struct cluster *cluster;
        int64_t before;
};

static bool are_renewed(void *context) {
        const struct renewals *r = context;

        return r->cluster->kind->writes(r->cluster) >= r->before + 2 * (int64_t)r->cluster->n_hosts;
}

void cluster_expect_renewals(struct cluster *c) {
        struct renewals r = { .cluster = c, .before = -1 };

        while (r.before < 0)
                r.before = c->kind->writes(c);
        cr_assert(cluster_wait(are_renewed, &r), "nothing is renewed");
}

/* ---- hosts */

static void prepare_host(struct cluster *c, unsigned number) {
        struct cluster_host *h = &c->hosts[number];
        char addresses[128];
        size_t used = 0;

        h->cluster = c;
        h->number = number;
        private_daemon_prepare(&h->daemon);
        /* without workers.first=0 */
        private_daemon_unset_first(&h->daemon);
        net_add(&h->net, FIRST_HOST + number);
        for (unsigned i = 0; i < c->n_nodes; i++)
                used += (size_t)snprintf(addresses + used, sizeof(addresses) - used, "%s%s:%u",
                                         i > 0 ? "," : "", c->nodes[i].net.address, c->kind->port);
        c->kind->set(&h->daemon, addresses);
        h->daemon.before_exec = net_enter;
        h->daemon.before_exec_context = &h->net;
}

void host_start(struct cluster_host *h) {
        private_daemon_start(&h->daemon);
        host_start_clients(h);
}

void host_connect_to(struct cluster_host *h, const char *addresses) {
        h->cluster->kind->set(&h->daemon, addresses);
}

static bool is_up(void *context) {
        struct private_daemon *d = context;
        char *log = private_daemon_log(d);
        bool up = strstr(log, "event=start)") != NULL;

        free(log);
        if (!up && waitpid(d->pid, NULL, WNOHANG) == d->pid) {
                d->pid = 0;
                remove(d->log);
                private_daemon_spawn(d);
        }
        return up;
}

void host_start_when_possible(struct cluster_host *h) {
        remove(h->daemon.log);
        private_daemon_spawn(&h->daemon);
        if (!cluster_wait(is_up, &h->daemon)) {
                char *log = private_daemon_log(&h->daemon);

                cr_assert_fail("host %u never starts; its daemon's log:\n%s", h->number, log);
        }
        host_start_clients(h);
}

void host_cut_off(const struct cluster_host *h, enum net_loss loss) {
        for (unsigned i = 0; i < h->cluster->n_nodes; i++) {
                if (loss & NET_REQUESTS)
                        net_drop(&h->cluster->nodes[i].net, &h->net);
                if (loss & NET_ANSWERS)
                        net_drop(&h->net, &h->cluster->nodes[i].net);
        }
}

void host_join(const struct cluster_host *h) {
        net_heal(&h->net);
        for (unsigned i = 0; i < h->cluster->n_nodes; i++)
                net_heal(&h->cluster->nodes[i].net);
}

unsigned host_told(const struct cluster_host *h, const char *what) {
        char *log = private_daemon_log(&h->daemon);
        unsigned n = 0;

        for (const char *at = log; (at = strstr(at, what)) != NULL; at++)
                n++;
        free(log);
        return n;
}

unsigned host_worker(const struct cluster_host *h) {
        static const char mark[] = "serves workers ";
        char *log = private_daemon_log(&h->daemon), *last = NULL;
        unsigned worker;

        for (char *at = log; (at = strstr(at, mark)) != NULL; at++)
                last = at;
        cr_assert_not_null(last, "host %u does not say which worker IDs it serves:\n%s", h->number,
                           log);
        worker = (unsigned)strtoul(last + strlen(mark), NULL, 10);
        free(log);
        return worker;
}

struct told {
        const struct cluster_host *host;
        const char *what;
        unsigned times;
};

static bool has_told(void *context) {
        const struct told *t = context;

        return host_told(t->host, t->what) >= t->times;
}

void host_expect_told(const struct cluster_host *h, const char *what, unsigned times) {
        struct told t = { h, what, times };

        if (!cluster_wait(has_told, &t)) {
                char *log = private_daemon_log(&h->daemon);

                cr_assert_fail("host %u does not say \"%s\" %u times; its daemon's log:\n%s",
                               h->number, what, times, log);
        }
}

void host_expect_lost(struct cluster_host *h) {
        int status;

        host_expect_told(h, "event=lease-lost", 1);
        status = private_daemon_signal(&h->daemon, 0, true);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1,
                  "the daemon of host %u ended with wait status %#x", h->number, (unsigned)status);
}

/* ---- all of it */

void cluster_begin(struct cluster *c, unsigned n_nodes, unsigned n_hosts) {
        *c = (struct cluster){ .kind = kind_under_test(), .n_nodes = n_nodes,
                                .n_hosts = n_hosts };
        net_begin();
        /* an etcd node begins with a log of 64 MB */
        scratch_fast_directory(c->directory, "cluster", UINT64_C(2) << 30);
        for (unsigned i = 0; i < n_nodes; i++) {
                snprintf(c->nodes[i].directory, sizeof(c->nodes[i].directory), "%s/%u",
                         c->directory, i);
                cr_assert_eq(mkdir(c->nodes[i].directory, 0700), 0);
                net_add(&c->nodes[i].net, FIRST_NODE + i);
        }
        for (unsigned i = 0; i < n_nodes; i++)
                node_start(c, i);
        for (unsigned i = 0; i < n_hosts; i++)
                prepare_host(c, i);
        clients_prepare(c);
        cluster_wait_served(c);
}

void cluster_set(struct cluster *c, const char *setting) {
        for (unsigned i = 0; i < c->n_hosts; i++)
                private_daemon_set(&c->hosts[i].daemon, "%s", setting);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        (void)st, (void)type, (void)where;
        return remove(path);
}

void cluster_end(struct cluster *c) {
        for (unsigned i = 0; i < c->n_hosts; i++)
                host_signal_clients(&c->hosts[i], SIGKILL);
        clients_check(c);
        c->kind->check_history(c);
        for (unsigned i = 0; i < c->n_hosts; i++) {
                private_daemon_remove(&c->hosts[i].daemon);
                close(c->hosts[i].net.fd);
        }
        for (unsigned i = 0; i < c->n_nodes; i++) {
                node_stop(c, i);
                close(c->nodes[i].net.fd);
        }
        clients_free(c);
        nftw(c->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
