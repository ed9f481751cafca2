/* SPDX-License-Identifier: MIT */
#include "daemon/startup/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lease/local.h"
#include "daemon/lease/state/directory.h"
#include "daemon/lease/worker_lock.h"
#include "daemon/segment/place.h"

static bool is_local(const struct config *config) {
        return strcmp(config->backend, "local") == 0;
}

static int check_group(const struct config *config) {
        gid_t group;

        return config_group(config, &group);
}

static int check_state(const struct config *config) {
        struct directory dir = DIRECTORY_NONE;
        int r;

        if (is_local(config))
                return local_check(config);
        r = directory_look(&dir, config->state_dir);
        if (r == 1)
                r = directory_check_lock(&dir);
        directory_close(&dir);
        return r;
}

static int check_segment(const struct config *config, const char *name, mode_t mode) {
        struct place place;
        off_t size;
        int fd, r = place_open(&place, config->shm, name);

        if (r < 0)
                return r;
        r = place_open_file(&place, mode, &fd, &size);
        if (r == 1)
                close(fd);
        place_close(&place);
        return r < 0 ? r : 0;
}

static int check_segments(const struct config *config) {
        int r = check_segment(config, "clock", 0644);

        if (r == 0)
                r = check_segment(config, "ledger", 0600);
        if (r == 0)
                r = check_segment(config, "statistics", 0640);
        return r;
}

/* The daemon that runs with this state directory, and would be restarted, may have them. */
static int check_workers(const struct config *config) {
        struct directory dir = DIRECTORY_NONE;
        pid_t ours = 0;
        int r;

        if (!is_local(config))
                return 0;
        if (access(config->state_dir, F_OK) == 0 && directory_look(&dir, config->state_dir) == 1)
                ours = directory_signed_by(&dir);
        r = worker_lock_check(config, config_worker_first(config), config->max_count, ours);
        directory_close(&dir);
        return r;
}

int startup_check(const struct config *config) {
        int (*const checks[])(const struct config *) = { check_group, check_state, check_segments,
                                                         check_workers };
        int first = 0;

        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
                int r = checks[i](config);

                if (first == 0)
                        first = r;
        }
        return first;
}
