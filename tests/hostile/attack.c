/* SPDX-License-Identifier: MIT */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/cursor.h"
#include "tests/support/reservation.h"

#define PROGRESS_LIMIT_MS 30000

void need_root(void) {
        if (geteuid() != 0)
                cr_skip_test("only root can attack as another uid");
}

void become(uid_t uid) {
        if (uid == (uid_t)-1)
                return;
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

void prepare_daemon(struct private_daemon *d, uid_t uid) {
        need_root();
        private_daemon_prepare(d);
        d->uid = uid;
        cr_assert_eq(chown(d->directory, uid, (gid_t)-1), 0);
}

_Atomic uint64_t *shared_new(void) {
        void *shared = mmap(NULL, SHARED_WORDS * 8, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        cr_assert_neq(shared, MAP_FAILED);
        return shared;
}

void shared_free(_Atomic uint64_t *shared) {
        munmap(shared, SHARED_WORDS * 8);
}

pid_t attacker_start(uid_t uid, int (*attack)(void *context), void *context) {
        pid_t pid = fork();

        cr_assert_geq(pid, 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                become(uid);
                _exit(attack(context));
        }
        return pid;
}

int attacker_wait(pid_t pid) {
        int status = 0;

        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFEXITED(status), "an attacker ended with wait status %#x", (unsigned)status);
        return WEXITSTATUS(status);
}

void attacker_kill(pid_t pid) {
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

int attacker_run(uid_t uid, int (*attack)(void *context), void *context) {
        return attacker_wait(attacker_start(uid, attack, context));
}

int raw_connect(const struct private_daemon *d) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct timeval limit = { .tv_sec = 10 };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

        if (fd < 0)
                return -errno;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->socket);
        r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : fd;
        if (r < 0)
                close(fd);
        return r;
}

int raw_hello(int socket, uint32_t lanes) {
        struct wire_hello hello = {
                .header = wire_header_of(WIRE_HELLO, WIRE_VERSION),
                .version_min = WIRE_VERSION_MIN,
                .version_max = WIRE_VERSION,
                .lanes = lanes,
        };

        return send(socket, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int receive(int socket, union wire_message *message, int fds[WIRE_WELCOME_FDS]) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(WIRE_WELCOME_FDS * sizeof(int))];
        } control;
        struct iovec part = { .iov_base = message, .iov_len = sizeof(*message) };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        struct cmsghdr *rights;

        if (n <= 0)
                return n == 0 ? -ECONNRESET : -errno;
        if (wire_check(message, (size_t)n) < 0)
                return -EPROTO;
        if (message->header.type == WIRE_REFUSED)
                return -message->refused.error;
        rights = CMSG_FIRSTHDR(&header);
        if (rights == NULL || rights->cmsg_len != CMSG_LEN(WIRE_WELCOME_FDS * sizeof(int)))
                return -EPROTO;
        memcpy(fds, CMSG_DATA(rights), WIRE_WELCOME_FDS * sizeof(int));
        return 0;
}

int raw_attach(const struct private_daemon *d, uint32_t lanes, struct raw_client *ret) {
        union wire_message message;
        int fds[WIRE_WELCOME_FDS], socket = raw_connect(d), r;

        if (socket < 0)
                return socket;
        r = raw_hello(socket, lanes);
        if (r == 0 || r == -EPIPE) /* a refusal may be there already */
                r = receive(socket, &message, fds);
        if (r < 0) {
                close(socket);
                return r;
        }
        *ret = (struct raw_client){ .socket = socket, .clock = fds[0], .grants = fds[1],
                                    .cursors = fds[2], .welcome = message.welcome };
        ret->page = mmap(NULL, ret->welcome.grants_size, PROT_READ, MAP_SHARED, ret->grants, 0);
        ret->words = mmap(NULL, ret->welcome.cursors_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                          ret->cursors, 0);
        return ret->page == MAP_FAILED || ret->words == MAP_FAILED ? -ENOMEM : 0;
}

void raw_run_ahead(struct raw_client *client, uint64_t ticks) {
        struct cursors_page *page = client->words;

        for (uint32_t lane = 0; lane < client->welcome.lanes; lane++)
                atomic_store(&page->lanes[lane].cursor,
                             cursor_pack(ticks, 0, CURSOR_OFFSET_FULL));
}

void raw_detach(struct raw_client *client) {
        munmap(client->page, client->welcome.grants_size);
        munmap(client->words, client->welcome.cursors_size);
        close(client->clock);
        close(client->grants);
        close(client->cursors);
        close(client->socket);
}

enum { HONEST_STOP, HONEST_TAKEN, HONEST_ERROR, HONEST_BUSY, HONEST_LEFT_MS };

static int honest_take(void *context) {
        struct honest *h = context;
        sfshm *s = NULL;
        int r = sfshm_open(&s, h->daemon->socket, 0);

        if (r < 0) {
                atomic_store(&h->shared[HONEST_ERROR], (uint64_t)-r);
                return 1;
        }
        sfshm_set_timeout(s, INT64_C(20000000000));
        while (atomic_load(&h->shared[HONEST_STOP]) == 0) {
                uint64_t id;

                for (int i = 0; i < 20; i++) {
                        r = sfshm_next(s, &id);
                        if (r < 0) {
                                atomic_store(&h->shared[HONEST_ERROR], (uint64_t)-r);
                                return 1;
                        }
                        arena_add(h->arena, h->part, id);
                        atomic_fetch_add(&h->shared[HONEST_TAKEN], 1);
                }
                atomic_store(&h->shared[HONEST_LEFT_MS], (uint64_t)reservation_left_ms(s));
                if (atomic_load(&h->shared[HONEST_BUSY]) == 0)
                        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        }
        sfshm_close(s);
        return 0;
}

void honest_start(struct honest *h, const struct private_daemon *d, struct arena *arena,
                  size_t part) {
        *h = (struct honest){ .shared = shared_new(), .arena = arena, .part = part, .daemon = d };
        h->pid = attacker_start(UID_HONEST, honest_take, h);
}

void honest_hurry(struct honest *h) {
        atomic_store(&h->shared[HONEST_BUSY], 1);
}

uint64_t honest_taken(const struct honest *h) {
        return atomic_load(&h->shared[HONEST_TAKEN]);
}

struct progress {
        const struct honest *h;
        size_t word;
        uint64_t until;
};

static bool progressed(void *context) {
        const struct progress *p = context;

        return atomic_load(&p->h->shared[p->word]) >= p->until ||
               atomic_load(&p->h->shared[HONEST_ERROR]) != 0;
}

/* False when the word is not so much in time; fails the test for anything worse. */
static bool honest_reaches(const struct honest *h, size_t word, uint64_t until) {
        struct progress p = { h, word, until };
        bool in_time = wait_until(progressed, &p, PROGRESS_LIMIT_MS);
        int error = (int)atomic_load(&h->shared[HONEST_ERROR]);

        cr_assert(daemon_lives(h->daemon), "the daemon died:\n%s", private_daemon_log(h->daemon));
        cr_assert_eq(error, 0, "an honest client got: %s", sfshm_strerror(-error));
        return in_time;
}

void honest_goes_on(const struct honest *h, uint64_t n) {
        uint64_t before = honest_taken(h);

        cr_assert(honest_reaches(h, HONEST_TAKEN, before + n),
                  "an honest client took only %" PRIu64 " IDs of %" PRIu64,
                  honest_taken(h) - before, n);
}

void honest_holds(const struct honest *h, uint64_t left_ms) {
        /* twice: the first value may be one from before the daemon was started again */
        for (int i = 0; i < 2; i++) {
                atomic_store(&h->shared[HONEST_LEFT_MS], 0);
                cr_assert(honest_reaches(h, HONEST_LEFT_MS, left_ms),
                          "an honest client's reservation reaches only %" PRIu64 " ms",
                          atomic_load(&h->shared[HONEST_LEFT_MS]));
        }
}

void honest_is_extended(const struct honest *h) {
        uint64_t left;

        honest_holds(h, 1);
        left = atomic_load(&h->shared[HONEST_LEFT_MS]);
        /* time alone makes it less */
        cr_assert(honest_reaches(h, HONEST_LEFT_MS, left + 1), "nothing is extended");
}

void honest_lasts(const struct honest *h, int64_t ms) {
        int64_t until = test_monotonic_ns() + ms * 1000000;

        while (test_monotonic_ns() < until)
                honest_goes_on(h, 100);
}

void honest_stop(struct honest *h) {
        int status, error;

        atomic_store(&h->shared[HONEST_STOP], 1);
        status = attacker_wait(h->pid);
        error = (int)atomic_load(&h->shared[HONEST_ERROR]);
        cr_assert_eq(status, 0, "an honest client got: %s", sfshm_strerror(-error));
        arena_expect_increasing(h->arena, h->part);
        shared_free(h->shared);
}

unsigned daemon_descriptors(const struct private_daemon *d) {
        char path[64];
        unsigned n = 0;
        DIR *dir;

        snprintf(path, sizeof(path), "/proc/%d/fd", (int)d->pid);
        dir = opendir(path);
        cr_assert_not_null(dir);
        while (readdir(dir) != NULL)
                n++;
        closedir(dir);
        return n - 2; /* . and .. */
}

struct descriptors {
        const struct private_daemon *d;
        unsigned n;
};

static bool descriptors_fell(void *context) {
        const struct descriptors *limit = context;

        return daemon_descriptors(limit->d) <= limit->n;
}

void descriptors_fall_to(const struct private_daemon *d, unsigned n) {
        struct descriptors limit = { d, n };

        cr_expect(wait_until(descriptors_fell, &limit, 20000), "%u descriptors instead of %u",
                  daemon_descriptors(d), n);
}

uint64_t daemon_memory_kib(const struct private_daemon *d) {
        char path[64], line[256];
        uint64_t kib = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)d->pid);
        file = fopen(path, "re");
        cr_assert_not_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
                        break;
        fclose(file);
        return kib;
}

bool daemon_lives(const struct private_daemon *d) {
        siginfo_t info = { .si_pid = 0 };

        return d->pid > 0 &&
               waitid(P_PID, (id_t)d->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid == 0;
}

void log_has(const struct private_daemon *d, const char *const *words) {
        char *log = private_daemon_log(d);

        for (; *words != NULL; words++)
                cr_assert(strstr(log, *words) != NULL, "the log does not say \"%s\":\n%s", *words,
                          log);
        free(log);
}
