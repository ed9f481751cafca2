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
/* a path and 2 KiB of variables at most: what does not fit is not the kernel's */
#define UEVENT_MAX 8192
#define UEVENTS_AT_ONCE 64

struct machine {
        const struct machine_calls *calls;
        int uevent_fd;
        struct vmclock *vmclock; /* NULL: none */
        struct vmclock_state seen;
        bool seen_valid;
        bool counts;    /* the generation was seen to change, so it is the better witness */
        bool disrupted; /* not yet asked for */
        bool lost_logged, torn_logged;
};

/* Only "change@/…" gets through: an idle daemon is not to wake for each network
 * device or disk that comes and goes. */
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

const struct machine_calls machine_kernel = {
        .vmclock_path = VMCLOCK_PATH,
        .uevents_open = kernel_uevents_open,
        .receive = recvmsg,
};

bool machine_uevent_tells(const char *message, size_t length) {
        static const char head[] = "change@/", entry[] = "NEW_VMGENID=1";
        const char *at = message, *end = message + length;

        if (length < sizeof(head) - 1 || memcmp(message, head, sizeof(head) - 1) != 0)
                return false;
        /* entry by entry, each with its NUL; one without is cut off and no entry */
        for (const char *nul; (nul = memchr(at, '\0', (size_t)(end - at))) != NULL; at = nul + 1)
                if ((size_t)(nul - at) == sizeof(entry) - 1 && memcmp(at, entry, sizeof(entry)) == 0)
                        return true;
        return false;
}

/* The kernel's port and process are 0, which no process's are. */
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

/* Positive: it tells of a new generation. 0: of something else. */
static int receive_one(const struct machine *machine) {
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
        ssize_t n = machine->calls->receive(machine->uevent_fd, &message,
                                            MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        return (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && from_kernel(&message) &&
               machine_uevent_tells(text, (size_t)n);
}

static void report_lost(struct machine *machine) {
        if (!machine->lost_logged)
                log_event(LOG_LEVEL_WARNING, "machine", "the kernel dropped events that were not "
                          "read in time: had one told of a copy of this machine, it is missed");
        machine->lost_logged = true;
}

/* What is left over keeps the descriptor readable. */
static bool uevents_tell(struct machine *machine) {
        bool told = false;

        for (int i = 0; machine->uevent_fd >= 0 && i < UEVENTS_AT_ONCE; i++) {
                int r = receive_one(machine);

                if (r == -ENOBUFS)
                        report_lost(machine);
                else if (r < 0 && r != -EINTR)
                        break;
                told = told || r > 0;
        }
        return told;
}

/* The page's word, where it has one. Whether it could be read. */
static bool page_read(struct machine *machine, struct vmclock_state *ret) {
        if (machine->vmclock == NULL)
                return false;
        if (vmclock_read(machine->vmclock, ret) == 0)
                return true;
        if (!machine->torn_logged)
                log_event(LOG_LEVEL_WARNING, "machine", "%s is being changed and does not come to "
                          "rest: it is read again later", machine->calls->vmclock_path);
        machine->torn_logged = true;
        return false;
}

bool machine_changed(struct machine *machine) {
        bool told = uevents_tell(machine), generation_changed = false;
        struct vmclock_state state, before = machine->seen;

        if (!page_read(machine, &state))
                return told;
        if (machine->seen_valid) {
                generation_changed = state.has_generation && before.has_generation &&
                                     state.generation != before.generation;
                if (state.disruption != before.disruption && !generation_changed)
                        machine->disrupted = true;
        }
        machine->seen = state;
        machine->seen_valid = true;
        machine->counts = state.has_generation && (machine->counts || generation_changed);
        /* where the page counts the event is but its echo, which may come later */
        return generation_changed || (told && !machine->counts);
}

bool machine_disrupted(struct machine *machine) {
        bool disrupted = machine->disrupted;

        machine->disrupted = false;
        return disrupted;
}

static void say_sources(const struct machine *machine, int uevents_error, int vmclock_error) {
        const char *path = machine->calls->vmclock_path;

        log_event(LOG_LEVEL_INFO, "machine", "a copy of this machine would be noticed: by kernel "
                  "events: %s; by VMClock: %s",
                  uevents_error < 0 ? strerror(-uevents_error) : "yes, if it has a vmgenid device",
                  vmclock_error == -ENOENT ? "no such device" :
                  vmclock_error < 0        ? strerror(-vmclock_error) :
                  machine->seen.has_generation ? "yes" : "no, it counts no generations");
        if (vmclock_error == -EACCES)
                log_event(LOG_LEVEL_NOTICE, "machine", "%s cannot be opened: allow the daemon's "
                          "user to read it, by a rule of udev", path);
        else if (vmclock_error == -EPROTO)
                log_event(LOG_LEVEL_NOTICE, "machine", "%s is not a VMClock of version %u, the "
                          "only one that is understood: it is not used", path,
                          VMCLOCK_PAGE_VERSION);
}

int machine_new(struct machine **ret, const struct machine_calls *calls) {
        struct machine *machine = calloc(1, sizeof(*machine));
        int vmclock_error;

        if (machine == NULL)
                return -ENOMEM;
        machine->calls = calls;
        machine->uevent_fd = calls->uevents_open();
        vmclock_error = vmclock_open(&machine->vmclock, calls->vmclock_path);
        machine->seen_valid = page_read(machine, &machine->seen);
        say_sources(machine, machine->uevent_fd, vmclock_error);
        *ret = machine;
        return 0;
}

struct machine *machine_free(struct machine *machine) {
        if (machine == NULL)
                return NULL;
        if (machine->uevent_fd >= 0)
                close(machine->uevent_fd);
        vmclock_close(machine->vmclock);
        free(machine);
        return NULL;
}

int machine_uevent_fd(const struct machine *machine) {
        return machine->uevent_fd >= 0 ? machine->uevent_fd : -1;
}
