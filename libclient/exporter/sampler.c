/* SPDX-License-Identifier: MIT */
#include "libclient/exporter/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct sampler {
        struct take_target target;
        pthread_t thread;
        int event_fd;
        pthread_mutex_t mutex; /* of what follows */
        pthread_cond_t changed;
        enum { IDLE, ASKED, READY, STOP } stage;
        struct sample sample; /* while READY */
};

static void hand_over(struct sampler *sampler, struct sample *sample) {
        pthread_mutex_lock(&sampler->mutex);
        if (sampler->stage == ASKED) {
                sampler->sample = *sample;
                sampler->stage = READY;
                (void)!write(sampler->event_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
        } else {
                sample_clear(sample);
        }
        pthread_mutex_unlock(&sampler->mutex);
}

/* False: it is to end. */
static bool wait_for_question(struct sampler *sampler) {
        bool asked;

        pthread_mutex_lock(&sampler->mutex);
        while (sampler->stage == IDLE || sampler->stage == READY)
                pthread_cond_wait(&sampler->changed, &sampler->mutex);
        asked = sampler->stage == ASKED;
        pthread_mutex_unlock(&sampler->mutex);
        return asked;
}

static void *run(void *context) {
        struct sampler *sampler = context;
        struct sample sample;

        while (wait_for_question(sampler)) {
                take_sample(&sampler->target, &sample);
                hand_over(sampler, &sample);
        }
        return NULL;
}

int sampler_new(struct sampler **ret, const struct take_target *target) {
        struct sampler *sampler = calloc(1, sizeof(*sampler));
        int r;

        if (sampler == NULL)
                return -ENOMEM;
        sampler->target = *target;
        pthread_mutex_init(&sampler->mutex, NULL);
        pthread_cond_init(&sampler->changed, NULL);
        sampler->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = sampler->event_fd < 0 ? -errno : -pthread_create(&sampler->thread, NULL, run, sampler);
        if (r < 0) {
                if (sampler->event_fd >= 0)
                        close(sampler->event_fd);
                free(sampler);
                return r;
        }
        *ret = sampler;
        return 0;
}

struct sampler *sampler_free(struct sampler *sampler) {
        if (sampler == NULL)
                return NULL;
        pthread_mutex_lock(&sampler->mutex);
        if (sampler->stage == READY)
                sample_clear(&sampler->sample);
        sampler->stage = STOP;
        pthread_cond_signal(&sampler->changed);
        pthread_mutex_unlock(&sampler->mutex);
        pthread_join(sampler->thread, NULL);
        pthread_cond_destroy(&sampler->changed);
        pthread_mutex_destroy(&sampler->mutex);
        close(sampler->event_fd);
        free(sampler);
        return NULL;
}

int sampler_fd(const struct sampler *sampler) {
        return sampler->event_fd;
}

void sampler_ask(struct sampler *sampler) {
        pthread_mutex_lock(&sampler->mutex);
        if (sampler->stage == IDLE) {
                sampler->stage = ASKED;
                pthread_cond_signal(&sampler->changed);
        }
        pthread_mutex_unlock(&sampler->mutex);
}

bool sampler_collect(struct sampler *sampler, struct sample *ret) {
        bool ready;

        pthread_mutex_lock(&sampler->mutex);
        ready = sampler->stage == READY;
        if (ready) {
                *ret = sampler->sample;
                sampler->stage = IDLE;
                (void)!read(sampler->event_fd, &(uint64_t){ 0 }, sizeof(uint64_t));
        }
        pthread_mutex_unlock(&sampler->mutex);
        return ready;
}
