/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Is this still the machine it was? A virtual machine that goes on from a
 * snapshot, or as a clone, has every clock and boot ID it had, and a twin may
 * hand out the same IDs. Two sources tell where they are present: the kernel's
 * event NEW_VMGENID, and VMClock (daemon/host/vmclock.h).
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* The layer below: the kernel, or a test's. */
struct clone_watch_calls {
        const char *vmclock_path;
        int (*uevents_open)(void); /* a socket that does not block, or -errno */
        ssize_t (*receive)(int fd, struct msghdr *message, int flags); /* recvmsg(2) */
};
extern const struct clone_watch_calls clone_watch_kernel;

struct clone_watch;

/* That neither source is there is fine; what is there is logged. */
int clone_watch_new(struct clone_watch **ret, const struct clone_watch_calls *calls);
struct clone_watch *clone_watch_free(struct clone_watch *watch);

/* Readable when clone_watch_changed() is to be asked; -1: none. VMClock has none: it
 * is read whenever clone_watch_changed() is asked, which is cheap but a system call. */
int clone_watch_uevent_fd(const struct clone_watch *watch);

/* Was this machine cloned or restored? True once for each time. The caller logs. */
bool clone_watch_changed(struct clone_watch *watch);
/* Did VMClock tell, at the last clone_watch_changed(), that the hardware's clock may
 * have jumped though the machine is the same, as by a live migration? With a
 * hypervisor that counts no generations that can be a snapshot as well. True
 * once for each time. */
bool clone_watch_disrupted(struct clone_watch *watch);

/* Is this uevent the kernel's word that the machine's generation is new? Any
 * bytes are fine. Pure. */
bool clone_watch_uevent_tells(const char *message, size_t length);
