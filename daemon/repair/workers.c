/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/lease/backends.h"
#include "daemon/lease/backoff.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/repair/above.h"
#include "daemon/repair/release_command.h"
#include "daemon/repair/workers_begin.h"
#include "daemon/repair/workers_json.h"
#include "daemon/repair/workers_local.h"
#include "daemon/repair/workers_text.h"
#include "daemon/util/log.h"

/* ---- listing */

/* With a wrong prefix all worker IDs seem free. */
static void tell_if_unused(const struct workers_task *task) {
        if (task->view->contract_modified == 0)
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_WORKERS),
                          "no ID space was begun at %s: correct the "
                          "address and the prefix in the configuration if one should have been, "
                          "else begin one by 'sfshm workers --begin'",
                          task->connection.place);
}

static int list_region(struct workers_task *task, bool json) {
        struct workers_list list;
        int r = workers_task_look(task);

        if (r < 0)
                return r;
        tell_if_unused(task);
        list = (struct workers_list){ task->view, task->space,
                                      fleet_tick_of(&task->space.layout, workers_unix_ms()),
                                      (uint64_t)(task->config->recycle_delay_ns / NS_PER_MS) };
        return workers_task_explain(task, json ? workers_list_json(stdout, &list)
                                               : workers_list_text(stdout, &list));
}

static int list_all(struct workers_task *task, bool json) {
        struct worker_set regions;
        int r = workers_task_look_contract(task);

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

static int begin_asked(const struct workers_task *task, const struct workers_request *request) {
        char remembered[RECORD_HEX];
        struct record_contract contract;
        struct workers_begin begin = { .calls = task->connection.calls,
                                       .coordinator = task->connection.coordinator,
                                       .place = task->connection.place,
                                       .space = task->space,
                                       .remembered = remembered,
                                       .named = request->space,
                                       .horizon_ms = (uint64_t)task->config->horizon_ns / NS_PER_MS,
                                       .unix_ms = workers_unix_ms() };
        int r = workers_begin_remembered(task->config->state_dir, remembered);

        snprintf(begin.drawn, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, backoff_random(),
                 backoff_random());
        if (!request->force)
                begin.least_tick = above_least_tick(task->config);
        if (r == 0 && request->above != NULL)
                r = above_tick(&task->space.layout, request->above, request->force,
                               &begin.above_tick);
        if (r == 0)
                r = workers_task_explain(task, workers_begin(&begin, &contract));
        if (r == 0)
                describe_space(&contract);
        return r;
}

int workers_command(const struct config *config, const struct workers_request *request) {
        bool local = backends_coordinator(config) == NULL;
        struct workers_task task;
        int r;

        if (local && request->release == NULL && !request->begin && !request->all_regions) {
                r = workers_local_list(stdout, config, request->json);
                return r == 0 && fflush(stdout) != 0 ? -errno : r;
        }
        r = workers_task_begin(&task, config);
        if (r == 0 && request->begin)
                r = begin_asked(&task, request);
        else if (r == 0 && request->release != NULL)
                r = release_command(&task, request);
        else if (r == 0)
                r = request->all_regions ? list_all(&task, request->json) :
                                           list_region(&task, request->json);
        return workers_task_end(&task, r);
}

int workers_fence_above(const struct config *config, const char *above, bool force,
                        bool *ret_repaired) {
        struct workers_task task;
        int r = workers_task_begin(&task, config);

        if (r == 0)
                r = release_command_fence(&task, above, force, ret_repaired);
        return workers_task_end(&task, r);
}

int workers_check(const struct config *config) {
        struct workers_task task;
        int r;

        if (backends_coordinator(config) == NULL)
                return 0;
        r = workers_task_begin(&task, config);
        if (r == 0)
                r = workers_task_look(&task);
        if (r == 0)
                r = fleet_view_begun(task.view);
        return workers_task_end(&task, r);
}
