/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libclient/clock.h"
#include "libclient/cpu_lane.h"
#include "libclient/handle.h"
#include "libclient/handshake.h"
#include "shm/probe.h"

#define DEFAULT_ADDRESS "/run/sfshm/sfshm.sock"
#define OPEN_WITHIN_NS (5 * NS_PER_SECOND)

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
        if (address != NULL)
                return address;
        address = secure_getenv("SFSHM_SOCKET");
        return address != NULL && address[0] != '\0' ? address : DEFAULT_ADDRESS;
}

static int finish(int socket, int64_t begun_ns, int64_t deadline_ns,
                  struct attachment_space *space, struct attachment **ret) {
        for (;;) {
                struct pollfd pollfd = { .fd = socket, .events = POLLIN };
                int64_t left = deadline_ns - clock_monotonic_ns();
                struct timespec ts = { .tv_sec = left / NS_PER_SECOND,
                                       .tv_nsec = left % NS_PER_SECOND };
                int r;

                if (left <= 0)
                        return -ETIMEDOUT;
                (void)syscall(SYS_ppoll, &pollfd, 1, &ts, NULL, 0);
                r = handshake_finish(socket, begun_ns, space, ret);
                if (r != -EAGAIN)
                        return r;
        }
}

static int attach_once(struct sfshm *s, int64_t deadline_ns, struct attachment **ret) {
        int64_t begun_ns = clock_boottime_ns();
        int fd = -1, r = handshake_begin(s->address, s->lanes, &fd);

        if (r < 0)
                return r;
        r = finish(fd, begun_ns, deadline_ns, &s->space, ret);
        if (r < 0)
                close(fd);
        return r;
}

/*
 * A full backlog (-EAGAIN) drains as soon as the daemon serves it. A daemon that hangs up
 * before it answers is being restarted, or has no descriptor left for the moment; then nobody
 * may listen for a while either. The last attempt may have no time left for its answer.
 */
static bool may_pass(int error, bool hung_up) {
        return error == -EAGAIN || error == -ECONNRESET || error == -ETIMEDOUT ||
               (hung_up && (error == -ECONNREFUSED || error == -ENOENT));
}

static int attach(struct sfshm *s, struct attachment **ret) {
        int64_t deadline_ns = clock_monotonic_ns() + OPEN_WITHIN_NS, pause_ns = 0;
        bool hung_up = false;

        for (;;) {
                int r = attach_once(s, deadline_ns, ret);
                int64_t again_ns = clock_monotonic_ns() + clock_next_pause(&pause_ns);

                hung_up |= r == -ECONNRESET;
                if (!may_pass(r, hung_up))
                        return r;
                if (again_ns >= deadline_ns)
                        return hung_up ? -ECONNRESET : -ETIMEDOUT;
                clock_sleep_until(CLOCK_MONOTONIC, again_ns);
        }
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
        if (s->address != NULL && (r = process_new(&s->process, &s->place)) == 0)
                r = attach(s, &a);
        PROBE2(open, s->address, r);
        if (r < 0) {
                sfshm_close(s);
                return r;
        }
        s->layout = attachment_clock(a)->layout;
        atomic_init(&a->newest, &s->attachment);
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
        struct attachment *a;
        int state;

        if (s == NULL)
                return NULL;
        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        a = atomic_load_explicit(&s->attachment, memory_order_acquire);
        own_socket_close(s->pending);
        if (a != NULL)
                own_socket_close(a->socket); /* older ones have the same number */
        attachment_space_free(&s->space);
        process_free(s->process);
        free(s->address);
        free(s);
        (void)pthread_setcancelstate(state, &state);
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
        const struct id_layout *layout = &s->layout;

        *ret = (struct sfshm_layout){
                .tick_bits = layout->tick_bits,
                .worker_bits = layout->worker_bits,
                .sequence_bits = layout->sequence_bits,
                .region_bits = layout->region_bits,
                .epoch_unix_ms = layout->epoch_unix_ms,
        };
        return 0;
}
