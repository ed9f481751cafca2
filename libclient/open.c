/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/cpu_lane.h"
#include "libclient/handle.h"
#include "libclient/handshake.h"
#include "libclient/reattach.h"

#define DEFAULT_ADDRESS "/run/sfshm/sfshm.sock"
#define OPEN_WITHIN_NS (5 * NS_PER_SECOND)
#define BACKLOG_RETRY_NS INT64_C(1000000)

/* One lane, or one for each CPU, rounded up to a power of two. */
static uint32_t lanes_wanted(unsigned flags) {
        long cpus = sysconf(_SC_NPROCESSORS_CONF);
        uint32_t lanes = 1;

        if ((flags & SFSHM_PARALLEL) == 0 || !cpu_lane_find())
                return 1;
        while (lanes < LANES_MAX && (long)lanes < cpus)
                lanes *= 2;
        return lanes;
}

static const char *address_or_default(const char *address) {
        if (address == NULL)
                address = secure_getenv("SFSHM_SOCKET");
        return address != NULL ? address : DEFAULT_ADDRESS;
}

/* A full backlog drains as soon as the daemon serves it. */
static int begin(const char *address, uint32_t lanes, int64_t deadline_ns, int64_t *ret_begun_ns,
                 int *ret_socket) {
        for (;;) {
                int r;

                *ret_begun_ns = clock_boottime_ns();
                r = handshake_begin(address, lanes, ret_socket);
                if (r != -EAGAIN)
                        return r;
                if (clock_monotonic_ns() >= deadline_ns)
                        return -ETIMEDOUT;
                clock_sleep_until(CLOCK_MONOTONIC, clock_monotonic_ns() + BACKLOG_RETRY_NS);
        }
}

static int finish(int socket, int64_t begun_ns, int64_t deadline_ns, struct attachment **ret) {
        for (;;) {
                struct pollfd pollfd = { .fd = socket, .events = POLLIN };
                int64_t left = deadline_ns - clock_monotonic_ns();
                struct timespec ts = { .tv_sec = left / NS_PER_SECOND,
                                       .tv_nsec = left % NS_PER_SECOND };
                int r;

                if (left <= 0)
                        return -ETIMEDOUT;
                (void)syscall(SYS_ppoll, &pollfd, 1, &ts, NULL, 0);
                r = handshake_finish(socket, begun_ns, ret);
                if (r != -EAGAIN)
                        return r;
        }
}

static int attach(const char *address, uint32_t lanes, struct attachment **ret) {
        int64_t deadline_ns = clock_monotonic_ns() + OPEN_WITHIN_NS, begun_ns = 0;
        int fd = -1, r = begin(address, lanes, deadline_ns, &begun_ns, &fd);

        if (r < 0)
                return r;
        r = finish(fd, begun_ns, deadline_ns, ret);
        if (r < 0)
                close(fd);
        return r;
}

static int handle_new(struct sfshm **ret, const char *address, unsigned flags) {
        struct sfshm *s = calloc(1, sizeof(*s));
        struct attachment *a = NULL;
        int r = -ENOMEM;

        if (s == NULL)
                return -ENOMEM;
        atomic_init(&s->timeout_ns, -1);
        s->pending = OWN_SOCKET_NONE;
        atomic_init(&s->hinted_boot_ns, INT64_MIN / 2);
        s->lanes = lanes_wanted(flags);
        s->address = strdup(address_or_default(address));
        if (s->address != NULL && (r = reattach_new(&s->reattach)) == 0)
                r = attach(s->address, s->lanes, &a);
        if (r < 0) {
                sfshm_close(s);
                return r;
        }
        atomic_init(&s->attachment, a);
        *ret = s;
        return 0;
}

int sfshm_open(sfshm **ret, const char *address, unsigned flags) {
        int state, r;

        if (ret == NULL || (flags & ~SFSHM_PARALLEL) != 0)
                return -EINVAL;
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        r = handle_new(ret, address, flags);
        (void)pthread_setcancelstate(state, &state);
        return r;
}

sfshm *sfshm_close(sfshm *s) {
        if (s == NULL)
                return NULL;
        own_socket_close(s->pending);
        attachment_free(atomic_load_explicit(&s->attachment, memory_order_acquire));
        reattach_free(s->reattach);
        free(s->address);
        free(s);
        return NULL;
}

int sfshm_set_timeout(sfshm *s, int64_t ns) {
        if (ns < -1)
                return -EINVAL;
        /* relaxed: a call uses either the old or the new value */
        atomic_store_explicit(&s->timeout_ns, ns, memory_order_relaxed);
        return 0;
}

int64_t sfshm_retry_at(const sfshm *s) {
        return atomic_load_explicit(&s->retry_at_ns, memory_order_relaxed);
}

int sfshm_get_layout(const sfshm *s, struct sfshm_layout *ret) {
        const struct attachment *a = atomic_load_explicit(&s->attachment, memory_order_acquire);
        const struct id_layout *layout = &attachment_clock(a)->layout;

        *ret = (struct sfshm_layout){
                .tick_bits = layout->tick_bits,
                .worker_bits = layout->worker_bits,
                .sequence_bits = layout->sequence_bits,
                .region_bits = layout->region_bits,
                .epoch_unix_ms = layout->epoch_unix_ms,
        };
        return 0;
}
