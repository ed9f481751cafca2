/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Notices that this machine was cloned or restored. A virtual machine that resumes from a
 * snapshot, or as a clone, has the same clocks and boot ID as before, and a twin may issue
 * the same IDs. Two sources report it where they are present: the kernel's event
 * NEW_VMGENID, and VMClock (daemon/host/vmclock.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* The layer below: the kernel, or a test. */
struct clone_watch_calls {
        const char *vmclock_path;
        int (*uevents_open)(void); /* a non-blocking socket, or -errno */
        ssize_t (*receive)(int fd, struct msghdr *message, int flags); /* recvmsg(2) */
};
extern const struct clone_watch_calls clone_watch_kernel;

struct clone_watch;

/* Neither source needs to be present. Logs what is. */
int clone_watch_new(struct clone_watch **ret, const struct clone_watch_calls *calls);
struct clone_watch *clone_watch_free(struct clone_watch *watch);

/* Readable when clone_watch_changed() must be called; -1: none. VMClock has none: each
 * clone_watch_changed() reads it, which is cheap but a system call. */
int clone_watch_uevent_fd(const struct clone_watch *watch);

/* Was this machine cloned or restored? True once for each time; the caller logs it. */
bool clone_watch_changed(struct clone_watch *watch);
/* Did VMClock report, at the last clone_watch_changed(), that the hardware's clock may
 * have jumped although the machine is the same, as in a live migration? With a hypervisor
 * that counts no generations this may be a snapshot as well. True once for each time. */
bool clone_watch_disrupted(struct clone_watch *watch);

/* Does this uevent say that the machine has a new generation? Takes any bytes. Pure. */
bool clone_watch_uevent_tells(const char *message, size_t length);
