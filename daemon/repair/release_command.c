/* SPDX-License-Identifier: MIT */
#include "daemon/repair/release_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/backoff.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/repair/above.h"
#include "daemon/repair/workers_release.h"
#include "daemon/repair/workers_text.h"
#include "daemon/util/log.h"


static int confirm_change(const char *question, bool yes) {
        char answer[16];

        if (yes)
                return 0;
        if (!isatty(STDIN_FILENO))
                return log_failure(EINVAL, EVENT_WORKERS_RELEASE, "cannot ask for confirmation, as "
                                   "standard input is not a terminal: say --yes");
        printf("%s [y/N] ", question);
        fflush(stdout);
        if (fgets(answer, sizeof(answer), stdin) != NULL &&
            (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
                return 0;
        return log_failure(ECANCELED, EVENT_WORKERS_RELEASE, "nothing was changed");
}

static void describe_owner(const struct workers_task *task, const struct fleet_owner *owner) {
        const struct record_brief *record = owner->record;
        char time[FENCE_TIME_SIZE];

        printf("Worker IDs %s of ", record->workers);
        workers_print_plain(stdout, record->who.host);
        printf(" (machine %.8s, pid %" PRId64 "), %s: IDs up to tick %" PRIu64 " (%s) may exist.\n",
               record->who.machine_id, record->who.pid, workers_state_name(workers_state_of(owner)),
               record->fence_tick, fence_time(&task->space.layout, record->fence_tick, time));
        if (owner->alive)
                puts("Its session is alive and is ended. If sfshmd still runs there, it begins a new one, "
                     "or loses these\nworker IDs to a host that claims them first, and must then be "
                     "restarted.");
}

static int free_owners(const struct workers_task *task, const struct workers_release *release,
                       const size_t *owners, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = workers_task_explain(task, workers_release_free(release, owners[i]));

                if (r < 0)
                        return r;
                printf("Freed: ");
                describe_owner(task, &release->view->owners[owners[i]]);
        }
        return 0;
}

static int release_dead(const struct workers_task *task, const struct workers_release *release,
                        const struct workers_request *request) {
        size_t *owners = NULL, n = 0;
        int r = workers_release_owners(release, request->force, &owners, &n);

        for (size_t i = 0; r == 0 && i < n; i++)
                describe_owner(task, &release->view->owners[owners[i]]);
        if (r == 0) {
                puts("All worker IDs of a host are freed together. Another host may take them when "
                     "its clock has\npassed that time: the fence stays as it is, and "
                     "workers.recycle_delay is not waited for.");
                r = confirm_change("Free them?", request->yes);
        }
        if (r == 0)
                r = free_owners(task, release, owners, n);
        free(owners);
        return r;
}

static int give_fence(const struct workers_task *task, const struct workers_release *release,
                      uint64_t tick) {
        const uint64_t random[4] = { backoff_random(), backoff_random(), backoff_random(),
                                     backoff_random() };
        char *workers = worker_set_text(&release->asked), by[RECORD_NAME] = "by hand on ";
        char time[FENCE_TIME_SIZE];
        uint64_t fence_tick = 0;
        int r;

        if (gethostname(by + strlen(by), sizeof(by) - strlen(by) - 1) < 0)
                snprintf(by, sizeof(by), "by hand");
        r = workers == NULL ? -ENOMEM :
            workers_release_fence(release, tick, by, workers_unix_ms(), random, &fence_tick);
        r = workers_task_explain(task, r);
        if (r == 0)
                printf("Worker IDs %s of region %" PRIu32 " have the fence tick %" PRIu64
                       " (%s) now: "
                       "a host may take them when its\nclock has passed that time, and hands out "
                       "IDs above it only. That is right if none of their IDs is later.\n",
                       workers, task->space.region, fence_tick,
                       fence_time(&task->space.layout, fence_tick, time));
        free(workers);
        return r;
}

/* No record contradicts the operator here. */
static int check_tick(const struct workers_task *task, uint64_t tick, bool force) {
        return force ? 0 : above_check(&task->space.layout, tick, above_least_tick(task->config),
                                       EVENT_WORKERS_RELEASE, "the hosts that had these worker IDs");
}

static int release_above(const struct workers_task *task, const struct workers_release *release,
                         const struct workers_request *request) {
        uint64_t tick = 0;
        int r = above_tick(&task->space.layout, request->above, request->force, &tick);

        if (r == 0)
                r = workers_release_check(release);
        if (r == 0)
                r = check_tick(task, tick, request->force);
        if (r == 0) {
                printf("No record says up to where IDs of worker IDs %s of region %" PRIu32
                       " exist.\nIf one of them is later than %s, IDs are issued twice. Their "
                       "hosts and the clients there must not run.\n", request->release,
                       task->space.region, request->above);
                r = confirm_change("Give them that fence?", request->yes);
        }
        return r == 0 ? give_fence(task, release, tick) : r;
}

static struct workers_release make_release(const struct workers_task *task) {
        return (struct workers_release){ .calls = task->connection.calls,
                                         .coordinator = task->connection.coordinator,
                                         .view = task->view,
                                         .space = task->space };
}

int release_command(struct workers_task *task, const struct workers_request *request) {
        struct workers_release release;
        int r = workers_task_look(task);

        if (r < 0)
                return r;
        release = make_release(task);
        if (*request->release == '\0' ||
            worker_set_parse(request->release, task->view->end, &release.asked) < 0)
                return log_failure(EINVAL, EVENT_WORKERS_RELEASE,
                                   "\"%s\" is no list of worker IDs as "
                                   "7 or 0-3,7, in order, within the region and below %" PRIu32,
                                   request->release, task->view->end);
        return request->above != NULL ? release_above(task, &release, request) :
                                        release_dead(task, &release, request);
}

static int fence_refused(struct workers_task *task, uint64_t tick, bool force,
                         bool *ret_repaired) {
        struct workers_release release = make_release(task);
        int r;

        for (uint32_t w = 0; w < task->view->end; w++)
                if (task->view->of_worker[w] == FLEET_REFUSED)
                        worker_set_add(&release.asked, w);
        if (worker_set_count(&release.asked) == 0) {
                printf("No worker ID of region %" PRIu32 " in %s is refused for want of a fence.\n",
                       task->space.region, task->connection.place);
                return 0;
        }
        r = workers_release_check(&release);
        if (r == 0)
                r = check_tick(task, tick, force);
        if (r == 0)
                r = give_fence(task, &release, tick);
        *ret_repaired = r == 0;
        return r;
}

int release_command_fence(struct workers_task *task, const char *above, bool force,
                          bool *ret_repaired) {
        uint64_t tick = 0;
        int r = above_tick(&task->space.layout, above, force, &tick);

        if (r == 0)
                r = workers_task_look(task);
        return r == 0 ? fence_refused(task, tick, force, ret_repaired) : r;
}
