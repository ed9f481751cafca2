/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/host/clone_watch.h"
#include "tests/support/capture.h"
#include "tests/support/random.h"
#include "tests/unit/support/vmclock_fixture.h"

#define NEW_GENERATION "change@/devices/LNXSYSTM:00/QEMUVGID:00\0ACTION=change\0" \
                       "DEVPATH=/devices/LNXSYSTM:00/QEMUVGID:00\0SUBSYSTEM=acpi\0" \
                       "NEW_VMGENID=1\0SEQNUM=4711\0"

/* A socket pair in place of the kernel's, and whom its messages seem to be from. */
static int sockets[2];
static struct sockaddr_nl sender;
static struct ucred sender_credentials;
static bool with_credentials;
static int receive_error;

static int pair_open(void) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
        return sockets[0];
}

static int none_open(void) {
        return -EAFNOSUPPORT;
}

static ssize_t pair_receive(int fd, struct msghdr *message, int flags) {
        struct msghdr data = { .msg_iov = message->msg_iov, .msg_iovlen = message->msg_iovlen };
        struct cmsghdr *part = message->msg_control;
        ssize_t n;

        if (receive_error != 0) {
                errno = receive_error;
                receive_error = 0;
                return -1;
        }
        n = recvmsg(fd, &data, flags);
        message->msg_flags = data.msg_flags;
        memcpy(message->msg_name, &sender, sizeof(sender));
        cr_assert(message->msg_controllen >= CMSG_SPACE(sizeof(struct ucred)));
        message->msg_controllen = with_credentials ? CMSG_SPACE(sizeof(struct ucred)) : 0;
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_CREDENTIALS;
        part->cmsg_len = CMSG_LEN(sizeof(struct ucred));
        memcpy(CMSG_DATA(part), &sender_credentials, sizeof(sender_credentials));
        return n;
}

static void as_kernel(void) {
        sender = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_groups = 1 };
        sender_credentials = (struct ucred){ 0 };
        with_credentials = true;
}

static const struct clone_watch_calls pair_calls = {
        .vmclock_path = "/dev/sfshm-no-such-vmclock",
        .uevents_open = pair_open,
        .receive = pair_receive,
};

static struct clone_watch *machine_of(const struct clone_watch_calls *calls) {
        struct clone_watch *machine = NULL;

        as_kernel();
        cr_assert_eq(clone_watch_new(&machine, calls), 0);
        cr_assert_not_null(machine);
        return machine;
}

static void tell(const char *message, size_t length) {
        cr_assert_eq(send(sockets[1], message, length, 0), (ssize_t)length);
}

#define TELL(message) tell((message), sizeof(message) - 1)

/* Red when an entry need not be whole, or the head not "change". */
Test(clone_watch, only_the_very_entry_of_a_change_tells) {
        const struct {
                const char *message;
                size_t length;
                bool expected;
        } table[] = {
#define ROW(text, expected) { (text), sizeof(text) - 1, (expected) }
                ROW(NEW_GENERATION, true),
                ROW("change@/\0NEW_VMGENID=1\0", true),
                ROW("change@/a\0NEW_VMGENID=1", false), /* no NUL */
                ROW("change@/a\0NEW_VMGENID=10\0", false),
                ROW("change@/a\0NEW_VMGENID=0\0", false),
                ROW("change@/a\0NEW_VMGENID=\0", false),
                ROW("change@/a\0XNEW_VMGENID=1\0", false),
                ROW("change@/a\0X=NEW_VMGENID=1\0", false),
                ROW("change@/a\0new_vmgenid=1\0", false),
                ROW("change@/NEW_VMGENID=1\0", false),
                ROW("change@/a\0\0\0\0NEW_VMGENID=1\0", true),
                ROW("change@/a NEW_VMGENID=1\0", false),
                ROW("add@/a\0NEW_VMGENID=1\0", false),
                ROW("change\0NEW_VMGENID=1\0", false),
                ROW("NEW_VMGENID=1\0", false),
                ROW("libudev\0change@/\0NEW_VMGENID=1\0", false),
                ROW("\0\0\0\0\0\0\0\0\0", false),
                ROW("change@", false),
                ROW("", false),
        };

        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
                cr_assert_eq(clone_watch_uevent_tells(table[i].message, table[i].length),
                             table[i].expected, "row %zu", i);
}

/* Any bytes of any length, at the very end of what may be read: the sanitizers
 * watch. Cut off anywhere before the entry's NUL it does not tell. */
Test(clone_watch, hostile_events_are_harmless) {
        static const char good[] = NEW_GENERATION;
        size_t whole = sizeof(good) - sizeof("SEQNUM=4711");
        uint64_t seed = 3;

        whole -= 1;
        for (size_t length = 0; length < sizeof(good); length++) {
                char *copy = malloc(length > 0 ? length : 1);

                memcpy(copy, good, length);
                cr_assert_eq(clone_watch_uevent_tells(copy, length), length >= whole, "%zu", length);
                free(copy);
        }
        for (int i = 0; i < 100000; i++) {
                size_t length = random_below(&seed, 64);
                char *noise = malloc(length > 0 ? length : 1);

                for (size_t at = 0; at < length; at++)
                        noise[at] = "change@/NEW_VMGENID=1\0\0\xff"[random_below(&seed, 24)];
                if (length >= 8 && i % 2 == 0)
                        memcpy(noise, "change@/", 8);
                (void)clone_watch_uevent_tells(noise, length);
                free(noise);
        }
}

/* Red when one of the conditions of from_kernel() is left out. */
Test(clone_watch, events_are_the_kernels_or_nothing) {
        struct clone_watch *machine = machine_of(&pair_calls);

        cr_assert_eq(clone_watch_uevent_fd(machine), sockets[0]);
        cr_assert_not(clone_watch_changed(machine));
        for (int who = 0; who < 6; who++) {
                as_kernel();
                sender.nl_pid = who == 0 ? 4711 : 0;
                sender.nl_groups = who == 1 ? 2 : who == 2 ? 0 : 1;
                sender.nl_family = who == 3 ? AF_UNIX : AF_NETLINK;
                sender_credentials.pid = who == 4 ? getpid() : 0;
                with_credentials = who != 5;
                TELL(NEW_GENERATION);
                cr_assert_not(clone_watch_changed(machine), "from stranger %d", who);
        }
        as_kernel();
        TELL(NEW_GENERATION);
        cr_assert(clone_watch_changed(machine));
        cr_assert_not(clone_watch_changed(machine), "told twice");
        clone_watch_free(machine);
}

/* Red when MSG_TRUNC is not looked at, or when the first event ends the reading. */
Test(clone_watch, events_of_any_length_and_number_are_drained) {
        static char large[65536] = NEW_GENERATION;
        struct clone_watch *machine = machine_of(&pair_calls);
        struct pollfd poll_fd = { .fd = clone_watch_uevent_fd(machine), .events = POLLIN };

        tell(large, sizeof(large));
        cr_assert_not(clone_watch_changed(machine));
        for (int i = 0; i < 5; i++)
                TELL("change@/a\0");
        tell("", 0);
        TELL(NEW_GENERATION);
        TELL(NEW_GENERATION);
        TELL("change@/a\0");
        cr_assert(clone_watch_changed(machine));
        cr_assert_eq(poll(&poll_fd, 1, 0), 0);
        cr_assert_not(clone_watch_changed(machine));
        clone_watch_free(machine);
}

Test(clone_watch, events_that_were_lost_are_said_once) {
        struct clone_watch *machine;
        const char *text;

        capture_begin();
        machine = machine_of(&pair_calls);
        capture_take();
        for (int i = 0; i < 2; i++) {
                receive_error = ENOBUFS;
                TELL(NEW_GENERATION);
                cr_assert(clone_watch_changed(machine), "what comes after the loss counts");
                text = capture_take();
                cr_assert_eq(strstr(text, "dropped events") != NULL, i == 0);
        }
        clone_watch_free(machine);
}

/* Each change of the generation, and none of the other number's. Red when the
 * last state is not kept. */
Test(clone_watch, a_new_generation_is_told_once) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct clone_watch_calls calls = { fixture.path, none_open, pair_receive };
        struct clone_watch *machine;

        capture_begin();
        machine = machine_of(&calls);
        cr_assert_contains(capture_take(), "by VMClock: yes");
        cr_assert_eq(clone_watch_uevent_fd(machine), -1);
        cr_assert_not(clone_watch_changed(machine));
        for (int i = 0; i < 3; i++) {
                vmclock_fixture_bump(fixture.page, 1, i == 1 ? UINT64_MAX : 1);
                cr_assert(clone_watch_changed(machine));
                cr_assert_not(clone_watch_changed(machine));
                cr_assert_not(clone_watch_disrupted(machine));
                vmclock_fixture_bump(fixture.page, 1, 0);
                cr_assert_not(clone_watch_changed(machine), "a migration is no copy");
                cr_assert(clone_watch_disrupted(machine));
                cr_assert_not(clone_watch_disrupted(machine));
        }
        clone_watch_free(machine);
        vmclock_fixture_remove(&fixture);
}

/* One copy is told once, whichever source is first. Red when `counts` is not kept. */
Test(clone_watch, both_sources_tell_of_one_copy) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct clone_watch_calls calls = { fixture.path, pair_open, pair_receive };
        struct clone_watch *machine = machine_of(&calls);

        /* a page that never moved is not trusted with it alone */
        TELL(NEW_GENERATION);
        cr_assert(clone_watch_changed(machine));
        TELL(NEW_GENERATION);
        vmclock_fixture_bump(fixture.page, 1, 1);
        cr_assert(clone_watch_changed(machine));
        cr_assert_not(clone_watch_changed(machine));
        vmclock_fixture_bump(fixture.page, 1, 1);
        cr_assert(clone_watch_changed(machine));
        TELL(NEW_GENERATION);
        cr_assert_not(clone_watch_changed(machine), "the echo");
        /* while the page cannot be read the event counts */
        fixture.page->sequence |= 1;
        TELL(NEW_GENERATION);
        cr_assert(clone_watch_changed(machine));
        clone_watch_free(machine);
        vmclock_fixture_remove(&fixture);
}

/* Without a generation the page cannot tell a copy: the event does. */
Test(clone_watch, a_page_without_generations_tells_of_no_copy) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct clone_watch_calls calls = { fixture.path, pair_open, pair_receive };
        struct clone_watch *machine;

        fixture.page->flags = 0;
        machine = machine_of(&calls);
        vmclock_fixture_bump(fixture.page, 1, 1);
        cr_assert_not(clone_watch_changed(machine));
        cr_assert(clone_watch_disrupted(machine));
        TELL(NEW_GENERATION);
        cr_assert(clone_watch_changed(machine));
        /* counted from here on: what it says first is no change */
        fixture.page->flags = VMCLOCK_PAGE_GENERATION;
        cr_assert_not(clone_watch_changed(machine));
        vmclock_fixture_bump(fixture.page, 0, 1);
        cr_assert(clone_watch_changed(machine));
        clone_watch_free(machine);
        vmclock_fixture_remove(&fixture);
}

/* Amid an update at first: what it says later is no change. Red without `seen_valid`. */
Test(clone_watch, a_torn_page_is_looked_at_later, .timeout = 60) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct clone_watch_calls calls = { fixture.path, none_open, pair_receive };
        struct clone_watch *machine;

        capture_begin();
        fixture.page->sequence = 3;
        machine = machine_of(&calls);
        cr_assert_contains(capture_take(), "is being changed all the time");
        cr_assert_not(clone_watch_changed(machine));
        cr_assert_str_eq(capture_take(), "");
        fixture.page->sequence = 4;
        cr_assert_not(clone_watch_changed(machine));
        cr_assert_not(clone_watch_disrupted(machine));
        vmclock_fixture_bump(fixture.page, 0, 1);
        cr_assert(clone_watch_changed(machine));
        clone_watch_free(machine);
        vmclock_fixture_remove(&fixture);
}

/* Red when clone_watch_new() fails, or says nothing. */
Test(clone_watch, with_no_source_it_says_so) {
        const struct clone_watch_calls calls = { "/dev/sfshm-no-such-vmclock", none_open, recvmsg };
        struct clone_watch *machine;
        const char *text;

        capture_begin();
        machine = machine_of(&calls);
        text = capture_take();
        cr_assert_contains(text, "event=machine");
        cr_assert_contains(text, "by kernel events: Address family not supported");
        cr_assert_contains(text, "by VMClock: no such device");
        cr_assert_not(clone_watch_changed(machine));
        cr_assert_str_eq(capture_take(), "");
        clone_watch_free(machine);
}

Test(clone_watch, a_foreign_vmclock_is_not_used_and_said) {
        struct vmclock_fixture fixture = vmclock_fixture_new();
        const struct clone_watch_calls calls = { fixture.path, none_open, recvmsg };
        struct clone_watch *machine;

        fixture.page->version = 2;
        capture_begin();
        machine = machine_of(&calls);
        cr_assert_contains(capture_take(), "not a VMClock of version 1");
        vmclock_fixture_bump(fixture.page, 1, 1);
        cr_assert_not(clone_watch_changed(machine));
        clone_watch_free(machine);
        vmclock_fixture_remove(&fixture);
}

static bool kernel_seen;

static ssize_t watched_receive(int fd, struct msghdr *message, int flags) {
        ssize_t n = recvmsg(fd, message, flags);
        struct cmsghdr *part = n > 0 ? CMSG_FIRSTHDR(message) : NULL;
        struct sockaddr_nl *from = message->msg_name;
        struct ucred credentials;

        if (part == NULL)
                return n;
        memcpy(&credentials, CMSG_DATA(part), sizeof(credentials));
        cr_expect_eq(strncmp(message->msg_iov->iov_base, "change@/", 8), 0, "not filtered");
        kernel_seen = from->nl_pid == 0 && from->nl_groups == 1 && credentials.pid == 0;
        return n;
}

/* What the kernel sends passes the filter and looks as from_kernel() expects. */
Test(clone_watch, hears_this_kernel) {
        const struct clone_watch_calls calls = { VMCLOCK_PATH, clone_watch_kernel.uevents_open,
                                             watched_receive };
        struct clone_watch *machine = machine_of(&calls);
        struct pollfd poll_fd = { .fd = clone_watch_uevent_fd(machine), .events = POLLIN };
        int fd = open("/sys/class/mem/null/uevent", O_WRONLY | O_CLOEXEC);

        if (poll_fd.fd < 0)
                cr_skip_test("no uevent socket is allowed here");
        cr_assert(fcntl(poll_fd.fd, F_GETFD) & FD_CLOEXEC);
        cr_assert(fcntl(poll_fd.fd, F_GETFL) & O_NONBLOCK);
        if (fd < 0)
                cr_skip_test("only root can make the kernel send an event");
        cr_assert_eq(write(fd, "add", 3), 3);
        cr_assert_eq(write(fd, "change", 6), 6);
        close(fd);
        cr_assert_eq(poll(&poll_fd, 1, 60000), 1);
        cr_assert_not(clone_watch_changed(machine));
        cr_assert(kernel_seen);
        clone_watch_free(machine);
}

Test(clone_watch, free_takes_null) {
        cr_assert_null(clone_watch_free(NULL));
}
