/* SPDX-License-Identifier: MIT */
#include "daemon/repair/fence_above.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/state/directory.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/identity.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/repair/above.h"
#include "daemon/repair/workers.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* The request, and where it is carried out. */
struct task {
        const struct config *config;
        struct fence_state host; /* this machine, with the fence that was asked for */
        struct directory dir;
        bool coordinated; /* the host's fence is in a coordinator, and adopts this one */
        char time[FENCE_TIME_SIZE]; /* of that fence */
};

static int check_good(const struct task *task, const struct fence_state *found) {
        char time[FENCE_TIME_SIZE];
        int r = identity_check_space(task->dir.place, found, &task->host);

        if (r < 0)
                return r;
        fence_time(&found->layout, found->fence_tick, time);
        if (task->host.fence_tick < found->fence_tick)
                return log_failure(EEXIST, EVENT_FENCE_ABOVE,
                                   "%s is good and says that IDs up to tick "
                                   "%" PRIu64 " (%s) may exist: the fence never goes down, here to "
                                   "tick %" PRIu64 " (%s). Say --above %s to begin above both",
                                   task->dir.place, found->fence_tick, time,
                                   task->host.fence_tick, task->time, time);
        printf("%s is good: IDs up to tick %" PRIu64 " (%s) may exist.\n", task->dir.place,
               found->fence_tick, time);
        return 0;
}

static int report_foreign(const struct task *task, const struct fence_state *found) {
        char time[FENCE_TIME_SIZE];

        printf("%s is of another machine, where IDs up to tick %" PRIu64 " (%s) may exist.\n"
               "If that machine still runs, both hand out the same IDs, unless workers.first "
               "differs.\n",
               task->dir.place, found->fence_tick,
               fence_time(&found->layout, found->fence_tick, time));
        return 0;
}

/* What is there, in words. -errno: it must stay as it is. */
static int judge_found(const struct task *task) {
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
                return log_failure(-r, EVENT_FENCE_ABOVE,
                                   "cannot read %s: %s; repair the disk, or move "
                                   "the file away", place, strerror(-r));
        return 0;
}

/*
 * The ledger's ID is removed first. A daemon that adopts a ledger continues where that
 * ends, below the new fence. If we are killed in between, the next daemon begins above the
 * old fence, or refuses to start as before. In the other order it would take the new fence
 * for good and issue IDs below it.
 */
static int carry_out_task(const struct task *task) {
        int r = ledger_id_forget(task->config->state_dir);

        if (r < 0)
                return r;
        r = fence_file_write(task->dir.fd, &task->host, &small_file_kernel);
        if (r < 0)
                return log_failure(-r, EVENT_FENCE_ABOVE,
                                   "cannot write %s: %s; make room or repair the "
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

int fence_above(const struct config *config, const char *text, bool force) {
        struct task task = { .config = config, .dir = DIRECTORY_NONE,
                             .coordinated = strcmp(config->backend, "local") != 0 };
        struct config host = *config;
        bool repaired = false;
        int r = task.coordinated ? workers_fence_above(config, text, force, &repaired) : 0;

        if (r < 0 || repaired)
                return r;
        host.has_first |= task.coordinated; /* a coordinator gives a host its workers */
        r = identity_describe(&task.host, &host);
        if (r == 0)
                r = above_tick(&task.host.layout, text, force, &task.host.fence_tick);
        if (r == 0)
                fence_time(&task.host.layout, task.host.fence_tick, task.time);
        if (r == 0)
                r = directory_open(&task.dir, config->state_dir);
        if (r == 0)
                r = judge_found(&task);
        if (r == 0)
                r = carry_out_task(&task);
        directory_close(&task.dir);
        return r;
}
