/* SPDX-License-Identifier: MIT */
#include "libclient/observe/take.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/observe/daemon_socket.h"
#include "libclient/observe/find.h"
#include "libclient/observe/print.h"

#define REFRESH_WAIT_NS INT64_C(200000000)
#define NS_PER_MS 1000000

static int64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int take_check(const char *socket, const char *shm) {
        char quoted[PRINT_QUOTED_SIZE];

        if (shm != NULL && socket != NULL)
                return print_usage_error("--socket and --shm exclude each other: the daemon at a "
                                         "socket tells where its shared memory is");
        if (shm != NULL && !segments_name_valid(shm))
                return print_usage_error("--shm takes a name as /sfshm or an absolute directory, "
                                         "not %s", print_quoted(shm, strlen(shm), quoted));
        return 0;
}

/* ---- the state */

static void set_state(struct sample *sample, enum sample_state state, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void set_state(struct sample *sample, enum sample_state state, const char *format, ...) {
        va_list arguments;

        sample->state = state;
        va_start(arguments, format);
        vsnprintf(sample->why, sizeof(sample->why), format, arguments);
        va_end(arguments);
}

static enum sample_state state_of(uint32_t clock_state, bool ticking) {
        switch (clock_state) {
        case CLOCK_STATE_STARTING:
                return SAMPLE_STARTING;
        case CLOCK_STATE_WAITING:
                return SAMPLE_WAITING;
        case CLOCK_STATE_FAILED:
                return SAMPLE_FAILED;
        default:
                return ticking ? SAMPLE_RUNNING : SAMPLE_IDLE;
        }
}

/* Dead or alive, as far as memory shows that. */
static void judge_segment(struct sample *sample, const struct find *find) {
        const struct clock_segment *clock = &find->clock;
        uint32_t owner = atomic_load_explicit(&clock->owner, memory_order_relaxed);
        uint64_t now = atomic_load_explicit(&clock->now, memory_order_relaxed);
        uint8_t boot_id[SEGMENTS_BOOT_ID_SIZE];
        char path[SEGMENTS_PATH_SIZE];

        segments_path(find->shm, "clock", path);
        segments_boot_id(boot_id);
        if (memcmp(boot_id, clock->boot_id, sizeof(boot_id)) != 0)
                set_state(sample, SAMPLE_DEAD, "its shared memory is from before the last reboot, "
                          "says %.300s", path);
        else if (!clock_owner_live(owner))
                set_state(sample, SAMPLE_DEAD, "%s, says %.300s",
                          owner == 0 ? "it was stopped" : "its ticker died", path);
        else
                sample->state = state_of(atomic_load_explicit(&clock->state, memory_order_relaxed),
                                         now != CLOCK_NOW_INVALID);
}

static void judge(struct sample *sample, const struct find *find) {
        switch (find->found) {
        case FOUND_ANSWERS:
                sample->state = state_of(find->status.state, find->status.ticking != 0);
                break;
        case FOUND_SILENT:
        case FOUND_STRANGER:
                set_state(sample, SAMPLE_SILENT, "%s", find->why);
                break;
        case FOUND_ERROR:
                set_state(sample, SAMPLE_UNCLEAR, "%s", find->why);
                break;
        default:
                if (find->has_clock)
                        judge_segment(sample, find);
                else if (find->found == FOUND_OLDER)
                        set_state(sample, SAMPLE_UNCLEAR, "%s; name its daemon.shm with --shm",
                                  find->why);
                else if (find->found == FOUND_DEAD)
                        set_state(sample, SAMPLE_DEAD, "%s", find->why);
                else
                        set_state(sample, find->clock_error == -ENOENT ? SAMPLE_DEAD
                                                                       : SAMPLE_UNCLEAR,
                                  "%s", find->no_clock);
        }
}

/* ---- the clock */

static int64_t unix_ms(const struct id_layout *layout, int64_t guarded_ns) {
        uint64_t tick = clock_tick_of(guarded_ns);
        int64_t ret;

        if (tick == CLOCK_NOW_INVALID ||
            __builtin_add_overflow(layout->epoch_unix_ms, tick, &ret))
                return SAMPLE_UNKNOWN;
        return ret;
}

static void set_resume(struct sample *sample, int64_t resume_ns, int64_t boot_ns) {
        if ((sample->state == SAMPLE_WAITING || sample->state == SAMPLE_FAILED) &&
            resume_ns > boot_ns && resume_ns != INT64_MAX)
                sample->resume_ms = (resume_ns - boot_ns) / NS_PER_MS;
}

static void fill_clock(struct sample *sample, const struct clock_segment *clock) {
        uint64_t now = atomic_load_explicit(&clock->now, memory_order_relaxed), tick;
        struct clock_line line;
        int64_t guarded_ns;

        (void)clock_latch_begin(clock, &line); /* nobody writes to the copy */
        guarded_ns = clock_line_at(&line, sample->boot_ns);
        tick = clock_tick_of(guarded_ns);
        sample->has_clock = true;
        sample->layout = clock->layout;
        sample->worker_first = clock->worker_first;
        /* relaxed: a copy */
        sample->worker_count = atomic_load_explicit(&clock->worker_count, memory_order_relaxed);
        sample->guarded_unix_ms = unix_ms(&clock->layout, guarded_ns);
        if (sample->state == SAMPLE_RUNNING && tick != CLOCK_NOW_INVALID && now != CLOCK_NOW_INVALID)
                sample->now_lag_ms = tick > now ? (int64_t)(tick - now) : 0;
        sample->reason = atomic_load_explicit(&clock->reason, memory_order_relaxed);
        sample->offset_ms = atomic_load_explicit(&clock->offset_ns, memory_order_relaxed) /
                            NS_PER_MS;
        set_resume(sample, atomic_load_explicit(&clock->resume_boot_ns, memory_order_relaxed),
                   sample->boot_ns);
}

/* What the daemon says of its clock is newer, and needs no shared memory. */
static void fill_answer(struct sample *sample, const struct wire_status *status) {
        sample->has_clock = true;
        sample->layout = status->layout;
        sample->worker_first = status->worker_first;
        sample->worker_count = status->worker_count;
        sample->guarded_unix_ms = unix_ms(&status->layout, status->guarded_ns);
        sample->reason = status->reason;
        sample->offset_ms = status->offset_ns / NS_PER_MS;
        set_resume(sample, status->resume_boot_ns, status->boot_ns);
        snprintf(sample->daemon_version, sizeof(sample->daemon_version), "%s",
                 status->daemon_version);
}

static void fill(struct sample *sample, const struct take_target *target,
                 const struct find *find) {
        *sample = (struct sample){ .guarded_unix_ms = SAMPLE_UNKNOWN,
                                   .now_lag_ms = SAMPLE_UNKNOWN,
                                   .resume_ms = SAMPLE_UNKNOWN,
                                   .socket = target->shm == NULL ? target->socket : NULL,
                                   .asked = find->asked,
                                   .answered = find->found == FOUND_ANSWERS ||
                                               find->found == FOUND_OLDER,
                                   .pid = find->pid,
                                   .boot_ns = boottime_ns() };
        judge(sample, find);
        if (find->has_clock)
                fill_clock(sample, &find->clock);
        if (find->found == FOUND_ANSWERS)
                fill_answer(sample, &find->status);
}

static void find_target(const struct take_target *target, struct find *ret) {
        if (target->shm != NULL)
                find_by_shm(target->shm, ret);
        else
                find_by_socket(target->socket, ret);
}

void take_clock(const struct take_target *target, struct sample *ret) {
        struct find find;

        find_target(target, &find);
        fill(ret, target, &find);
}

/* ---- the statistics */

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

static void read_statistics(struct sample *sample, const struct find *find) {
        uint32_t version = 0;
        int r, fd = segments_open(find->shm, "statistics");

        if (fd >= 0 && sample->answered)
                request_snapshot(fd, sample->socket);
        r = fd < 0 ? fd : segments_read_statistics(fd, &sample->statistics, &version);
        if (fd >= 0)
                close(fd);
        sample->has_statistics = r == 0;
        /* those of a dead daemon may be missing */
        if (r < 0 && sample_is_up(sample))
                segments_explain(find->shm, "statistics", r, version, STATISTICS_VERSION,
                                 sample->no_statistics);
        if (r < 0)
                return;
        if (sample->pid == 0)
                sample->pid = sample->statistics.header.pid;
        if (sample->daemon_version[0] == '\0')
                snprintf(sample->daemon_version, sizeof(sample->daemon_version), "%.31s",
                         sample->statistics.header.daemon_version);
}

void take_sample(const struct take_target *target, struct sample *ret) {
        struct find find;

        find_target(target, &find);
        fill(ret, target, &find);
        if (find.has_clock)
                read_statistics(ret, &find);
        else if (sample_is_up(ret))
                snprintf(ret->no_statistics, sizeof(ret->no_statistics), "%s", find.no_clock);
}

int take_complain(const struct sample *sample) {
        char text[SAMPLE_TEXT];
        int status = sample_exit_status(sample);

        if (!sample_is_up(sample))
                print_error("%s", sample_sentence(sample, text));
        if (sample->no_statistics[0] != '\0')
                print_error("%s", sample->no_statistics);
        return status == 0 && sample->no_statistics[0] != '\0' ? SAMPLE_EXIT_FAILED : status;
}
