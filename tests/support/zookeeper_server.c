/* SPDX-License-Identifier: MIT */
#define THREADED /* the library's synchronous calls */
#include "tests/support/zookeeper_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#include "tests/support/ports.h"
#include "tests/support/private_daemon.h"
#include "tests/support/remove_tree.h"
#include "tests/support/scratch.h"

#define SESSION_MS 5000

/* ---- the nodes */

static void node_path(const struct zookeeper_server *z, unsigned node, const char *name,
                      char path[128]) {
        snprintf(path, 128, "%s/%u%s%s", z->directory, node, *name ? "/" : "", name);
}

static void write_file(const char *path, const char *text) {
        FILE *file = fopen(path, "w");

        cr_assert_not_null(file);
        fputs(text, file);
        cr_assert_eq(fclose(file), 0);
}

/* A tick of 500 ms makes sessions of 1 s to 10 s possible. */
static void write_node(const struct zookeeper_server *z, unsigned node) {
        char path[128], text[2048], id[16];
        int n;

        node_path(z, node, "", path);
        cr_assert_eq(mkdir(path, 0755), 0);
        node_path(z, node, "data", path);
        cr_assert_eq(mkdir(path, 0755), 0);
        n = snprintf(text, sizeof(text),
                     "tickTime=500\nmaxClientCnxns=0\ninitLimit=20\nsyncLimit=6\ndataDir=%s\nclientPort=%u\n"
                     "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
                     "4lw.commands.whitelist=srvr\nforceSync=no\n",
                     path, z->nodes[node].client_port);
        for (unsigned i = 0; z->n > 1 && i < z->n; i++)
                n += snprintf(text + n, sizeof(text) - (size_t)n,
                              "server.%u=127.0.0.1:%u:%u\n", i + 1, z->nodes[i].peer_port,
                              z->nodes[i].election_port);
        node_path(z, node, "zoo.cfg", path);
        write_file(path, text);
        node_path(z, node, "data/myid", path);
        snprintf(id, sizeof(id), "%u\n", node + 1);
        write_file(path, id);
}

static void run(const struct zookeeper_server *z, unsigned node) {
        const char *heap = getenv(ZOOKEEPER_HEAP);
        char config[128], log[128];
        int fd;

        node_path(z, node, "zoo.cfg", config);
        node_path(z, node, "log", log);
        fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("java", "java", heap != NULL ? heap : "-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
               "-XX:-UsePerfData", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
               "-Dzookeeper.jmx.log4j.disable=true", "-cp",
               "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar",
               "org.apache.zookeeper.server.quorum.QuorumPeerMain", config, NULL);
        _exit(127);
}

void zookeeper_server_start_node(struct zookeeper_server *z, unsigned node) {
        cr_assert_eq(z->nodes[node].pid, 0, "it runs already");
        z->nodes[node].pid = fork();
        cr_assert_geq(z->nodes[node].pid, 0);
        if (z->nodes[node].pid == 0)
                run(z, node);
}

void zookeeper_server_signal_node(const struct zookeeper_server *z, unsigned node, int signal) {
        siginfo_t stopped;

        cr_assert_eq(kill(z->nodes[node].pid, signal), 0);
        /* its threads stop one after the other: until the last has, it may answer */
        if (signal == SIGSTOP)
                cr_assert_eq(waitid(P_PID, (id_t)z->nodes[node].pid, &stopped, WSTOPPED), 0);
}

void zookeeper_server_stop_node(struct zookeeper_server *z, unsigned node) {
        if (z->nodes[node].pid != 0) {
                kill(z->nodes[node].pid, SIGKILL);
                waitpid(z->nodes[node].pid, NULL, 0);
        }
        z->nodes[node].pid = 0;
}

/* The answer to "srvr", which has a line "Mode: ..." once it serves. */
static void ask(const char *host, unsigned port, char answer[1024]) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        struct timeval limit = { .tv_sec = 1 };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ssize_t n;
        size_t used = 0;

        cr_assert_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
            send(fd, "srvr", 4, MSG_NOSIGNAL) == 4)
                while (used < 1023 && (n = read(fd, answer + used, 1023 - used)) > 0)
                        used += (size_t)n;
        answer[used] = '\0';
        close(fd);
}

const char *zookeeper_mode(const char *address, unsigned port) {
        static const char *const modes[] = { "leader", "follower", "standalone" };
        char answer[1024], line[32];

        ask(address, port, answer);
        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                snprintf(line, sizeof(line), "Mode: %s", modes[i]);
                if (strstr(answer, line) != NULL)
                        return modes[i];
        }
        return "";
}

const char *zookeeper_server_mode(const struct zookeeper_server *z, unsigned node) {
        return z->nodes[node].pid == 0 ? "" :
                                         zookeeper_mode("127.0.0.1", z->nodes[node].client_port);
}

static bool all_serve(void *context) {
        struct zookeeper_server *z = context;

        for (unsigned i = 0; i < z->n; i++)
                if (zookeeper_server_mode(z, i)[0] == '\0')
                        return false;
        return true;
}

static bool has_leader(void *context) {
        const struct zookeeper_server *z = context;

        for (unsigned i = 0; i < z->n; i++)
                if (strcmp(zookeeper_server_mode(z, i), "leader") == 0)
                        return true;
        return false;
}

unsigned zookeeper_server_leader(const struct zookeeper_server *z) {
        cr_assert(wait_until(has_leader, (void *)z, 60000), "there is no leader");
        for (unsigned i = 0; i < z->n; i++)
                if (strcmp(zookeeper_server_mode(z, i), "leader") == 0)
                        return i;
        return zookeeper_server_leader(z);
}

void zookeeper_server_start(struct zookeeper_server *z) {
        for (unsigned i = 0; i < z->n; i++)
                if (z->nodes[i].pid == 0)
                        zookeeper_server_start_node(z, i);
        cr_assert(wait_until(all_serve, z, 60000), "ZooKeeper does not serve; its logs are in %s",
                  z->directory);
}

void zookeeper_server_begin(struct zookeeper_server *z, unsigned n) {
        size_t used = 0;

        *z = (struct zookeeper_server){ .n = n };
        scratch_directory(z->directory, "zookeeper");
        for (unsigned i = 0; i < n; i++) {
                z->nodes[i] = (struct zookeeper_node_process){ 0, port_reserve(), port_reserve(),
                                                               port_reserve() };
                used += (size_t)snprintf(z->hosts + used, sizeof(z->hosts) - used,
                                         "%s127.0.0.1:%u", i > 0 ? "," : "",
                                         z->nodes[i].client_port);
        }
        for (unsigned i = 0; i < n; i++)
                write_node(z, i);
        zookeeper_server_start(z);
}

void zookeeper_server_stop(struct zookeeper_server *z) {
        for (unsigned i = 0; i < z->n; i++)
                zookeeper_server_stop_node(z, i);
}

void zookeeper_server_end(struct zookeeper_server *z) {
        zookeeper_server_stop(z);
        remove_tree(z->directory);
}

/* ---- a person's client */

static void ignore(zhandle_t *handle, int type, int state, const char *path, void *context) {
        (void)handle, (void)type, (void)state, (void)path, (void)context;
}

static void say_nothing(const char *line) {
        (void)line;
}

static bool connected(void *handle) {
        return zoo_state(handle) == ZOO_CONNECTED_STATE;
}

static void user_is_known(int code, const void *done) {
        /* release: pairs with is_set() */
        atomic_store_explicit((_Atomic int *)done, code == ZOK ? 1 : -1, memory_order_release);
}

static bool is_set(void *done) {
        /* acquire: pairs with user_is_known() */
        return atomic_load_explicit((_Atomic int *)done, memory_order_acquire) != 0;
}

static void add_user(zhandle_t *handle, const char *user) {
        _Atomic int done = 0;

        if (user == NULL)
                return;
        cr_assert_eq(zoo_add_auth(handle, "digest", user, (int)strlen(user), user_is_known, &done),
                     ZOK);
        cr_assert(wait_until(is_set, &done, 30000));
        cr_assert_eq(atomic_load_explicit(&done, memory_order_relaxed), 1);
}

static zhandle_t *client(const struct zookeeper_server *z, const char *user) {
        zhandle_t *handle;

        zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
        handle = zookeeper_init2(z->hosts, ignore, SESSION_MS, NULL, NULL, ZOO_NO_LOG_CLIENTENV,
                                 say_nothing);
        cr_assert_not_null(handle);
        cr_assert(wait_until(connected, handle, 30000), "no connection to ZooKeeper");
        add_user(handle, user);
        return handle;
}

static void print_below(zhandle_t *handle, const char *path, FILE *to) {
        struct String_vector names = { .count = 0 };
        char value[65536];
        int size = sizeof(value) - 1;
        struct Stat stat;

        if (zoo_get(handle, path, 0, value, &size, &stat) != ZOK)
                return;
        value[size > 0 ? size : 0] = '\0';
        if (strcmp(value, "folder") != 0)
                fprintf(to, "%s %s\n", path, value);
        if (zoo_get_children(handle, path, 0, &names) != ZOK)
                return;
        for (int i = 0; i < names.count; i++) {
                char below[512];

                snprintf(below, sizeof(below), "%s/%s", path, names.data[i]);
                print_below(handle, below, to);
        }
        deallocate_String_vector(&names);
}

char *zookeeper_server_list(const struct zookeeper_server *z, const char *user, const char *path) {
        zhandle_t *handle = client(z, user);
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        print_below(handle, path, stream);
        fclose(stream);
        zookeeper_close(handle);
        return text;
}

int64_t zookeeper_server_writes(const struct zookeeper_server *z, const char *path) {
        zhandle_t *handle = client(z, NULL);
        struct String_vector names = { .count = 0 };
        int64_t writes = 0;

        if (zoo_get_children(handle, path, 0, &names) != ZOK)
                writes = -1;
        for (int i = 0; writes >= 0 && i < names.count; i++) {
                char below[512];
                struct Stat stat;

                snprintf(below, sizeof(below), "%s/%s", path, names.data[i]);
                writes = zoo_exists(handle, below, 0, &stat) == ZOK ? writes + stat.version : -1;
        }
        deallocate_String_vector(&names);
        zookeeper_close(handle);
        return writes;
}

void zookeeper_server_put(const struct zookeeper_server *z, const char *path, const char *value) {
        zhandle_t *handle = client(z, NULL);
        int code = zoo_set(handle, path, value, (int)strlen(value), -1);

        if (code == ZNONODE)
                code = zoo_create(handle, path, value, (int)strlen(value), &ZOO_OPEN_ACL_UNSAFE,
                                  ZOO_PERSISTENT, NULL, 0);
        cr_assert_eq(code, ZOK, "%s: %s", path, zerror(code));
        zookeeper_close(handle);
}

static void delete_below(zhandle_t *handle, const char *path) {
        struct String_vector names = { .count = 0 };
        int code = zoo_get_children(handle, path, 0, &names);

        for (int i = 0; code == ZOK && i < names.count; i++) {
                char below[512];

                snprintf(below, sizeof(below), "%s/%s", path, names.data[i]);
                delete_below(handle, below);
        }
        deallocate_String_vector(&names);
        code = zoo_delete(handle, path, -1);
        cr_assert(code == ZOK || code == ZNONODE, "%s: %s", path, zerror(code));
}

void zookeeper_server_delete(const struct zookeeper_server *z, const char *path) {
        zhandle_t *handle = client(z, NULL);

        delete_below(handle, path);
        zookeeper_close(handle);
}

int zookeeper_server_access(const struct zookeeper_server *z, const char *user, const char *path) {
        zhandle_t *handle = client(z, user);
        char value[65536];
        int size = sizeof(value), code;
        struct Stat stat;

        code = zoo_get(handle, path, 0, value, &size, &stat);
        zookeeper_close(handle);
        return code;
}

static void give_below(zhandle_t *handle, const char *path) {
        struct String_vector names = { .count = 0 };
        int code = zoo_set_acl(handle, path, -1, &ZOO_CREATOR_ALL_ACL);

        cr_assert(code == ZOK || code == ZNONODE, "%s: %s", path, zerror(code));
        code = zoo_get_children(handle, path, 0, &names);
        for (int i = 0; code == ZOK && i < names.count; i++) {
                char below[512];

                snprintf(below, sizeof(below), "%s/%s", path, names.data[i]);
                give_below(handle, below);
        }
        deallocate_String_vector(&names);
}

void zookeeper_server_give(const struct zookeeper_server *z, const char *user, const char *other,
                           const char *path) {
        zhandle_t *handle = client(z, user);

        add_user(handle, other);
        give_below(handle, path);
        zookeeper_close(handle);
}
