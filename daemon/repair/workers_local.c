/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_local.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/worker_files.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

struct local_run {
        const struct config *config;
        char workers[32]; /* within the region: "7" or "0-3" */
        bool held;        /* by a daemon of this host: */
        struct worker_holder holder;
        bool has_fence;
        uint64_t fence_tick;
        char fence[FENCE_TIME_SIZE]; /* "-" without one */
        int64_t ahead_ms;
};

static int find_holder(struct local_run *run) {
        struct worker_file file = WORKER_FILE_NONE;
        int r = worker_file_open(&file, run->config);

        if (r <= 0)
                return r;
        r = worker_files_find(&run->holder, &file, config_worker_first(run->config),
                              run->config->max_count);
        close(file.directory);
        run->held = r == 1;
        return r < 0 ? log_failure(-r, EVENT_WORKERS, "cannot look for the daemons of this host in "
                                   WORKER_FILES ": %s", strerror(-r))
                     : 0;
}

static void set_fence(struct local_run *run, const struct fence_state *state) {
        int64_t now_ms = time_ns(CLOCK_REALTIME) / NS_PER_MS, fence_ms;

        run->has_fence = true;
        run->fence_tick = state->fence_tick;
        fence_time(&state->layout, state->fence_tick, run->fence);
        if (!__builtin_add_overflow(state->layout.epoch_unix_ms, state->fence_tick, &fence_ms))
                run->ahead_ms = fence_ms - now_ms;
}

/* Without a good fence the list has the rest, and a warning says why. */
static void read_fence(struct local_run *run) {
        const char *path = run->config->state_dir;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : 0;
        struct fence_state state;

        strcpy(run->fence, "-");
        if (r == 0)
                r = fence_file_read(fd, &state);
        if (fd >= 0)
                close(fd);
        if (r == 0)
                set_fence(run, &state);
        else if (r == -ENOENT)
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_WORKERS),
                          "%s has no fence: no daemon ever served "
                          "with it. Give the --config and --set of the daemon if one did", path);
        else if (r == -EBADMSG || r == -EPROTO)
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_WORKERS),
                          "the fence in %s is %s: sfshmd will not "
                          "start before 'sfshm fence --above'", path,
                          r == -EPROTO ? "of another version" : "damaged");
        else
                log_event(log_at(LOG_LEVEL_WARNING, EVENT_WORKERS),
                          "cannot read the fence in %s: %s%s", path,
                          strerror(-r), r == -EACCES ? "; run this as root or as the daemon's user"
                                                     : "");
}

static void print_text(FILE *out, const struct local_run *run) {
        const struct config *config = run->config;
        int width = (int)strlen(run->workers);

        fprintf(out, "region %" PRIu32 ": worker IDs %s by configuration (workers.backend = local)\n"
                "Those of other hosts are not known.\n", config->region, run->workers);
        width = width < 7 ? 7 : width;
        fprintf(out, "%-*s  %-7s  %7s  %7s  %-24s  %9s\n", width, "WORKERS", "STATE", "PID",
                "UID", "FENCE", "AHEAD_S");
        fprintf(out, "%-*s  %-7s", width, run->workers, run->held ? "held" : "unused");
        if (run->held && run->holder.pid > 0)
                fprintf(out, "  %7d", run->holder.pid);
        else
                fprintf(out, "  %7s", "-");
        if (run->held)
                fprintf(out, "  %7u", run->holder.uid);
        else
                fprintf(out, "  %7s", "-");
        if (run->has_fence)
                fprintf(out, "  %-24s  %9.1f\n", run->fence, (double)run->ahead_ms / 1e3);
        else
                fprintf(out, "  %-24s  %9s\n", "-", "-");
}

static json_t *number_if(bool known, uint64_t value) {
        return known && value <= INT64_MAX ? json_integer((json_int_t)value) : json_null();
}

static int print_json(FILE *out, const struct local_run *run) {
        json_t *object = json_pack(
                "{s:s, s:I, s:s, s:I, s:s, s:o, s:o, s:o, s:o, s:o}", "backend", "local", "region",
                (json_int_t)run->config->region, "workers", run->workers, "first_in_id",
                (json_int_t)config_worker_first(run->config), "state",
                run->held ? "held" : "unused", "pid",
                number_if(run->held && run->holder.pid > 0, (uint64_t)run->holder.pid), "uid",
                number_if(run->held, run->holder.uid), "fence_tick",
                number_if(run->has_fence, run->fence_tick), "fence",
                run->has_fence ? json_string(run->fence) : json_null(), "fence_ahead_ms",
                run->has_fence ? json_integer(run->ahead_ms) : json_null());
        char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

        json_decref(object);
        if (text == NULL)
                return log_failure(ENOMEM, EVENT_WORKERS, "no memory is left");
        fprintf(out, "%s\n", text);
        free(text);
        return 0;
}

int workers_local_list(FILE *out, const struct config *config, bool json) {
        struct local_run run = { .config = config };
        uint32_t last = config->first + config->max_count - 1; /* within the region: checked */
        int r = find_holder(&run);

        if (r < 0)
                return r;
        if (config->max_count > 1)
                snprintf(run.workers, sizeof(run.workers), "%" PRIu32 "-%" PRIu32, config->first,
                         last);
        else
                snprintf(run.workers, sizeof(run.workers), "%" PRIu32, config->first);
        read_fence(&run);
        if (json)
                return print_json(out, &run);
        print_text(out, &run);
        return 0;
}
