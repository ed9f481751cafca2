/* SPDX-License-Identifier: MIT */
#include "daemon/host/clone_watch.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/host/vmclock.h"

#define UEVENT_GROUP 1u
/* the kernel sends a path and at most 2 KiB of variables: what does not fit is not its */
#define UEVENT_MAX 8192
#define UEVENTS_AT_ONCE 64

struct clone_watch {
        const struct clone_watch_calls *calls;
        int uevent_fd;
        struct vmclock *vmclock; /* NULL: there is none */
        struct vmclock_state seen;
        bool seen_valid;
        bool counts;    /* its generation has changed before, so it is the better source */
        bool disrupted; /* not reported yet */
        bool lost_logged, torn_logged;
};

/* Lets only "change@/…" through: an idle daemon must not wake up for each network device
 * or disk that comes and goes. */
static int filter_changes(int fd) {
        struct sock_filter program[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6368616e, 0, 3), /* "chan" */
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6765402f, 0, 1), /* "ge@/" */
                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
                BPF_STMT(BPF_RET | BPF_K, 0),
        };
        struct sock_fprog filter = { .len = sizeof(program) / sizeof(program[0]),
                                     .filter = program };

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno
                                                                                         : 0;
}

static int bind_uevents(int fd) {
        const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = UEVENT_GROUP };
        int on = 1, r = filter_changes(fd);

        if (r < 0)
                return r;
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
            bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

static int kernel_uevents_open(void) {
        int r, fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           NETLINK_KOBJECT_UEVENT);

        if (fd < 0)
                return -errno;
        r = bind_uevents(fd);
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

const struct clone_watch_calls clone_watch_kernel = {
        .vmclock_path = VMCLOCK_PATH,
        .uevents_open = kernel_uevents_open,
        .receive = recvmsg,
};

bool clone_watch_uevent_tells(const char *message, size_t length) {
        static const char head[] = "change@/", entry[] = "NEW_VMGENID=1";
        const char *at = message, *end = message + length;

        if (length < sizeof(head) - 1 || memcmp(message, head, sizeof(head) - 1) != 0)
                return false;
        /* each entry ends with a NUL; one without it was cut off, and is no entry */
        for (const char *nul; (nul = memchr(at, '\0', (size_t)(end - at))) != NULL; at = nul + 1)
                if ((size_t)(nul - at) == sizeof(entry) - 1 && memcmp(at, entry, sizeof(entry)) == 0)
                        return true;
        return false;
}

/* The kernel's port and process ID are 0, which those of a process never are. */
static bool from_kernel(struct msghdr *message) {
        const struct sockaddr_nl *from = message->msg_name;
        struct cmsghdr *part;
        struct ucred credentials;

        if (message->msg_namelen != sizeof(*from) || from->nl_family != AF_NETLINK ||
            from->nl_pid != 0 || from->nl_groups != UEVENT_GROUP)
                return false;
        for (part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
                if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_CREDENTIALS ||
                    part->cmsg_len != CMSG_LEN(sizeof(credentials)))
                        continue;
                memcpy(&credentials, CMSG_DATA(part), sizeof(credentials));
                return credentials.pid == 0;
        }
        return false;
}

/* Positive: it reports a new generation; 0: something else. */
static int receive_one(const struct clone_watch *watch) {
        char text[UEVENT_MAX];
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control;
        struct sockaddr_nl from = { 0 };
        struct iovec data = { .iov_base = text, .iov_len = sizeof(text) };
        struct msghdr message = {
                .msg_name = &from,
                .msg_namelen = sizeof(from),
                .msg_iov = &data,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n =
                watch->calls->receive(watch->uevent_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        return (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && from_kernel(&message) &&
               clone_watch_uevent_tells(text, (size_t)n);
}

static void report_lost(struct clone_watch *watch) {
        if (!watch->lost_logged)
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_MACHINE),
                          "the kernel dropped events that were not "
                          "read in time: one that reported a copy of this machine would be missed");
        watch->lost_logged = true;
}

/* Events that are left over keep the descriptor readable. */
static bool uevents_tell(struct clone_watch *watch) {
        bool told = false;

        for (int i = 0; watch->uevent_fd >= 0 && i < UEVENTS_AT_ONCE; i++) {
                int r = receive_one(watch);

                if (r == -ENOBUFS)
                        report_lost(watch);
                else if (r < 0 && r != -EINTR)
                        break;
                told = told || r > 0;
        }
        return told;
}

/* Reads the VMClock page; false: there is none, or it cannot be read. */
static bool page_read(struct clone_watch *watch, struct vmclock_state *ret) {
        if (watch->vmclock == NULL)
                return false;
        if (vmclock_read(watch->vmclock, ret) == 0)
                return true;
        if (!watch->torn_logged)
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_MACHINE),
                          "%s is being changed all the time: it is read again later",
                          watch->calls->vmclock_path);
        watch->torn_logged = true;
        return false;
}

bool clone_watch_changed(struct clone_watch *watch) {
        bool told = uevents_tell(watch), generation_changed = false;
        struct vmclock_state state, before = watch->seen;

        if (!page_read(watch, &state))
                return told;
        if (watch->seen_valid) {
                generation_changed = state.has_generation && before.has_generation &&
                                     state.generation != before.generation;
                if (state.disruption != before.disruption && !generation_changed)
                        watch->disrupted = true;
        }
        watch->seen = state;
        watch->seen_valid = true;
        watch->counts = state.has_generation && (watch->counts || generation_changed);
        /* if the page counts, the event is only its echo, which may come later */
        return generation_changed || (told && !watch->counts);
}

bool clone_watch_disrupted(struct clone_watch *watch) {
        bool disrupted = watch->disrupted;

        watch->disrupted = false;
        return disrupted;
}

static void say_sources(const struct clone_watch *watch, int uevents_error, int vmclock_error) {
        const char *path = watch->calls->vmclock_path;

        log_event(EVENT_MACHINE,
                  "a copy of this machine is noticed by kernel events: %s; by VMClock: %s",
                  uevents_error < 0 ? strerror(-uevents_error) : "yes, if it has a vmgenid device",
                  vmclock_error == -ENOENT     ? "no such device"
                  : vmclock_error < 0          ? strerror(-vmclock_error)
                  : watch->seen.has_generation ? "yes"
                                               : "no, it counts no generations");
        if (vmclock_error == -EACCES)
                log_event(log_at(LOG_LEVEL_NOTICE, EVENT_MACHINE),
                          "%s cannot be opened: let a udev rule "
                          "allow the daemon's user to read it", path);
        else if (vmclock_error == -EPROTO)
                log_event(log_at(LOG_LEVEL_NOTICE, EVENT_MACHINE),
                          "%s is not a VMClock of version %u, the "
                          "only supported one: it is not used", path,
                          VMCLOCK_PAGE_VERSION);
}

int clone_watch_new(struct clone_watch **ret, const struct clone_watch_calls *calls) {
        struct clone_watch *watch = calloc(1, sizeof(*watch));
        int vmclock_error;

        if (watch == NULL)
                return -ENOMEM;
        watch->calls = calls;
        watch->uevent_fd = calls->uevents_open();
        vmclock_error = vmclock_open(&watch->vmclock, calls->vmclock_path);
        watch->seen_valid = page_read(watch, &watch->seen);
        say_sources(watch, watch->uevent_fd, vmclock_error);
        *ret = watch;
        return 0;
}

struct clone_watch *clone_watch_free(struct clone_watch *watch) {
        if (watch == NULL)
                return NULL;
        if (watch->uevent_fd >= 0)
                close(watch->uevent_fd);
        vmclock_close(watch->vmclock);
        free(watch);
        return NULL;
}

int clone_watch_uevent_fd(const struct clone_watch *watch) {
        return watch->uevent_fd >= 0 ? watch->uevent_fd : -1;
}
