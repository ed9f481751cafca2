/* SPDX-License-Identifier: MIT */
#include "daemon/repair/fence_above.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/state/identity.h"
#include "daemon/lease/state/directory.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/repair/workers.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"
#include "shm/isotime.h"

#define MS_PER_DAY INT64_C(86400000)

/* At most INT64_MAX: all bits but the sign. */
static int parse_id(const char *text, uint64_t *ret) {
        uint64_t id = 0;

        for (; *text != '\0'; text++)
                if (__builtin_mul_overflow(id, UINT64_C(10), &id) ||
                    __builtin_add_overflow(id, (uint64_t)(*text - '0'), &id) || id > INT64_MAX)
                        return -ERANGE;
        *ret = id;
        return 0;
}

int fence_above_parse(const struct id_layout *layout, const char *text, uint64_t *ret_tick) {
        int64_t unix_ms, ms;
        uint64_t tick;

        if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0') {
                if (parse_id(text, &tick) < 0)
                        return -ERANGE;
                tick >>= id_position_bits(layout);
        } else {
                int r = isotime_parse(text, ISOTIME_ROUND_UP, &unix_ms);

                if (r < 0)
                        return r;
                if (__builtin_sub_overflow(unix_ms, layout->epoch_unix_ms, &ms) || ms < 0)
                        return -ERANGE;
                tick = (uint64_t)ms;
        }
        /* the daemon starts below the last tick only */
        if (tick >= id_tick_max(layout))
                return -ERANGE;
        *ret_tick = tick > 0 ? tick : 1; /* a fence of 0 says that there are no IDs */
        return 0;
}

static int parse(const struct id_layout *layout, const char *text, uint64_t *ret_tick) {
        char end[STATE_TIME_MAX], begin[STATE_TIME_MAX];
        int r = fence_above_parse(layout, text, ret_tick);

        if (r == -EINVAL)
                return log_failure(EINVAL, "fence-above", "\"%s\" is neither an ID nor a time: say a "
                                   "decimal ID, or a time as " ISOTIME_FORMS, text);
        if (r < 0)
                return log_failure(-r, "fence-above", "%s is outside the times of id.epoch and "
                                   "id.layout, from %s to %s: nothing can begin above it", text,
                                   state_time(layout, 1, begin),
                                   state_time(layout, id_tick_max(layout), end));
        return 0;
}

/* Until then the next daemon gives no ID, or IDs that are as far ahead. */
static int check_ahead(const struct id_layout *layout, uint64_t tick) {
        int64_t now_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS, fence_ms, ahead_ms;
        char time[STATE_TIME_MAX];

        if (__builtin_add_overflow(layout->epoch_unix_ms, (int64_t)tick, &fence_ms) ||
            __builtin_sub_overflow(fence_ms, now_ms, &ahead_ms))
                ahead_ms = INT64_MAX;
        if (ahead_ms <= MS_PER_DAY)
                return 0;
        return log_failure(ERANGE, "fence-above", "%s is %" PRId64 " days ahead of the wall clock: "
                           "for as long there would be no IDs, or IDs which are as far ahead. Check "
                           "the clock, and that the ID is of id.layout and id.epoch; --force does "
                           "it nevertheless", state_time(layout, tick, time),
                           ahead_ms / MS_PER_DAY);
}

int fence_above_tick(const struct id_layout *layout, const char *text, bool force,
                     uint64_t *ret_tick) {
        uint64_t tick;
        int r = parse(layout, text, &tick);

        if (r == 0 && !force)
                r = check_ahead(layout, tick);
        if (r == 0)
                *ret_tick = tick;
        return r;
}

/* What is to be done, by whom and where. */
struct task {
        const struct config *config;
        struct fence_state host; /* this machine, with the fence that was asked for */
        struct directory dir;
        bool coordinated; /* the host's fence is in a coordinator, and takes this one along */
        char time[STATE_TIME_MAX]; /* of that fence */
};

static int check_good(const struct task *task, const struct fence_state *found) {
        char time[STATE_TIME_MAX];
        int r = identity_check_space(task->dir.place, found, &task->host);

        if (r < 0)
                return r;
        state_time(&found->layout, found->fence_tick, time);
        if (task->host.fence_tick < found->fence_tick)
                return log_failure(EEXIST, "fence-above", "%s is good and says that IDs up to tick "
                                   "%" PRIu64 " (%s) may exist: the fence never goes down, here to "
                                   "tick %" PRIu64 " (%s). Say --above %s to begin above both",
                                   task->dir.place, found->fence_tick, time,
                                   task->host.fence_tick, task->time, time);
        printf("%s is good: IDs up to tick %" PRIu64 " (%s) may exist.\n", task->dir.place,
               found->fence_tick, time);
        return 0;
}

static int report_foreign(const struct task *task, const struct fence_state *found) {
        char time[STATE_TIME_MAX];

        printf("%s is of another machine, where IDs up to tick %" PRIu64 " (%s) may exist.\n"
               "If that machine still runs, both hand out the same IDs, unless workers.first "
               "differs.\n", task->dir.place, found->fence_tick,
               state_time(&found->layout, found->fence_tick, time));
        return 0;
}

/* What is there, in words. -errno: it must stay as it is. */
static int judge(const struct task *task) {
        const char *place = task->dir.place;
        struct fence_state found;
        char name[256];
        int r = fence_file_read(task->dir.fd, &found);

        if (r == 0)
                return identity_same_machine(&found, &task->host) ? check_good(task, &found)
                                                              : report_foreign(task, &found);
        if (r == -EBADMSG)
                printf("%s is torn or damaged: its fence cannot be known.\n", place);
        else if (r == -EPROTO)
                printf("%s is of another version of sfshmd: its fence cannot be known.\n", place);
        else if (r == -ENOENT && task->coordinated)
                printf("%s is made for this host's next start, which takes it along.\n", place);
        else if (r == -ENOENT && directory_evidence(&task->dir, name) == 0)
                printf("%s is not there, and nothing shows that it ever was.\n", place);
        else if (r == -ENOENT)
                printf("%s is lost: its fence cannot be known.\n", place);
        else
                return log_failure(-r, "fence-above", "cannot read %s: %s; repair the disk, or move "
                                   "the file away", place, strerror(-r));
        return 0;
}

/*
 * The ledger goes first: a daemon that adopts one goes on where that ends, below
 * the new fence. If we are killed in between, the next daemon begins above the old
 * fence, or refuses to start as before. In the other order it would take the new
 * fence for good and hand out IDs below it.
 */
static int carry_out(const struct task *task) {
        int r = ledger_id_forget(task->config->state_dir);

        if (r < 0)
                return r;
        r = fence_file_write(task->dir.fd, &task->host, &fence_file_kernel);
        if (r < 0)
                return log_failure(-r, "fence-above", "cannot write %s: %s; make room or repair the "
                                   "disk, then repeat this", task->dir.place, strerror(-r));
        r = directory_sign(&task->dir);
        if (r < 0)
                return r;
        printf("The fence is tick %" PRIu64 " (%s) now: the next sfshmd gives no ID below %" PRIu64
               ".\nThat is right if all IDs of its workers are. Clients which are still attached use "
               "up what they\nwere promised before, for %" PRId64 " s at most (reserve.standing).\n",
               task->host.fence_tick, task->time,
               (task->host.fence_tick + 1) << id_position_bits(&task->host.layout),
               task->config->standing_ns / NS_PER_S);
        return fflush(stdout) == 0 ? 0 : -errno;
}

/* With a coordinator a host has the workers which it gives. */
static int describe(struct task *task) {
        struct config config = *task->config;

        config.has_first |= task->coordinated;
        return identity_describe(&task->host, &config);
}

int fence_above(const struct config *config, const char *text, bool force) {
        struct task task = { .config = config, .dir = DIRECTORY_NONE,
                             .coordinated = strcmp(config->backend, "local") != 0 };
        bool repaired = false;
        int r = task.coordinated ? workers_fence_above(config, text, force, &repaired) : 0;

        if (r < 0 || repaired)
                return r;
        r = describe(&task);
        if (r == 0)
                r = fence_above_tick(&task.host.layout, text, force, &task.host.fence_tick);
        if (r == 0)
                state_time(&task.host.layout, task.host.fence_tick, task.time);
        if (r == 0)
                r = directory_open(&task.dir, config->state_dir);
        if (r == 0)
                r = judge(&task);
        if (r == 0)
                r = carry_out(&task);
        directory_close(&task.dir);
        return r;
}
