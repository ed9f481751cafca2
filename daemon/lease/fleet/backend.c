/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/host/ids.h"
#include "daemon/lease/fleet/fleet.h"
#include "daemon/lease/fleet/old_copy.h"
#include "daemon/lease/fleet/renew.h"
#include "daemon/lease/fleet/resize.h"
#include "daemon/lease/fleet/resume.h"
#include "daemon/lease/fleet/survey.h"
#include "daemon/lease/state/directory.h"
#include "daemon/lease/state/fence_file.h"
#include "daemon/lease/state/identity.h"
#include "daemon/lease/state/ledger_look.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

/* What clients hold must last for the stop before and for this. */
#define ANSWER_WITHIN_NS (2 * NS_PER_S)

struct fleet_backend {
        const struct fleet_kind *kind;
        struct directory dir;
        struct fleet_connection connection;
        struct fleet *fleet;
        struct lease_counters counters;
        uint64_t local_fence_tick; /* of a `local` backend in this state directory; 0: none */
        int claim_error; /* of the last attempt that was no conflict */
        bool forgets;    /* the state directory cannot be written */
        bool disowned;   /* it no longer names the lost record */
        bool unconfirmed; /* the worker IDs are those remembered; see resume.h */
};

/* ---- the state directory */

static int read_memory(const struct fleet_backend *b, struct fleet_memory *ret) {
        int r = fleet_memory_read(b->dir.fd, ret);

        if (r == -EPROTO)
                return log_failure(EPROTO, WITH(EVENT_STATE_VERSION, FIELD(FILE, b->dir.path)),
                                   "%s/" FLEET_MEMORY_NAME " is of another "
                                   "version of sfshmd: run that version", b->dir.path);
        if (r == -EBADMSG)
                return log_failure(EBADMSG, EVENT_STATE_DAMAGED,
                                   "%s/" FLEET_MEMORY_NAME ", or an earlier "
                                   "release's fleet-nonce or fleet-space, is damaged: what this host "
                                   "had in %s is lost. Remove these files; this host then takes "
                                   "other worker IDs", b->dir.path, b->kind->name);
        if (r < 0)
                return log_failure(-r, EVENT_STATE,
                                   "cannot read %s/" FLEET_MEMORY_NAME ": %s; repair the "
                                   "disk", b->dir.path, strerror(-r));
        return 0;
}

/* The fence of an earlier `local` backend: IDs of any worker up to it may be ours. */
static int read_local_fence(struct fleet_backend *b, const struct config *config) {
        struct fence_state found, host = { .layout = config->layout };
        int r = fence_file_read(b->dir.fd, &found);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_failure(-r, EVENT_STATE_DAMAGED,
                                   "%s, of the local backend, cannot be read "
                                   "(%s), and IDs up to it may exist: put back a good copy, or give "
                                   "this host an empty daemon.state_dir and wait for longer than "
                                   "it was ahead", b->dir.place, strerror(-r));
        host.layout.region_bits = found.layout.region_bits; /* region bits change no ID */
        r = identity_check_space(b->dir.place, &found, &host);
        if (r == 0)
                b->local_fence_tick = found.fence_tick;
        return r;
}

/* ---- what the fleet needs from outside */

static int64_t environment_boot_ns(void *context) {
        (void)context;
        return time_ns(CLOCK_BOOTTIME);
}

static int64_t environment_unix_ms(void *context) {
        (void)context;
        return time_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static void environment_random(void *context, uint8_t bytes[16]) {
        (void)context;
        /* never short at 16 bytes, and fails only before the kernel's pool is ready */
        while (getrandom(bytes, 16, 0) != 16)
                ;
}

static int identify_host(const struct fleet_backend *b, struct record_identity *ret) {
        struct record_identity who = { .pid = getpid() };
        uint8_t id[16] = { 0 };
        struct stat st;
        int r = identity_machine(id);

        if (r < 0 && r != -ENOENT)
                return r;
        ids_format(who.machine_id, id);
        r = ids_boot(id);
        if (r < 0)
                return log_failure(-r, EVENT_STATE, "cannot read the ID of this boot: %s",
                                   strerror(-r));
        ids_format(who.boot_id, id);
        if (fstat(b->dir.fd, &st) < 0 ||
            gethostname(who.host, sizeof(who.host) - 1) < 0)
                return log_failure(errno, EVENT_STATE, "cannot tell who this host is: %s",
                                   strerror(errno));
        /* a copy has another inode */
        snprintf(who.directory, sizeof(who.directory), "%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino);
        *ret = who;
        return 0;
}

/* ---- starting */

static int make_fleet(struct fleet_backend *b, const struct config *config) {
        struct fleet_parts parts = {
                .calls = b->connection.calls,
                .coordinator = b->connection.coordinator,
                .environment = { environment_boot_ns, environment_unix_ms, environment_random,
                                 NULL },
                .space = { config->layout, config->region },
                .count = config->count,
                .max_count = config->max_count,
                .recycle_delay_ns = config->recycle_delay_ns,
                .ttl_ns = b->connection.ttl_ns,
                .forgetful = !ledger_look_exists(config),
                .floor_tick = b->local_fence_tick,
                .counters = &b->counters,
        };
        int r = identify_host(b, &parts.who);

        if (r == 0)
                r = read_memory(b, &parts.memory);
        return r < 0 ? r : fleet_new(&b->fleet, &parts);
}

/* One attempt. What may pass is logged when it begins: the fleet has said what is free. */
static int claim_run(struct fleet_backend *b, struct lease_grant *ret) {
        int r = fleet_claim(b->fleet, ret);

        if (r == -EAGAIN)
                return r;
        if (r == -EACCES && r != b->claim_error)
                log_event(*b->kind->access_event, "%s denies access to this host: "
                          "%s; sfshmd reads and writes below %s.prefix, and waits until it may",
                          b->connection.place, b->kind->access_remedy, b->kind->name);
        else if ((r == -EIO || r == -ETIMEDOUT) && b->claim_error != -EIO)
                log_event(*b->kind->claim_event, "no worker IDs from %s yet: it "
                          "does not serve; %s", b->connection.place, b->kind->remedy);
        b->claim_error = r == -ETIMEDOUT ? -EIO : r;
        return r;
}

/* From now on the host's record has this fence, and higher ones: a `local` backend that
 * found this file again would begin below them. Without the file it refuses to begin. */
static int forget_local_fence(const struct fleet_backend *b) {
        if (b->local_fence_tick == 0)
                return 0;
        if ((unlinkat(b->dir.fd, FENCE_FILE_NAME, 0) < 0 && errno != ENOENT) ||
            fsync(b->dir.fd) < 0)
                return log_failure(errno, EVENT_STATE,
                                   "cannot remove %s, whose fence is in %s now: %s; "
                                   "repair the disk", b->dir.place, b->connection.place,
                                   strerror(errno));
        return 0;
}

/* Tells the next daemon on this state directory. Of what is not remembered, an old copy of the
 * coordinator is believed. */
static int remember(struct fleet_backend *b, const struct fleet_memory *memory) {
        int r = fleet_memory_write(b->dir.fd, memory);

        if (r < 0 && !b->forgets)
                (void)log_failure(-r, EVENT_STATE,
                                  "cannot write %s/" FLEET_MEMORY_NAME ": %s; make room "
                                  "or repair the disk", b->dir.path, strerror(-r));
        b->forgets = r < 0;
        return r;
}

/* The claim is done. */
static int remember_claim(struct fleet_backend *b) {
        struct fleet_memory memory;
        int r;

        fleet_remember(b->fleet, &memory);
        r = remember(b, &memory);
        if (r == 0)
                r = directory_sign(&b->dir);
        return r < 0 ? r : forget_local_fence(b);
}

static int start_backend(struct fleet_backend *b, const struct config *config) {
        int r = directory_open(&b->dir, config->state_dir);

        if (r == 0)
                r = read_local_fence(b, config);
        if (r == 0)
                r = b->kind->connect(config, &b->counters, &b->connection);
        return r == 0 ? make_fleet(b, config) : r;
}

static void backend_close(void *backend) {
        struct fleet_backend *b = backend;

        fleet_free(b->fleet);
        b->kind->disconnect(&b->connection);
        directory_close(&b->dir);
        free(b);
}

static int backend_open(void **ret_backend, const struct fleet_kind *kind,
                        const struct config *config) {
        struct fleet_backend *b = calloc(1, sizeof(*b));
        int r;

        if (b == NULL)
                return log_failure(ENOMEM, EVENT_LEASE, "no memory for the backend %s", kind->name);
        b->kind = kind;
        b->dir = DIRECTORY_NONE;
        r = start_backend(b, config);
        if (r < 0) {
                backend_close(b);
                return r;
        }
        *ret_backend = b;
        return 0;
}

/* Of the state directory: it is final, though a coordinator's of the same number may pass. The
 * exit status stays the same. */
static int final_error(int error) {
        switch (error) {
        case -EACCES:
                return -EPERM;
        case -EIO:
        case -EAGAIN:
        case -EBUSY:
        case -ETIMEDOUT:
                return -ENOSPC;
        default:
                return error;
        }
}

/* Where there is something to go on with, a coordinator that hangs is not waited for. */
static int claim_in_time(struct fleet_backend *b, struct lease_grant *ret) {
        int r;

        if (!fleet_can_resume(b->fleet))
                return claim_run(b, ret);
        b->kind->hurry(&b->connection, time_ns(CLOCK_MONOTONIC) + ANSWER_WITHIN_NS);
        r = claim_run(b, ret);
        b->kind->hurry(&b->connection, 0);
        return r;
}

static int backend_claim(void *backend, struct lease_grant *ret) {
        struct fleet_backend *b = backend;
        struct lease_grant grant;
        int r = claim_in_time(b, &grant);

        if ((r == -EIO || r == -ETIMEDOUT || r == -EACCES) && fleet_resume(b->fleet, ret) == 0) {
                b->unconfirmed = true;
                return 0;
        }
        if (r < 0)
                return r;
        r = remember_claim(b);
        if (r < 0) { /* else each start would take other worker IDs for the length of a session */
                (void)fleet_release(b->fleet, grant.fence_tick);
                return final_error(r);
        }
        *ret = grant;
        return 0;
}

/* ---- serving */

/* The next daemon here must not take a lost record for its own: a copy of this daemon, with
 * the same machine, boot and directory, continues with it. The file then names no record,
 * and still shows that there was one. */
static void remember_renewal(struct fleet_backend *b) {
        struct fleet_memory memory;

        fleet_remember(b->fleet, &memory);
        if (b->disowned)
                return;
        b->disowned = remember(b, &memory) == 0 && fleet_lost(b->fleet);
}

static int backend_write_fence(void *backend, uint64_t fence_tick) {
        struct fleet_backend *b = backend;
        int r = b->unconfirmed ? fleet_confirm(b->fleet) : 0;

        b->unconfirmed = b->unconfirmed && r < 0;
        if (r == 0)
                r = fleet_renew(b->fleet, fence_tick);
        if (r == 0 || fleet_lost(b->fleet))
                remember_renewal(b);
        return r;
}

/* Whatever becomes of the answer, the record may have that fence from now on. */
static int remember_release(struct fleet_backend *b, uint64_t fence_tick) {
        struct fleet_memory memory;

        fleet_remember(b->fleet, &memory);
        if (fence_tick < memory.fence_tick)
                memory.fence_tick = fence_tick;
        return remember(b, &memory);
}

/* Where the coordinator does not answer, the release is not tried: the fence stays as it is
 * there and here, and the next daemon of this host goes on up to it. Once it is sent, only the
 * lower one counts here. */
static int backend_release(void *backend, uint64_t fence_tick) {
        struct fleet_backend *b = backend;
        int r = b->unconfirmed ? -EIO : fleet_lost(b->fleet) ? 0 : fleet_renew_reread(b->fleet);

        if (r == 0)
                r = remember_release(b, fence_tick);
        if (r == 0)
                r = fleet_release(b->fleet, fence_tick);
        if (r == 0 || fleet_lost(b->fleet))
                remember_renewal(b);
        return r == -ESTALE ? 0 : r;
}

static void backend_survey(void *backend) {
        fleet_survey_renewed(((struct fleet_backend *)backend)->fleet);
}

static void backend_refresh(void *backend) {
        struct fleet_backend *b = backend;

        b->kind->refresh(&b->connection);
}

static int64_t backend_renew_due(void *backend) {
        return fleet_renew_due(((struct fleet_backend *)backend)->fleet);
}

static const char *backend_place(void *backend) {
        return ((const struct fleet_backend *)backend)->connection.place;
}

static struct lease_counters *backend_counters(void *backend) {
        return &((struct fleet_backend *)backend)->counters;
}

static const char *backend_remedy(void *backend) {
        return ((const struct fleet_backend *)backend)->kind->remedy;
}

static int backend_grow(void *backend, uint32_t count) {
        struct fleet_backend *b = backend;

        return b->unconfirmed ? -EAGAIN : fleet_grow(b->fleet, count);
}

/* The next daemon must not go on with what may be another host's by then. */
static int remember_shrink(struct fleet_backend *b, uint32_t count) {
        struct fleet_memory memory;

        fleet_remember(b->fleet, &memory);
        if (count < memory.count)
                memory.count = count;
        return remember(b, &memory);
}

static int backend_shrink(void *backend, uint32_t count, uint64_t last_tick) {
        struct fleet_backend *b = backend;
        int r = b->unconfirmed ? -EAGAIN : remember_shrink(b, count);

        return r < 0 ? r : fleet_shrink(b->fleet, count, last_tick);
}

static uint32_t backend_run(void *backend, uint64_t *ret_above_tick) {
        return fleet_run(((const struct fleet_backend *)backend)->fleet, ret_above_tick);
}

const struct lease_backend fleet_backend = {
        .open = backend_open,
        .claim = backend_claim,
        .refresh = backend_refresh,
        .survey = backend_survey,
        .write_fence = backend_write_fence,
        .close = backend_close,
        .place = backend_place,
        .remedy = backend_remedy,
        .error_text = coordinator_error_text,
        .renew_due = backend_renew_due,
        .release = backend_release,
        .counters = backend_counters,
        .grow = backend_grow,
        .shrink = backend_shrink,
        .run = backend_run,
};
