/* SPDX-License-Identifier: MIT */
#include "daemon/lease/local.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/state/directory.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/identity.h"
#include "daemon/util/log.h"

/* For an operator who knows what IDs may exist, when this file does not tell. */
#define BEGIN_ABOVE \
        "begin above an ID or time that no ID has passed: sfshm fence --above ID|TIME (with " \
        "the same --config and --set)"
/* This is enough when nothing is known but that the clock was never ahead. */
#define SAFE_TIME "if the clock is right and was never ahead, workers.horizon from now is enough"

struct local {
        struct directory dir;
        struct fence_state state; /* of this daemon; each write of the fence has it */
        struct lease_grant grant; /* what was found */
};

static void local_close(void *backend) {
        struct local *local = backend;

        if (!local)
                return;
        directory_close(&local->dir);
        free(local);
}

static int local_write_fence(void *backend, uint64_t fence_tick) {
        const struct local *local = backend;
        struct fence_state state = local->state;

        state.fence_tick = fence_tick;
        return fence_file_write(local->dir.fd, &state, &small_file_kernel);
}

static int check_first(const struct local *local) {
        char name[256];
        int r = directory_evidence(&local->dir, name);

        if (r < 0)
                return log_failure(-r, EVENT_STATE, "cannot list state directory %s: %s",
                                   local->dir.path, strerror(-r));
        if (r > 0)
                return log_failure(
                        ENOENT, EVENT_STATE_MISSING,
                        "%s is missing, but %s/%s shows that this is no first start: IDs "
                        "may have been issued of which there is no record. Put the file back, or "
                        BEGIN_ABOVE "; " SAFE_TIME,
                        local->dir.place, local->dir.path, name);
        return 0;
}

/* Writes the state of a host that never issued an ID: from now on a missing file is a
 * lost one. */
static int first_start(struct local *local) {
        int r = check_first(local);

        if (r < 0)
                return r;
        r = local_write_fence(local, 0);
        if (r < 0)
                return log_failure(-r, EVENT_STATE,
                                   "cannot write %s: %s; make room or repair the disk",
                                   local->dir.place, strerror(-r));
        log_event(EVENT_FIRST_START,
                  local->dir.created
                          ? "created state directory %s: this is the first start with it"
                          : "state directory %s is empty: this is the first start with it",
                  local->dir.path);
        return 0;
}

static int check_state(const struct local *local, const struct fence_state *found) {
        int r;

        if (!identity_same_machine(found, &local->state))
                return log_failure(
                        EXDEV, EVENT_STATE_MACHINE,
                        "%s was written on another machine (its machine-id is not that of "
                        "/etc/machine-id): a copied disk must not issue the same IDs "
                        "twice. Give this machine worker IDs of its own (workers.first) "
                        "and an empty daemon.state_dir; or, if it replaces that machine, "
                        "which will never run again, " BEGIN_ABOVE,
                        local->dir.place);
        r = identity_check_space(local->dir.place, found, &local->state);
        if (r < 0)
                return r;
        /* Any run may follow any other: the fence is one number for all worker IDs that
         * daemons of this directory ever held. */
        if (found->worker_first != local->state.worker_first ||
            found->worker_count != local->state.worker_count)
                log_event(WITH(EVENT_STATE_WORKERS, FIELD(WORKER, local->state.worker_first),
                               FIELD(WORKER_COUNT, local->state.worker_count)),
                          "the worker IDs change from %" PRIu32 "+%" PRIu32 " to %" PRIu32
                          "+%" PRIu32 "; the fence is kept",
                          found->worker_first, found->worker_count, local->state.worker_first,
                          local->state.worker_count);
        return 0;
}

/* `r`: what reading it gave, but for a file that is not there. */
static int judge_state(const struct local *local, int r, const struct fence_state *found) {
        if (r == -EPROTO)
                return log_failure(EPROTO, WITH(EVENT_STATE_VERSION,
                                                FIELD(FILE, local->dir.place)),
                                   "%s was written by another version of sfshmd which this one does "
                        "not understand: run that version, or " BEGIN_ABOVE,
                        local->dir.place);
        if (r == -EBADMSG)
                return log_failure(EBADMSG, WITH(EVENT_STATE_DAMAGED,
                                                 FIELD(FILE, local->dir.place)),
                                   "%s is torn or damaged: its fence cannot be trusted, and without "
                        "one IDs could be issued twice. Put back a good copy, or "
                        BEGIN_ABOVE "; " SAFE_TIME,
                        local->dir.place);
        if (r < 0)
                return log_failure(-r, EVENT_STATE,
                                   "cannot read %s: %s; repair the disk, or move the "
                                   "file away and " BEGIN_ABOVE, local->dir.place, strerror(-r));
        return check_state(local, found);
}

static int read_state(struct local *local, struct lease_grant *grant) {
        struct fence_state found = { .fence_tick = 0 };
        int r = fence_file_read(local->dir.fd, &found);

        grant->first_start = r == -ENOENT;
        r = r == -ENOENT ? first_start(local) : judge_state(local, r, &found);
        grant->fence_tick = found.fence_tick;
        return r;
}

int local_check(const struct config *config) {
        struct local local = { .dir = DIRECTORY_NONE };
        struct fence_state found = { .fence_tick = 0 };
        int r = identity_describe(&local.state, config);

        if (r == 0)
                r = directory_look(&local.dir, config->state_dir);
        if (r == 1)
                r = directory_check_lock(&local.dir);
        if (r == 0 && local.dir.fd >= 0) {
                r = fence_file_read(local.dir.fd, &found);
                r = r == -ENOENT ? check_first(&local) : judge_state(&local, r, &found);
        }
        directory_close(&local.dir);
        return r;
}

static int local_start(struct local *local, const struct config *config) {
        int r = identity_describe(&local->state, config);

        if (r == 0)
                r = directory_open(&local->dir, config->state_dir);
        if (r == 0)
                r = read_state(local, &local->grant);
        if (r == 0)
                r = directory_sign(&local->dir);
        local->grant.worker_first = local->state.worker_first;
        local->grant.worker_count = local->state.worker_count;
        return r;
}

static int local_open(void **ret_backend, const struct fleet_kind *kind,
                      const struct config *config) {
        struct local *local = calloc(1, sizeof(*local));
        int r;

        (void)kind;
        if (!local)
                return log_failure(ENOMEM, EVENT_STATE, "no memory for the local backend");
        local->dir = DIRECTORY_NONE;
        r = local_start(local, config);
        if (r < 0) {
                local_close(local);
                return r;
        }
        *ret_backend = local;
        return 0;
}

/* The worker IDs are those of the configuration, and the state directory is locked. */
static int local_claim(void *backend, struct lease_grant *ret) {
        *ret = ((const struct local *)backend)->grant;
        return 0;
}

static const char *local_place(void *backend) {
        return ((const struct local *)backend)->dir.place;
}

static const char *local_remedy(void *backend) {
        (void)backend;
        return "make room or repair the disk; sfshmd retries by itself (if the state directory was "
               "removed, restart sfshmd)";
}

static const char *local_error_text(int error) {
        return strerror(-error);
}

const struct lease_backend lease_local = {
        .open = local_open,
        .claim = local_claim,
        .write_fence = local_write_fence,
        .close = local_close,
        .place = local_place,
        .remedy = local_remedy,
        .error_text = local_error_text,
};
