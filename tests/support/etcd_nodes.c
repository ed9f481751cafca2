/* SPDX-License-Identifier: MIT */
#include "tests/support/etcd_nodes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/ports.h"
#include "tests/support/private_daemon.h"
#include "tests/support/remove_tree.h"

#define ROOM_BYTES (UINT64_C(2) << 30) /* each node begins with a log of 64 MB */

#define OUTPUT_MAX (1u << 22)

const char *etcd_nodes_path(const struct etcd_nodes *e, const char *name) {
        static char texts[32][160];
        static unsigned n;
        char *text = texts[n++ % 32];

        snprintf(text, sizeof(texts[0]), "%s/%s", e->directory, name);
        return text;
}

/* ---- certificates */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...) {
        char command[1024];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(command, sizeof(command), format, arguments);
        va_end(arguments);
        cr_assert_eq(system(command), 0, "%s", command);
}

#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

static void make_authority(const struct etcd_nodes *e) {
        shell("cd %s && openssl req -x509 " NEW_KEY " -keyout ca.key -out ca.pem -days 2 "
              "-subj /O=test 2>/dev/null", e->directory);
}

void etcd_nodes_certify(const struct etcd_nodes *e, const char *name, const char *subject) {
        shell("cd %s && openssl req -new " NEW_KEY " -keyout %s.key -out %s.csr -subj %s 2>/dev/null "
              "&& printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' "
              ">%s.ext && openssl x509 -req -in %s.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
              "-out %s.pem -days 2 -extfile %s.ext 2>/dev/null", e->directory, name, name, subject,
              name, name, name, name);
}

void etcd_nodes_new_authority(const struct etcd_nodes *e) {
        make_authority(e);
        etcd_nodes_certify(e, "server", "/O=test");
        etcd_nodes_certify(e, "admin", "/O=test");
}

/* ---- nodes */

static void run(const struct etcd_nodes *e, unsigned node) {
        const char *url = e->node[node].url, *peer = e->node[node].peer_url;
        char name[8], data[96], cluster[300], ttl[16], quota[16];
        const char *argv[40];
        unsigned n = 0;
        size_t used = 0;
        int fd = open(etcd_nodes_path(e, "log"), O_WRONLY | O_CREAT | O_APPEND, 0644);

        snprintf(name, sizeof(name), "n%u", node);
        snprintf(data, sizeof(data), "%s/data-%u", e->directory, node);
        snprintf(ttl, sizeof(ttl), "%u", e->token_ttl);
        snprintf(quota, sizeof(quota), "%u", e->quota);
        for (unsigned i = 0; i < e->n; i++)
                used += (size_t)snprintf(cluster + used, sizeof(cluster) - used, "%sn%u=%s",
                                         i > 0 ? "," : "", i, e->node[i].peer_url);
        const char *const common[] = {
                "etcd", "--name", name, "--data-dir", data, "--listen-client-urls", url,
                "--advertise-client-urls", url, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster };
        const char *const secure[] = {
                "--cert-file", etcd_nodes_path(e, "server.pem"), "--key-file",
                etcd_nodes_path(e, "server.key"), "--client-cert-auth", "--trusted-ca-file",
                etcd_nodes_path(e, "ca.pem") };

        for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
                argv[n++] = common[i];
        for (size_t i = 0; e->tls && i < sizeof(secure) / sizeof(secure[0]); i++)
                argv[n++] = secure[i];
        if (e->token_ttl > 0) {
                argv[n++] = "--auth-token-ttl";
                argv[n++] = ttl;
        }
        if (e->quota > 0) {
                argv[n++] = "--quota-backend-bytes";
                argv[n++] = quota;
        }
        argv[n] = NULL;
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp("etcd", (char *const *)argv);
        _exit(127);
}

void etcd_nodes_start(struct etcd_nodes *e, unsigned node) {
        cr_assert_eq(e->node[node].pid, 0, "it runs already");
        e->node[node].pid = fork();
        cr_assert_geq(e->node[node].pid, 0);
        if (e->node[node].pid == 0)
                run(e, node);
}

void etcd_nodes_kill(struct etcd_nodes *e, unsigned node) {
        if (e->node[node].pid != 0) {
                kill(e->node[node].pid, SIGKILL);
                waitpid(e->node[node].pid, NULL, 0);
        }
        e->node[node].pid = 0;
}

void etcd_nodes_signal(const struct etcd_nodes *e, unsigned node, int signal) {
        cr_assert_gt(e->node[node].pid, 0, "it does not run");
        cr_assert_eq(kill(e->node[node].pid, signal), 0);
}

/* ---- etcdctl */

static void exec_ctl(const struct etcd_nodes *e, const char *endpoints, char *const arguments[],
                     int out) {
        const char *argv[40] = { "etcdctl", "--endpoints", endpoints, "--command-timeout=3s" };
        unsigned n = 4;

        if (e->tls) {
                argv[n++] = "--cacert";
                argv[n++] = etcd_nodes_path(e, "ca.pem");
                argv[n++] = "--cert";
                argv[n++] = etcd_nodes_path(e, "admin.pem");
                argv[n++] = "--key";
                argv[n++] = etcd_nodes_path(e, "admin.key");
        }
        if (e->user[0] != '\0') {
                argv[n++] = "--user";
                argv[n++] = e->user;
        }
        for (unsigned i = 0; arguments[i] != NULL; i++)
                argv[n++] = arguments[i];
        dup2(out, STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        setenv("ETCDCTL_API", "3", 1);
        execvp("etcdctl", (char *const *)argv);
        _exit(127);
}

static char *ctl_at(const struct etcd_nodes *e, const char *endpoints, char *const arguments[]) {
        char *text = calloc(1, OUTPUT_MAX);
        size_t used = 0;
        int fds[2], status = -1;
        ssize_t n;
        pid_t child;

        cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
        child = fork_bound();
        if (child == 0)
                exec_ctl(e, endpoints, arguments, fds[1]);
        close(fds[1]);
        while ((n = read(fds[0], text + used, OUTPUT_MAX - 1 - used)) > 0)
                used += (size_t)n;
        close(fds[0]);
        waitpid(child, &status, 0);
        if (status != 0) {
                free(text);
                return NULL;
        }
        return text;
}

char *etcd_nodes_ctl(const struct etcd_nodes *e, char *const arguments[]) {
        char endpoints[256];

        snprintf(endpoints, sizeof(endpoints), "%s", e->endpoints);
        for (char *c = endpoints; *c != '\0'; c++)
                *c = *c == ' ' ? ',' : *c;
        return ctl_at(e, endpoints, arguments);
}

static bool serves(void *context) {
        char *text = NODES_CTL(context, "get", "/sfshm/contract"); /* linearizable */
        bool yes = text != NULL;

        free(text);
        return yes;
}

void etcd_nodes_wait(const struct etcd_nodes *e) {
        cr_assert(wait_until(serves, (void *)e, 60000), "etcd does not serve; its log is in %s",
                  e->directory);
}

static uint64_t number_after(const char *text, const char *name) {
        const char *at = text != NULL ? strstr(text, name) : NULL;

        return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* -1: none of those that run. */
static int find_leader(const struct etcd_nodes *e) {
        for (unsigned i = 0; i < e->n; i++) {
                char *text = e->node[i].pid == 0 ? NULL :
                             ctl_at(e, e->node[i].url, (char *[]){ "endpoint", "status", "-w",
                                                                   "json", NULL });
                uint64_t leader = number_after(text, "\"leader\":");
                bool yes = leader != 0 && leader == number_after(text, "\"member_id\":");

                free(text);
                if (yes)
                        return (int)i;
        }
        return -1;
}

static bool has_leader(void *context) {
        return find_leader(context) >= 0;
}

unsigned etcd_nodes_leader(const struct etcd_nodes *e) {
        cr_assert(wait_until(has_leader, (void *)e, 60000), "there is no leader");
        return (unsigned)find_leader(e);
}

/* ---- begin and end */

void etcd_nodes_begin(struct etcd_nodes *e) {
        scratch_fast_directory(e->directory, "etcd", ROOM_BYTES);
        if (e->tls)
                etcd_nodes_new_authority(e);
        for (unsigned i = 0; i < e->n; i++) {
                size_t used = strlen(e->endpoints);

                snprintf(e->node[i].url, sizeof(e->node[i].url), "%s://127.0.0.1:%u",
                         e->tls ? "https" : "http", port_reserve());
                snprintf(e->node[i].peer_url, sizeof(e->node[i].peer_url), "http://127.0.0.1:%u",
                         port_reserve());
                snprintf(e->endpoints + used, sizeof(e->endpoints) - used, "%s%s",
                         i > 0 ? " " : "", e->node[i].url);
        }
        for (unsigned i = 0; i < e->n; i++)
                etcd_nodes_start(e, i);
        etcd_nodes_wait(e);
}

void etcd_nodes_end(struct etcd_nodes *e) {
        for (unsigned i = 0; i < e->n; i++)
                etcd_nodes_kill(e, i);
        remove_tree(e->directory);
}
