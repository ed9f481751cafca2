/* SPDX-License-Identifier: MIT */
#include "daemon/util/event.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/util/time.h"

#define EVENTS_MAX 64

static void event_timer_ready(void *context, uint32_t events, int64_t now_ns) {
        struct event_loop *loop = context;
        uint64_t expirations;

        (void)events, (void)now_ns;
        if (read(loop->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
                loop->armed_ns = INT64_MAX;
}

int event_loop_open(struct event_loop *loop) {
        *loop = EVENT_LOOP_NONE;
        loop->armed_ns = INT64_MAX;
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return -errno;
        loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
        if (loop->timer_fd < 0)
                return -errno;
        loop->timer = (struct event_source){ loop->timer_fd, event_timer_ready, loop };
        return event_add(loop, &loop->timer);
}

void event_loop_close(struct event_loop *loop) {
        if (loop->epoll_fd >= 0)
                close(loop->epoll_fd);
        if (loop->timer_fd >= 0)
                close(loop->timer_fd);
        *loop = EVENT_LOOP_NONE;
}

static int event_control(struct event_loop *loop, int operation, struct event_source *source,
                         uint32_t events) {
        struct epoll_event event = { .events = events, .data.ptr = source };

        return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int event_add(struct event_loop *loop, struct event_source *source) {
        return event_control(loop, EPOLL_CTL_ADD, source, EPOLLIN);
}

int event_listen(struct event_loop *loop, struct event_source *source, bool listen) {
        return event_control(loop, EPOLL_CTL_MOD, source, listen ? EPOLLIN : 0);
}

void event_remove(struct event_loop *loop, struct event_source *source) {
        (void)event_control(loop, EPOLL_CTL_DEL, source, 0);
}

int event_dispatch(struct event_loop *loop) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, -1);
        int64_t now_ns;

        loop->stopped = n < 0 && errno == EINTR;
        if (n < 0 && !loop->stopped)
                return -errno;
        loop->woke_ns = now_ns = time_ns(CLOCK_BOOTTIME);
        for (int i = 0; i < n; i++) {
                struct event_source *source = events[i].data.ptr;

                source->ready(source->context, events[i].events, now_ns);
        }
        return 0;
}

static void event_arm(struct event_loop *loop, int64_t due_ns) {
        struct itimerspec at = { 0 };

        if (due_ns == loop->armed_ns)
                return;
        loop->armed_ns = due_ns;
        /* 0 would disarm: INT64_MAX does, a past time must not */
        if (due_ns != INT64_MAX)
                at.it_value = time_to_timespec(due_ns > 0 ? due_ns : 1);
        (void)timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void event_update_time(struct event_loop *loop) {
        loop->now_ns = time_ns(CLOCK_BOOTTIME);
}

void event_run_rounds(struct event_loop *loop, const event_round *rounds, size_t n,
                      void *context) {
        int64_t due_ns = INT64_MAX;

        event_update_time(loop);
        for (size_t i = 0; i < n; i++) {
                int64_t next_ns = rounds[i](context, loop->now_ns);

                due_ns = next_ns < due_ns ? next_ns : due_ns;
        }
        event_arm(loop, due_ns);
        if (loop->woke_ns != 0)
                histogram_add(&loop->delay, time_ns(CLOCK_BOOTTIME) - loop->woke_ns);
}
