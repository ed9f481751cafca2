/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_task.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/lease/backends.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

int64_t workers_unix_ms(void) {
        return time_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int workers_task_explain(const struct workers_task *task, int r) {
        const char *place = task->connection.place;

        if (r == -EAGAIN)
                return log_failure(EAGAIN, EVENT_WORKERS,
                                   "another host or operator was faster at %s: "
                                   "nothing was changed; check with sfshm workers", place);
        if (r == -EIO || r == -ETIMEDOUT)
                return log_failure(-r, EVENT_WORKERS, "%s does not answer: check with sfshm "
                                   "workers what was done", place);
        if (r == -EACCES)
                return log_failure(EACCES, EVENT_WORKERS, "%s denied access: %s", place,
                                   task->kind->access_remedy);
        if (r == -E2BIG)
                return log_failure(E2BIG, EVENT_WORKERS,
                                   "more records would change than %s takes at "
                                   "once: name fewer worker IDs", place);
        if (r == -ENOMEM)
                return log_failure(ENOMEM, EVENT_WORKERS, "no memory is left");
        return r;
}

int workers_task_begin(struct workers_task *task, const struct config *config) {
        *task = (struct workers_task){ .config = config, .kind = backends_coordinator(config),
                               .space = { config->layout, config->region } };
        if (task->kind == NULL)
                return log_failure(EOPNOTSUPP, EVENT_COORDINATOR, "workers.backend = %s has no "
                                   "coordinator: each host has the workers.first of its own "
                                   "configuration and does not know the others",
                                   config->backend);
        return task->kind->connect(config, &task->counters, &task->connection);
}

static int look(struct workers_task *task, int (*read)(struct fleet_view **,
                                                       const struct coordinator_calls *, void *,
                                                       const struct fleet_space *)) {
        int r;

        task->view = fleet_view_free(task->view);
        r = read(&task->view, task->connection.calls, task->connection.coordinator, &task->space);
        if (r == -EIO || r == -ETIMEDOUT)
                return log_failure(-r, EVENT_WORKERS,
                                   "%s does not answer, and nothing was changed: check "
                                   "%s", task->connection.place, task->kind->name);
        return workers_task_explain(task, r);
}

int workers_task_look(struct workers_task *task) {
        return look(task, fleet_view_read);
}

int workers_task_look_contract(struct workers_task *task) {
        return look(task, fleet_view_contract);
}

int workers_task_end(struct workers_task *task, int r) {
        task->view = fleet_view_free(task->view);
        if (task->kind != NULL)
                task->kind->disconnect(&task->connection);
        return r == 0 && fflush(stdout) != 0 ? -errno : r;
}
