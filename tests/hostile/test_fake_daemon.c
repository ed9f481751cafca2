/* SPDX-License-Identifier: MIT */
/*
 * The library in front of something that is no sfshmd: it says so by an error,
 * keeps no descriptor, and does not crash, whatever is sent and mapped.
 */
#include "tests/hostile/attack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libclient/handle.h"
#include "shm/clock.h"
#include "tests/support/scratch.h"

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 8];
static int listener = -1;

static void set_up(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        scratch_directory(directory, "test");
        snprintf(path, sizeof(path), "%s/sock", directory);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(listener, 16), 0);
}

static void clean(void) {
        close(listener);
        unlink(path);
        rmdir(directory);
}

TestSuite(hostile_fake_daemon, .init = set_up, .fini = clean, .timeout = 120);

/* What is answered: a message, with descriptors. */
struct answer {
        union {
                union wire_message message;
                uint8_t bytes[2 * sizeof(union wire_message)];
        };
        size_t length;
        int fds[8];
        unsigned n_fds;
};

static void send_answer(int socket, const struct answer *answer) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(8 * sizeof(int))];
        } control = { .bytes = { 0 } };
        struct iovec part = { .iov_base = (void *)&answer->message, .iov_len = answer->length };
        struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

        if (answer->n_fds > 0) {
                struct cmsghdr *rights;

                header.msg_control = &control;
                header.msg_controllen = CMSG_SPACE(answer->n_fds * sizeof(int));
                rights = CMSG_FIRSTHDR(&header);
                rights->cmsg_level = SOL_SOCKET;
                rights->cmsg_type = SCM_RIGHTS;
                rights->cmsg_len = CMSG_LEN(answer->n_fds * sizeof(int));
                memcpy(CMSG_DATA(rights), answer->fds, answer->n_fds * sizeof(int));
        }
        /* a peer that has given up meanwhile needs none */
        (void)!sendmsg(socket, &header, MSG_NOSIGNAL);
}

static int64_t boot_ns(void) {
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* On so many connections the next child hangs up, on every other one after an empty
 * message, before it answers one. */
static unsigned hang_ups;
static bool hangs_up_after; /* it has answered */
static bool is_silent;      /* it never answers */

/* A child which answers one connection, or (`for_ever`) whoever comes until it is
 * killed. A WELCOME's time has to be one between HELLO and now: it is added to
 * what stands there. */
static pid_t serve(struct answer *answer, bool for_ever) {
        int64_t off_ns = answer->message.welcome.boot_ns;
        union wire_message hello;
        pid_t pid = fork();
        int socket;

        cr_assert_geq(pid, 0);
        if (pid > 0)
                return pid;
        while (hang_ups-- > 0 && getppid() != 1) {
                socket = accept(listener, NULL, NULL);
                (void)!recv(socket, &hello, sizeof(hello), 0);
                if (hang_ups % 2 == 1)
                        (void)!send(socket, "", 0, MSG_NOSIGNAL);
                close(socket);
        }
        do {
                socket = accept(listener, NULL, NULL);
                if (recv(socket, &hello, sizeof(hello), 0) != sizeof(struct wire_hello) &&
                    !for_ever)
                        _exit(2);
                if (answer->message.header.type == WIRE_WELCOME)
                        answer->message.welcome.boot_ns = boot_ns() + off_ns;
                if (!is_silent)
                        send_answer(socket, answer);
                if (hangs_up_after)
                        close(socket);
        } while (for_ever && getppid() != 1);
        while (recv(socket, &hello, sizeof(hello), 0) > 0)
                ; /* until the client has had enough */
        _exit(0);
}

static unsigned own_descriptors(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void expect_open(int error, struct answer *answer, const char *what) {
        unsigned before = own_descriptors();
        pid_t pid = serve(answer, false);
        sfshm *s = NULL;
        int r = sfshm_open(&s, path, 0);

        cr_expect_eq(r, error, "%s: %s", what, sfshm_strerror(r));
        cr_expect_eq(own_descriptors(), before, "%s: a descriptor is kept", what);
        cr_expect_eq(attacker_wait(pid), 0, "%s", what);
}

static struct answer refusal_of(int32_t error) {
        struct answer answer = { .length = sizeof(struct wire_refused) };

        answer.message.refused = (struct wire_refused){
                .header = wire_header_of(WIRE_REFUSED, WIRE_VERSION), .error = error,
                .text = "no" };
        return answer;
}

/* Red when wire_check() does not judge errors and texts, or judge() lets a
 * REFUSED of any number through. */
Test(hostile_fake_daemon, refusals) {
        struct answer answer;

        answer = refusal_of(EDQUOT);
        expect_open(-EDQUOT, &answer, "EDQUOT");
        answer = refusal_of(0);
        expect_open(-EPROTO, &answer, "no error");
        answer = refusal_of(-5);
        expect_open(-EPROTO, &answer, "a negative error");
        answer = refusal_of(INT32_MAX);
        expect_open(-EPROTO, &answer, "an error there is not");
        answer = refusal_of(EDQUOT);
        memset(answer.message.refused.text, 'a', WIRE_REFUSED_TEXT);
        expect_open(-EPROTO, &answer, "a text without an end");
        answer = refusal_of(EDQUOT);
        answer.length--;
        expect_open(-EPROTO, &answer, "a byte less");
        answer.length = sizeof(answer.bytes);
        expect_open(-EPROTO, &answer, "more");
        memset(&answer.message, 0xff, sizeof(answer.message));
        expect_open(-EPROTO, &answer, "ones");
        answer = refusal_of(EDQUOT);
        answer.message.header.type = WIRE_HELLO;
        expect_open(-EPROTO, &answer, "not its type");
}

/* As a daemon does that is restarted, or has no descriptor left: open tries again. Red when
 * attach() takes the first hang-up for the answer, or tries for ever. */
Test(hostile_fake_daemon, hangs_up) {
        struct answer answer = refusal_of(EDQUOT);
        int64_t begun;
        sfshm *s = NULL;
        pid_t pid;

        for (hang_ups = 1; hang_ups <= 5; hang_ups++)
                expect_open(-EDQUOT, &answer, "answers after some hang-ups");
        hang_ups = UINT_MAX;
        pid = serve(&answer, false);
        begun = test_monotonic_ns();
        cr_expect_eq(sfshm_open(&s, path, 0), -ECONNRESET);
        cr_expect_geq(test_monotonic_ns() - begun, 4000000000);
        cr_expect_null(s);
        attacker_kill(pid);
        hang_ups = 0;
}

/* The attempt under way when the time is over. Red when its own time-out is what is told. */
Test(hostile_fake_daemon, hangs_up_and_then_is_silent) {
        struct answer answer = refusal_of(EDQUOT);
        sfshm *s = NULL;
        pid_t pid;

        hang_ups = 1;
        is_silent = true;
        pid = serve(&answer, true);
        cr_expect_eq(sfshm_open(&s, path, 0), -ECONNRESET);
        attacker_kill(pid);
        hang_ups = 0;
        is_silent = false;
}

/* What the daemon has none of is not missing here. Red when refusal() passes the numbers on. */
Test(hostile_fake_daemon, f1_what_is_short_is_the_daemons) {
        const int32_t errors[] = { EMFILE, ENFILE, ENOMEM };

        for (unsigned i = 0; i < 3; i++) {
                struct answer answer = refusal_of(errors[i]);

                expect_open(-ENOBUFS, &answer, "its descriptors or memory");
        }
        cr_expect(strstr(sfshm_strerror(-ENOBUFS), "daemon") != NULL);
        cr_expect(strstr(sfshm_strerror(-EMFILE), "this process") != NULL);
}

static int page_new(const void *contents, size_t size, int seals) {
        int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        cr_assert_geq(fd, 0);
        cr_assert_eq(write(fd, contents, size), (ssize_t)size);
        cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
        return fd;
}

/* Pages as they should be; the tests spoil them. */
struct pages {
        struct clock_segment clock;
        /* of the grants page, one lane of it */
        _Alignas(8) uint8_t bytes[512 + SLOTS_PER_LANE * sizeof(struct slot)];
        _Alignas(8) uint8_t cursors[2048 + sizeof(struct lane_words) + sizeof(uint64_t)];
        int seals;
        struct answer answer;
};

static struct grants_page *grants_of(struct pages *p) {
        return (struct grants_page *)(void *)p->bytes;
}

static void good_pages(struct pages *p) {
        struct slot *slot = grants_of(p)->slots[0];

        memset(p, 0, sizeof(*p));
        memcpy(p->clock.magic, CLOCK_MAGIC, 8);
        p->clock.version = CLOCK_VERSION;
        p->clock.size = CLOCK_SIZE;
        p->clock.layout = id_layout_default;
        p->clock.params[0].boot_base_ns = boot_ns();
        p->clock.params[0].guarded_base_ns = INT64_C(1000000000000);
        p->clock.now = CLOCK_NOW_INVALID;
        p->clock.state = CLOCK_STATE_RUNNING;
        memcpy(grants_of(p)->magic, GRANTS_MAGIC, 8);
        grants_of(p)->version = PAGES_VERSION;
        grants_of(p)->size = sizeof(p->bytes);
        grants_of(p)->lanes = 1;
        grants_of(p)->worker_counters = 1;
        grants_of(p)->cursors_size = sizeof(p->cursors);
        grants_of(p)->base_tick = 1000000 - 1;
        slot->span = span_pack(0, 1024);
        slot->t0 = 1000000;
        slot->t1 = 2000000;
        ((struct cursors_page *)(void *)p->cursors)->lanes[0].cursor =
                cursor_pack(0, 0, CURSOR_OFFSET_FULL);
        p->seals = F_SEAL_SHRINK | F_SEAL_GROW;
        p->answer.length = sizeof(struct wire_welcome);
        p->answer.message.welcome = (struct wire_welcome){
                .header = wire_header_of(WIRE_WELCOME, WIRE_VERSION), .client = 1,
                .clock_size = CLOCK_SIZE, .grants_size = sizeof(p->bytes),
                .cursors_size = sizeof(p->cursors), .lanes = 1 };
}

static void make_fds(struct pages *p) {
        p->answer.fds[0] = page_new(&p->clock, sizeof(p->clock), p->seals);
        p->answer.fds[1] = page_new(p->bytes, sizeof(p->bytes), p->seals);
        p->answer.fds[2] = page_new(p->cursors, sizeof(p->cursors), p->seals);
        p->answer.n_fds = 3;
}

static void close_fds(struct pages *p) {
        for (unsigned i = 0; i < p->answer.n_fds; i++)
                close(p->answer.fds[i]);
        p->answer.n_fds = 0;
}

static void expect_pages(int error, struct pages *p, const char *what) {
        unsigned before;
        sfshm *s = NULL;
        pid_t pid;
        int r;

        before = own_descriptors();
        pid = serve(&p->answer, false);
        r = sfshm_open(&s, path, 0);
        cr_expect_eq(r, error, "%s: %s", what, sfshm_strerror(r));
        if (r == 0) {
                uint64_t id;

                cr_expect_eq(sfshm_next(s, &id), 0, "%s", what);
                sfshm_close(s);
        }
        cr_expect_eq(own_descriptors(), before, "%s: a descriptor is kept", what);
        cr_expect_eq(attacker_wait(pid), 0, "%s", what);
        close_fds(p);
}

#define SPOILED(what, statement) \
        do { \
                good_pages(&p); \
                statement; \
                make_fds(&p); \
                expect_pages(-EPROTO, &p, what); \
        } while (0)

/* Red when build(), map_part(), check_clock() or check_grants() leaves any of
 * its conditions out. */
Test(hostile_fake_daemon, pages_that_are_none) {
        struct pages p;

        good_pages(&p);
        make_fds(&p);
        expect_pages(0, &p, "all is well");
        SPOILED("clock magic", p.clock.magic[0] ^= 1);
        SPOILED("clock version", p.clock.version++);
        SPOILED("clock size", p.clock.size--);
        SPOILED("layout", p.clock.layout.tick_bits--);
        SPOILED("positions of 62 bits",
                (p.clock.layout.tick_bits = 1, p.clock.layout.worker_bits = 50));
        SPOILED("grants magic", grants_of(&p)->magic[0] ^= 1);
        SPOILED("grants version", grants_of(&p)->version++);
        SPOILED("lanes of the page", grants_of(&p)->lanes = 2);
        SPOILED("lanes of the message", p.answer.message.welcome.lanes = 2);
        SPOILED("no lanes", grants_of(&p)->lanes = p.answer.message.welcome.lanes = 0);
        SPOILED("more lanes than there is room for",
                grants_of(&p)->lanes = p.answer.message.welcome.lanes = 64);
        SPOILED("worker counters", grants_of(&p)->worker_counters = 2);
        SPOILED("very many worker counters", grants_of(&p)->worker_counters = UINT32_MAX);
        SPOILED("cursors too small", grants_of(&p)->cursors_size--);
        SPOILED("another cursors size", grants_of(&p)->cursors_size++);
        SPOILED("sizes of the message", p.answer.message.welcome.cursors_size = UINT32_MAX);
        SPOILED("size of grants", p.answer.message.welcome.grants_size = 0);
        SPOILED("size of the clock", p.answer.message.welcome.clock_size = 8192);
        SPOILED("no seals", p.seals = 0);
        SPOILED("a seal missing", p.seals = F_SEAL_GROW);
        SPOILED("another time namespace", p.answer.message.welcome.boot_ns = 3600000000000);
        SPOILED("an earlier time", p.answer.message.welcome.boot_ns = -3600000000000);
}

/* Red when judge() does not count descriptors, or map_part() not look at types. */
Test(hostile_fake_daemon, descriptors_that_are_none) {
        struct pages p;
        int odd[2];

        for (unsigned n = 0; n <= 8; n++) {
                if (n == 3)
                        continue;
                good_pages(&p);
                make_fds(&p);
                for (unsigned i = 3; i < n; i++)
                        p.answer.fds[i] = dup(0);
                for (unsigned i = n; i < 3; i++)
                        close(p.answer.fds[i]);
                p.answer.n_fds = n;
                expect_pages(-EPROTO, &p, "not three descriptors");
        }
        for (unsigned which = 0; which < 3; which++) {
                good_pages(&p);
                make_fds(&p);
                close(p.answer.fds[which]);
                cr_assert_eq(pipe(odd), 0);
                p.answer.fds[which] = odd[0];
                close(odd[1]);
                expect_pages(-EPROTO, &p, "a pipe");
                make_fds(&p);
                close(p.answer.fds[which]);
                p.answer.fds[which] = open("/dev/zero", O_RDWR | O_CLOEXEC);
                expect_pages(-EPROTO, &p, "a device");
                make_fds(&p);
                close(p.answer.fds[which]);
                p.answer.fds[which] = open("/", O_PATH | O_CLOEXEC);
                expect_pages(-EPROTO, &p, "a path");
        }
}

/* Pages of the right shape, full of noise: any number or error, no crash. Run
 * with UBSan it sees shifts and sums as well. Red when clock_wait() does not look
 * at the deadline: a clock that stands still is waited for. */
Test(hostile_fake_daemon, noise_in_the_pages) {
        uint64_t seed = 88172645463325252u, *ids = calloc(5000, sizeof(*ids));
        struct pages p;

        for (int round = 0; round < 120; round++) {
                uint64_t *words[] = { (uint64_t *)(void *)&grants_of(&p)->slots,
                                      (uint64_t *)(void *)&p.clock.params,
                                      (uint64_t *)(void *)&p.clock.now,
                                      (uint64_t *)(void *)(p.cursors + 2048) };
                const unsigned n[] = { 16, 8, 2, 1 };
                sfshm *s = NULL;
                uint32_t count;
                pid_t pid;

                good_pages(&p);
                for (int i = 0; i < 1 + round % 5; i++) {
                        uint64_t noise[] = { 0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN, 0 };
                        unsigned where;

                        seed = seed * 6364136223846793005u + 1442695040888963407u;
                        noise[5] = seed;
                        where = (seed >> 40) % 4;
                        words[where][(seed >> 20) % n[where]] = noise[(seed >> 50) % 6];
                }
                p.clock.reach_back_ticks = round % 3 == 0 ? UINT64_MAX : 0;
                make_fds(&p);
                pid = serve(&p.answer, true);
                cr_assert_eq(sfshm_open(&s, path, 0), 0);
                sfshm_set_timeout(s, round % 2 * 2000000);
                for (int i = 0; i < (round % 2 == 0 ? 70 : 10); i++)
                        (void)sfshm_next(s, &ids[0]);
                (void)sfshm_next_span(s, UINT32_MAX, &ids[0], &count);
                (void)sfshm_next_batch(s, ids, 5000);
                sfshm_close(s);
                attacker_kill(pid);
                close_fds(&p);
        }
        free(ids);
}

/* Lines of a file of /proc/self, or the number in the one that begins like that. */
static long lines_of(const char *file, const char *begin) {
        char line[512], name[64];
        long n = 0;
        FILE *stream;

        snprintf(name, sizeof(name), "/proc/self/%s", file);
        stream = fopen(name, "re");
        cr_assert_not_null(stream);
        while (fgets(line, sizeof(line), stream) != NULL)
                if (begin == NULL)
                        n++;
                else if (strncmp(line, begin, strlen(begin)) == 0)
                        n = strtol(line + strlen(begin), NULL, 10);
        fclose(stream);
        return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#else
#define SANITIZER 0
#endif

static void attach_again(sfshm *s, unsigned times, uint64_t *last) {
        while (times > 0) {
                const struct attachment *before = atomic_load(&s->attachment);
                uint64_t id;

                cr_assert_eq(sfshm_next(s, &id), 0);
                cr_assert_gt(id, *last);
                *last = id;
                times -= atomic_load(&s->attachment) != before;
        }
}

/*
 * A daemon that ends again and again, and a handle that attaches again each time: its mappings,
 * memory and descriptors stay what they were. Red when attachments_tidy() leaves out any of its
 * steps: 4 mappings, 3 pages or 1 page more for each restart.
 */
Test(hostile_fake_daemon, restarts_cost_nothing) {
        enum { ENOUGH = ATTACHMENTS_KEPT + 100 };
        struct pages p;
        unsigned before;
        long mappings, kib, descriptors;
        uint64_t last = 0;
        sfshm *s = NULL;
        pid_t pid;

        good_pages(&p);
        make_fds(&p);
        hangs_up_after = true;
        before = own_descriptors();
        pid = serve(&p.answer, true);
        cr_assert_eq(sfshm_open(&s, path, 0), 0);
        attach_again(s, ENOUGH, &last);
        mappings = lines_of("maps", NULL);
        kib = lines_of("status", "VmRSS:");
        descriptors = own_descriptors();
        attach_again(s, ENOUGH, &last);
        cr_expect_leq(lines_of("maps", NULL), mappings + 40, "%ld, then %ld", mappings,
                      lines_of("maps", NULL));
        if (!SANITIZER) /* whose shadow grows with all that was ever mapped */
                cr_expect_leq(lines_of("status", "VmRSS:"), kib + 1000);
        /* the next connection may be under way */
        cr_expect_leq(own_descriptors(), descriptors + 1);
        sfshm_close(s);
        cr_expect_eq(own_descriptors(), before);
        attacker_kill(pid);
        close_fds(&p);
        hangs_up_after = false;
}

/*
 * What a thread finds that slept through it: it is between two instructions of the hot path,
 * with the key, tick and width of an attachment that was retired. Red when the parts of which
 * attachment.h says so do not become zeros, or the private one does.
 */
Test(hostile_fake_daemon, u1_a_thread_asleep_in_an_old_attachment) {
        const struct attachment *old;
        struct pages p;
        uint64_t last = 0, key;
        uint32_t position_bits;
        sfshm *s = NULL;
        pid_t pid;

        good_pages(&p);
        make_fds(&p);
        hangs_up_after = true;
        pid = serve(&p.answer, true);
        cr_assert_eq(sfshm_open(&s, path, 0), 0);
        old = atomic_load(&s->attachment);
        position_bits = old->position_bits;
        cr_assert_eq(sfshm_next(s, &last), 0);
        key = cursor_key(atomic_load(&attachment_cursors(old)->lanes[0].cursor));
        attach_again(s, 2, &last);
        cr_assert_eq(sfshm_next(s, &last), 0); /* tidies */
        cr_expect_not(attachment_in_use(old));
        cr_expect_eq(old->position_bits, position_bits);
        cr_expect_not(clock_owner_live(atomic_load(&attachment_clock(old)->owner)));
        cr_expect_eq(slot_span_at(&attachment_grants(old)->slots[0][0], UINT64_MAX), 0);
        for (int i = 0; i < 3; i++)
                cr_expect_geq(atomic_fetch_add(&attachment_cursors(old)->lanes[0].cursor, 1) - key,
                              SLOT_WIDTH_MAX);
        sfshm_close(s);
        attacker_kill(pid);
        close_fds(&p);
        hangs_up_after = false;
}

/* Listens, and says nothing: open gives up. */
Test(hostile_fake_daemon, silence_ends_in_a_time_out) {
        int64_t begun = test_monotonic_ns();
        sfshm *s = NULL;

        cr_expect_eq(sfshm_open(&s, path, 0), -ETIMEDOUT);
        cr_expect_geq(test_monotonic_ns() - begun, 4900000000);
        cr_expect_null(s);
}
