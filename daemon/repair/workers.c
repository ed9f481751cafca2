/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/backends.h"
#include "daemon/lease/backoff.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/repair/above.h"
#include "daemon/repair/workers_begin.h"
#include "daemon/repair/workers_list.h"
#include "daemon/repair/workers_local.h"
#include "daemon/repair/workers_release.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* It needs no state directory, and takes no lock of one. */
struct task {
        const struct config *config;
        const struct fleet_kind *kind; /* NULL: not connected */
        struct lease_counters counters;
        struct fleet_connection connection;
        struct fleet_space space;
        struct fleet_view *view;
};

static int64_t unix_ms(void) {
        return time_ns(CLOCK_REALTIME) / NS_PER_MS;
}

/* Logs what the coordinator has not logged itself. */
static int explain_error(const struct task *task, int r) {
        const char *place = task->connection.place;

        if (r == -EAGAIN)
                return log_failure(EAGAIN, "workers", "another host or operator was faster at %s: "
                                   "nothing was changed; check with sfshm workers", place);
        if (r == -EIO || r == -ETIMEDOUT)
                return log_failure(-r, "workers", "%s does not answer: check with sfshm "
                                   "workers what was done", place);
        if (r == -EACCES)
                return log_failure(EACCES, "workers", "%s denied access: %s", place,
                                   task->kind->access_remedy);
        if (r == -E2BIG)
                return log_failure(E2BIG, "workers", "more records would change than %s takes at "
                                   "once: name fewer worker IDs", place);
        if (r == -ENOMEM)
                return log_failure(ENOMEM, "workers", "no memory is left");
        return r;
}

static int begin_task(struct task *task, const struct config *config) {
        *task = (struct task){ .config = config, .kind = backends_coordinator(config),
                               .space = { config->layout, config->region } };
        if (task->kind == NULL)
                return log_failure(EOPNOTSUPP, "coordinator", "workers.backend = %s has no "
                                   "coordinator: each host has the workers.first of its own "
                                   "configuration and does not know the others",
                                   config->backend);
        return task->kind->connect(config, &task->counters, &task->connection);
}

static int look_at_region(struct task *task) {
        int r;

        task->view = fleet_view_free(task->view);
        r = fleet_view_read(&task->view, task->connection.calls, task->connection.coordinator,
                            &task->space);
        if (r == -EIO || r == -ETIMEDOUT)
                return log_failure(-r, "workers", "%s does not answer, and nothing was changed: check "
                                   "%s", task->connection.place, task->kind->name);
        return explain_error(task, r);
}

/* Returns `r`, or why the output failed. */
static int end_task(struct task *task, int r) {
        task->view = fleet_view_free(task->view);
        if (task->kind != NULL)
                task->kind->disconnect(&task->connection);
        return r == 0 && fflush(stdout) != 0 ? -errno : r;
}

/* ---- listing */

/* With a wrong prefix all worker IDs seem free. */
static void tell_if_unused(const struct task *task) {
        if (task->view->contract_modified == 0)
                log_event(LOG_LEVEL_WARNING, "workers", "no ID space was begun at %s: correct the "
                          "address and the prefix in the configuration if one should have been, "
                          "else begin one by 'sfshm workers --begin'",
                          task->connection.place);
}

static int list_region(struct task *task, bool json) {
        struct workers_list list;
        int r = look_at_region(task);

        if (r < 0)
                return r;
        tell_if_unused(task);
        list = (struct workers_list){ task->view, task->space,
                                      fleet_tick_of(&task->space.layout, unix_ms()),
                                      (uint64_t)(task->config->recycle_delay_ns / NS_PER_MS) };
        return explain_error(task, json ? workers_list_json(stdout, &list)
                                        : workers_list_text(stdout, &list));
}

static int list_all(struct task *task, bool json) {
        struct worker_set regions;
        int r = look_at_region(task);

        if (r < 0)
                return r;
        tell_if_unused(task);
        regions = task->view->contract.regions;
        for (uint32_t i = worker_set_next(&regions, 0); r == 0 && i < WORKER_SET_MAX;
             i = worker_set_next(&regions, i + 1)) {
                task->space.region = i;
                r = list_region(task, json);
        }
        return r;
}

/* ---- releasing */

static int confirm_change(const char *question, bool yes) {
        char answer[16];

        if (yes)
                return 0;
        if (!isatty(STDIN_FILENO))
                return log_failure(EINVAL, "workers-release", "cannot ask for confirmation, as "
                                   "standard input is not a terminal: say --yes");
        printf("%s [y/N] ", question);
        fflush(stdout);
        if (fgets(answer, sizeof(answer), stdin) != NULL &&
            (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0))
                return 0;
        return log_failure(ECANCELED, "workers-release", "nothing was changed");
}

static void describe_owner(const struct task *task, const struct fleet_owner *owner) {
        const struct record_host *record = owner->record;
        char *workers = worker_set_text(&record->workers), time[FENCE_TIME_SIZE];

        printf("Worker IDs %s of ", workers != NULL ? workers : "?");
        workers_print_plain(stdout, record->who.host);
        printf(" (machine %.8s, pid %" PRId64 "), %s: IDs up to tick %" PRIu64 " (%s) may exist.\n",
               record->who.machine_id, record->who.pid, workers_state_name(workers_state_of(owner)),
               record->fence_tick, fence_time(&task->space.layout, record->fence_tick, time));
        if (owner->alive)
                puts("Its session is alive and is ended. If sfshmd still runs there, it begins a new one, "
                     "or loses these\nworker IDs to a host that claims them first, and must then be "
                     "restarted.");
        free(workers);
}

static int free_owners(const struct task *task, const struct workers_release *release,
                       const size_t *owners, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = explain_error(task, workers_release_free(release, owners[i]));

                if (r < 0)
                        return r;
                printf("Freed: ");
                describe_owner(task, &release->view->owners[owners[i]]);
        }
        return 0;
}

static int release_dead(const struct task *task, const struct workers_release *release,
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

static int give_fence(const struct task *task, const struct workers_release *release,
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
            workers_release_fence(release, tick, by, unix_ms(), random, &fence_tick);
        r = explain_error(task, r);
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

static int release_above(const struct task *task, const struct workers_release *release,
                         const struct workers_request *request) {
        uint64_t tick = 0;
        int r = above_tick(&task->space.layout, request->above, request->force, &tick);

        if (r == 0)
                r = workers_release_check(release);
        if (r == 0) {
                printf("No record says up to where IDs of worker IDs %s of region %" PRIu32
                       " exist.\nIf one of them is later than %s, IDs are issued twice. Their "
                       "hosts and the clients there must not run.\n", request->release,
                       task->space.region, request->above);
                r = confirm_change("Give them that fence?", request->yes);
        }
        return r == 0 ? give_fence(task, release, tick) : r;
}

static struct workers_release make_release(const struct task *task) {
        return (struct workers_release){ .calls = task->connection.calls,
                                         .coordinator = task->connection.coordinator,
                                         .view = task->view,
                                         .space = task->space };
}

static int release_asked(struct task *task, const struct workers_request *request) {
        struct workers_release release;
        int r = look_at_region(task);

        if (r < 0)
                return r;
        release = make_release(task);
        if (*request->release == '\0' ||
            worker_set_parse(request->release, task->view->end, &release.asked) < 0)
                return log_failure(EINVAL, "workers-release", "\"%s\" is no list of worker IDs as "
                                   "7 or 0-3,7, in order, within the region and below %" PRIu32,
                                   request->release, task->view->end);
        return request->above != NULL ? release_above(task, &release, request) :
                                        release_dead(task, &release, request);
}

/* ---- beginning a space */

static void describe_space(const struct record_contract *contract) {
        char time[FENCE_TIME_SIZE];

        if (contract->recovered_unix_ms == 0)
                printf("The space %s is begun", contract->space);
        else
                printf("The space %s is continued", contract->space);
        if (contract->not_before_tick > 0)
                printf(": every claim begins above tick %" PRIu64 " (%s)",
                       contract->not_before_tick,
                       fence_time(&contract->layout, contract->not_before_tick, time));
        puts(".");
}

static int begin_asked(const struct task *task, const struct workers_request *request) {
        char remembered[RECORD_HEX];
        struct record_contract contract;
        struct workers_begin begin = { .calls = task->connection.calls,
                                       .coordinator = task->connection.coordinator,
                                       .place = task->connection.place,
                                       .space = task->space,
                                       .remembered = remembered,
                                       .named = request->space,
                                       .unix_ms = unix_ms() };
        int r = workers_begin_remembered(task->config->state_dir, remembered);

        snprintf(begin.drawn, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, backoff_random(),
                 backoff_random());
        if (!request->force)
                begin.least_tick = above_least_tick(task->config);
        if (r == 0 && request->above != NULL)
                r = above_tick(&task->space.layout, request->above, request->force,
                               &begin.above_tick);
        if (r == 0)
                r = explain_error(task, workers_begin(&begin, &contract));
        if (r == 0)
                describe_space(&contract);
        return r;
}

int workers_command(const struct config *config, const struct workers_request *request) {
        bool local = backends_coordinator(config) == NULL;
        struct task task;
        int r;

        if (local && request->release == NULL && !request->begin && !request->all_regions) {
                r = workers_local_list(stdout, config, request->json);
                return r == 0 && fflush(stdout) != 0 ? -errno : r;
        }
        r = begin_task(&task, config);
        if (r == 0 && request->begin)
                r = begin_asked(&task, request);
        else if (r == 0 && request->release != NULL)
                r = release_asked(&task, request);
        else if (r == 0)
                r = request->all_regions ? list_all(&task, request->json) :
                                           list_region(&task, request->json);
        return end_task(&task, r);
}

/* ---- sfshm fence --above */

static int fence_refused(struct task *task, uint64_t tick, bool *ret_repaired) {
        struct workers_release release;
        int r = look_at_region(task);

        if (r < 0)
                return r;
        release = make_release(task);
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
                r = give_fence(task, &release, tick);
        *ret_repaired = r == 0;
        return r;
}

int workers_fence_above(const struct config *config, const char *above, bool force,
                        bool *ret_repaired) {
        struct task task;
        uint64_t tick = 0;
        int r = begin_task(&task, config);

        if (r == 0)
                r = above_tick(&task.space.layout, above, force, &tick);
        if (r == 0)
                r = fence_refused(&task, tick, ret_repaired);
        return end_task(&task, r);
}

int workers_check(const struct config *config) {
        struct task task;
        int r;

        if (backends_coordinator(config) == NULL)
                return 0;
        r = begin_task(&task, config);
        if (r == 0)
                r = look_at_region(&task);
        if (r == 0)
                r = fleet_view_begun(task.view);
        return end_task(&task, r);
}
