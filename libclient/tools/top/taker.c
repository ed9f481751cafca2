/* SPDX-License-Identifier: MIT */
#include "libclient/tools/top/taker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The thread's. Each byte that it gets is a wish; it answers with a pointer. */
struct task {
        int fd;
        struct take_target target;
};

static void *take(void *context) {
        struct task *task = context;
        char wish;

        while (recv(task->fd, &wish, 1, 0) == 1) {
                struct sample *sample = malloc(sizeof(*sample));

                if (sample != NULL)
                        take_sample(&task->target, sample);
                if (send(task->fd, &sample, sizeof(sample), MSG_NOSIGNAL) > 0)
                        continue;
                if (sample != NULL)
                        sample_clear(sample);
                free(sample);
        }
        close(task->fd);
        free(task);
        return NULL;
}

static int start_thread(struct task *task) {
        pthread_attr_t attributes;
        sigset_t all, before;
        pthread_t thread;
        int r;

        sigfillset(&all);
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&thread, &attributes, take, task);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        pthread_attr_destroy(&attributes);
        return -r;
}

int taker_start(struct taker *ret, const struct take_target *target) {
        struct task *task = malloc(sizeof(*task));
        int fds[2], r;

        if (task == NULL)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
                r = -errno;
                free(task);
                return r;
        }
        *task = (struct task){ .fd = fds[1], .target = *target };
        r = start_thread(task);
        if (r < 0) {
                close(fds[0]);
                close(fds[1]);
                free(task);
                return r;
        }
        *ret = (struct taker){ .fd = fds[0] };
        return 0;
}

void taker_ask(struct taker *taker) {
        if (!taker->busy)
                taker->busy = send(taker->fd, "", 1, MSG_NOSIGNAL) == 1;
}

bool taker_take(struct taker *taker, struct sample *ret) {
        struct sample *sample;

        if (recv(taker->fd, &sample, sizeof(sample), MSG_DONTWAIT) != sizeof(sample))
                return false;
        taker->busy = false;
        if (sample == NULL)
                return false; /* no memory; the next one may have some */
        *ret = *sample;
        free(sample);
        return true;
}

void taker_stop(struct taker *taker) {
        close(taker->fd);
        taker->fd = -1;
}
