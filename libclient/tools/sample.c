/* SPDX-License-Identifier: MIT */
#include "libclient/tools/sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/tools/daemon_socket.h"
#include "libclient/tools/print.h"

#define REFRESH_WAIT_NS INT64_C(200000000)
#define BOOT_ID_SIZE 16

static int64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int segment_error(const char *shm, const char *name, int error, uint32_t version,
                         uint32_t understood) {
        char path[SEGMENTS_PATH_SIZE];

        segments_path(shm, name, path);
        switch (error) {
        case -ENOENT: {
                char other[SEGMENTS_PATH_SIZE];

                segments_path(shm, "statistics", other);
                return print_error(
                        "no sfshmd to show: neither %s nor %s exists; start sfshmd, "
                        "or name its daemon.shm with --shm",
                        path, other);
        }
        case -EACCES:
                return print_error("no permission to read %s: run this as root or as a member of "
                                   "that file's group (sfshm)",
                                   path);
        case -EPROTO:
                return print_error("%s has version %u, this %s understands %u: use the one that "
                                   "came with that sfshmd",
                                   path, version, program_invocation_short_name, understood);
        case -ENODATA:
                return print_error("%s was not made by sfshmd, or is damaged", path);
        case -EBADMSG:
                return print_error("%s is damaged: its counts exceed its size", path);
        default:
                return print_error("cannot read %s: %s", path, strerror(-error));
        }
}

/* The ID of this boot, or zeros if it is unknown. */
static void read_boot_id(uint8_t ret[BOOT_ID_SIZE]) {
        FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
        size_t n = 0;

        memset(ret, 0, BOOT_ID_SIZE);
        /* a hyphen may precede each pair of digits */
        while (file && n < BOOT_ID_SIZE && fscanf(file, "%*[-]") != EOF &&
               fscanf(file, "%2hhx", &ret[n]) == 1)
                n++;
        if (file)
                fclose(file);
}

static void judge_state(struct sample *sample, const struct clock_segment *clock) {
        uint32_t owner = atomic_load_explicit(&clock->owner, memory_order_relaxed);
        uint32_t state = atomic_load_explicit(&clock->state, memory_order_relaxed);
        uint64_t now = atomic_load_explicit(&clock->now, memory_order_relaxed);
        uint8_t boot_id[BOOT_ID_SIZE];

        read_boot_id(boot_id);
        sample->state = SAMPLE_DEAD;
        if (memcmp(boot_id, clock->boot_id, BOOT_ID_SIZE) != 0)
                sample->dead_reason = "its shared memory is from before the last reboot";
        else if (!clock_owner_live(owner))
                sample->dead_reason = owner == 0 ? "it was stopped" : "its ticker died";
        else if (state == CLOCK_STATE_STARTING)
                sample->state = SAMPLE_STARTING;
        else if (state == CLOCK_STATE_WAITING)
                sample->state = SAMPLE_WAITING;
        else if (state == CLOCK_STATE_FAILED)
                sample->state = SAMPLE_FAILED;
        else
                sample->state = now == CLOCK_NOW_INVALID ? SAMPLE_IDLE : SAMPLE_RUNNING;
}

static void judge_clock(struct sample *sample, const struct clock_segment *clock) {
        uint64_t now = atomic_load_explicit(&clock->now, memory_order_relaxed), tick;
        int64_t resume = atomic_load_explicit(&clock->resume_boot_ns, memory_order_relaxed);
        struct clock_line line;

        (void)clock_latch_begin(clock, &line); /* nobody writes to the copy */
        tick = clock_tick_of(clock_line_at(&line, sample->boot_ns));
        if (tick != CLOCK_NOW_INVALID &&
            __builtin_add_overflow(sample->layout.epoch_unix_ms, tick, &sample->guarded_unix_ms))
                sample->guarded_unix_ms = SAMPLE_UNKNOWN;
        if (sample->state == SAMPLE_RUNNING && tick != CLOCK_NOW_INVALID)
                sample->now_lag_ms = tick > now ? (int64_t)(tick - now) : 0;
        sample->reason = atomic_load_explicit(&clock->reason, memory_order_relaxed);
        sample->offset_ms = atomic_load_explicit(&clock->offset_ns, memory_order_relaxed) / 1000000;
        if ((sample->state == SAMPLE_WAITING || sample->state == SAMPLE_FAILED) &&
            resume > sample->boot_ns && resume != INT64_MAX)
                sample->resume_ms = (resume - sample->boot_ns) / 1000000;
}

int sample_take_clock(struct sample *ret, const char *shm) {
        struct clock_segment clock;
        char quoted[PRINT_QUOTED_SIZE];
        uint32_t version = 0;
        int r, fd;

        *ret = (struct sample){ .guarded_unix_ms = SAMPLE_UNKNOWN,
                                .now_lag_ms = SAMPLE_UNKNOWN,
                                .resume_ms = SAMPLE_UNKNOWN };
        if (shm[0] != '/' || shm[1] == '\0')
                return print_error("--shm takes a name as /sfshm or an absolute directory, not %s",
                                   print_quoted(shm, strlen(shm), quoted));
        fd = segments_open(shm, "clock");
        if (fd < 0)
                return segment_error(shm, "clock", fd, 0, 0);
        r = segments_read_clock(fd, &clock, &version);
        close(fd);
        if (r < 0)
                return segment_error(shm, "clock", r, version, CLOCK_VERSION);
        ret->boot_ns = boottime_ns();
        ret->layout = clock.layout;
        ret->worker_first = clock.worker_first;
        /* relaxed: a copy */
        ret->worker_count = atomic_load_explicit(&clock.worker_count, memory_order_relaxed);
        judge_state(ret, &clock);
        judge_clock(ret, &clock);
        return 0;
}

/* Best effort: without an answer, the last snapshot is shown with its age. */
static void request_snapshot(int statistics_fd, const char *socket) {
        int64_t asked = boottime_ns();
        int fd = daemon_socket_refresh(socket);

        if (fd < 0)
                return;
        while (segments_updated_boot_ns(statistics_fd) <= asked &&
               boottime_ns() - asked < REFRESH_WAIT_NS)
                nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
        close(fd);
}

static int take_statistics(struct sample *sample, const char *shm, const char *socket) {
        bool dead = sample->state == SAMPLE_DEAD; /* then the statistics are optional */
        uint32_t version = 0;
        int r, fd = segments_open(shm, "statistics");

        if (fd < 0)
                return dead ? 0 : segment_error(shm, "statistics", fd, 0, 0);
        if (!dead)
                request_snapshot(fd, socket);
        r = segments_read_statistics(fd, &sample->statistics, &version);
        close(fd);
        if (r < 0)
                return dead ? 0 : segment_error(shm, "statistics", r, version, STATISTICS_VERSION);
        sample->has_statistics = true;
        return 0;
}

int sample_take(struct sample *ret, const char *shm, const char *socket) {
        int status = sample_take_clock(ret, shm);

        return status != 0 ? status : take_statistics(ret, shm, socket);
}

void sample_clear(struct sample *sample) {
        free(sample->statistics.clients);
        *sample = (struct sample){ 0 };
}

/* ---- derived from samples; pure */

const struct sample_state_names sample_state_names[] = {
        [SAMPLE_DEAD] = { "DEAD", "dead", "not running" },
        [SAMPLE_STARTING] = { "start", "starting", "starting, no IDs yet" },
        [SAMPLE_RUNNING] = { "run", "running", "ticker running" },
        [SAMPLE_IDLE] = { "idle", "idle", "idle: the ticker sleeps, as few IDs are allocated" },
        [SAMPLE_WAITING] = { "wait", "waiting", "waiting: no IDs for now" },
        [SAMPLE_FAILED] = { "fail", "failed", "FAILED: no IDs" },
};

const char *sample_reason_text(const struct sample *sample) {
        static const char *const texts[] = {
                [CLOCK_REASON_NONE] = "",
                [CLOCK_REASON_SLEWING] = "a small difference is being slewed away",
                [CLOCK_REASON_OFFSET] = "the wall clock was behind; this is being slewed away",
                [CLOCK_REASON_STEPPING] = "the wall clock was set forward; the fence is raised first",
                [CLOCK_REASON_HELD] = "the wall clock jumped too far forward: see sfshm-clock(7)",
                [CLOCK_REASON_FENCE] = "IDs up to the fence may exist",
                [CLOCK_REASON_ROLLBACK] = "the wall clock was set back",
                [CLOCK_REASON_UNSYNC] = "the kernel's clock is not synchronised",
                [CLOCK_REASON_STUCK] = "the fence cannot be raised: see the daemon's log",
                [CLOCK_REASON_END] = "the last tick of the layout is reached",
                [CLOCK_REASON_CLONED] = "the machine was cloned or reverted: see sfshm-clock(7)",
        };

        return sample->reason < sizeof(texts) / sizeof(texts[0]) ? texts[sample->reason]
                                                                 : "for a reason of a newer release";
}

uint32_t sample_workers(const struct sample *sample) {
        uint32_t count = sample->statistics.header.worker_count;

        return count < WORKER_COUNTERS_MAX ? count : WORKER_COUNTERS_MAX;
}

bool sample_worker_counts(const struct sample *sample, uint32_t worker) {
        return worker < sample->worker_count ||
               sample->statistics.header.worker_ids[worker] > 0;
}

uint64_t sample_ids(const struct sample *sample) {
        uint64_t ids = 0;

        for (uint32_t i = 0; i < sample_workers(sample); i++)
                ids += sample->statistics.header.worker_ids[i];
        return ids;
}

int64_t sample_age_ms(const struct sample *sample) {
        int64_t age_ns;

        if (!sample->has_statistics ||
            __builtin_sub_overflow(sample->boot_ns, sample->statistics.header.updated_boot_ns,
                                   &age_ns))
                return SAMPLE_UNKNOWN;
        /* a snapshot made after the clock was read is fresh */
        return age_ns < 0 ? 0 : age_ns / 1000000;
}

int64_t sample_fence_ahead_ms(const struct sample *sample) {
        int64_t ahead;

        /* 0 means that there is no fence yet */
        if (!sample->has_statistics || sample->guarded_unix_ms == SAMPLE_UNKNOWN ||
            sample->statistics.header.counters.fence_unix_ms == 0 ||
            __builtin_sub_overflow(sample->statistics.header.counters.fence_unix_ms,
                                   sample->guarded_unix_ms, &ahead))
                return SAMPLE_UNKNOWN;
        return ahead;
}

static bool comparable(const struct sample *before, const struct sample *after) {
        const struct statistics_segment *a = &before->statistics.header;
        const struct statistics_segment *b = &after->statistics.header;

        return before->has_statistics && after->has_statistics && !before->statistics.torn &&
               !after->statistics.torn && a->pid == b->pid &&
               a->counters.start_unix_ms == b->counters.start_unix_ms &&
               a->worker_first == b->worker_first && a->worker_count == b->worker_count &&
               a->updated_boot_ns < b->updated_boot_ns &&
               a->counters.overflows <= b->counters.overflows &&
               a->counters.overflow_wait_ns <= b->counters.overflow_wait_ns;
}

void rates_between(const struct sample *before, const struct sample *after, struct rates *ret) {
        const struct statistics_segment *a = &before->statistics.header;
        const struct statistics_segment *b = &after->statistics.header;
        double overflows;

        *ret = (struct rates){ 0 };
        if (!comparable(before, after))
                return;
        ret->known = true;
        ret->seconds = ((double)b->updated_boot_ns - (double)a->updated_boot_ns) / 1e9;
        for (uint32_t i = 0; i < sample_workers(after); i++) {
                uint64_t ids = b->worker_ids[i] > a->worker_ids[i]
                                       ? b->worker_ids[i] - a->worker_ids[i]
                                       : 0;

                ret->workers[i] = (double)ids / ret->seconds;
                ret->ids += ret->workers[i];
        }
        overflows = (double)b->counters.overflows - (double)a->counters.overflows;
        ret->overflows = overflows / ret->seconds;
        if (overflows > 0)
                ret->wait_us = ((double)b->counters.overflow_wait_ns -
                                (double)a->counters.overflow_wait_ns) /
                               overflows / 1e3;
}
