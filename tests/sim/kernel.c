/* SPDX-License-Identifier: MIT */
/*
 * What is below the daemon's code, in the simulation's words: the functions of
 * the modules which talk to kernel, disk, machine and peers. Each call of one may
 * be the daemon's last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/config.h"
#include "daemon/host/ids.h"
#include "daemon/host/notify.h"
#include "daemon/lease/state/ledger_id.h"
#include "daemon/startup/other_version.h"
#include "daemon/util/kill_point.h"
#include "daemon/util/log.h"
#include "world.h"

#define RETRY_FIRST_NS (100 * MS)
#define RETRY_LAST_NS SECOND

void kill_point(void) {
        if (world.in_daemon && world.kill_in > 0 && --world.kill_in == 0)
                longjmp(world.death, 1);
}

/* ---- log, service manager */

void log_event_at(struct log_ratelimit *ratelimit, struct log_event event, const char *format,
                  ...) {
        (void)ratelimit, (void)format;
        trace("  log: %s", event.name);
        kill_point();
}

int log_failure_at(struct log_ratelimit *ratelimit, int error, struct log_event event,
                   const char *format, ...) {
        (void)ratelimit, (void)format;
        trace("  failure: %s", event.name);
        kill_point();
        return -error;
}

int notify_send(const char *text, const int *fds, size_t n_fds) {
        (void)text, (void)fds, (void)n_fds;
        check_carried();
        kill_point();
        return 0;
}

/* ---- clocks */

void clocks_pass(int64_t ns) {
        world.boot_ns += ns;
        world.wall_ns += ns;
        world.true_ns += ns;
}

static int64_t reading_takes(void) {
        int64_t ns = world.stop_ns;

        world.stop_ns = 0;
        if (ns > 0)
                return ns;
        if (world.exact)
                return 10 * US;
        /* stopped anywhere, also between the last look and what follows from it */
        if (world_chance(1000))
                return (int64_t)world_below(100000) * US;
        return (int64_t)world_below(world_chance(8) ? 1000 : 100) * US;
}

/* Others go on while the daemon thinks about what it has read. */
int64_t wall_clock_take(struct wall_clock *wall_clock, bool ask_synchronised,
                        struct guard_reading *ret, int64_t *ret_suspended_ns) {
        (void)wall_clock;
        *ret = (struct guard_reading){
                .realtime_ns = world.config.layout.epoch_unix_ms * MS + world.wall_ns,
                .boottime_ns = world.boot_ns,
                .synchronised = ask_synchronised && world.synchronised,
        };
        *ret_suspended_ns = 0;
        clocks_pass(reading_takes());
        if (world.boot_ns - ret->boottime_ns > 2 * MS)
                check_stopped();
        lease_go_on(&world.daemon.lease);
        (void)check_reader(segments_clock(&world.daemon.segments));
        clients_take();
        kill_point();
        return 0;
}

int64_t wall_clock_boottime(const struct wall_clock *wall_clock) {
        (void)wall_clock;
        return world.boot_ns;
}

/* ---- machine */

bool clone_watch_changed(struct clone_watch *clone_watch) {
        bool cloned = world.cloned;

        (void)clone_watch;
        world.cloned = false;
        return cloned;
}

bool clone_watch_disrupted(struct clone_watch *clone_watch) {
        (void)clone_watch;
        return false;
}

/* ---- disk and lease */

static int64_t write_takes(void) {
        if (world.disk_slow_ns > 0)
                return world.disk_slow_ns;
        return world.exact ? 2 * MS : (int64_t)world_below(20000) * US;
}

static void write_begin(struct lease *lease) {
        lease->writing = lease->target;
        lease->written_ns = world.boot_ns + write_takes();
        lease->told_ns = NEVER;
}

static void write_end(struct lease *lease) {
        lease->error = world.disk_full ? -ENOSPC : 0;
        if (lease->error == 0)
                world.disk_fence = lease->writing;
        lease->told_ns = lease->written_ns + (world.exact ? 0 : (int64_t)world_below(300) * US);
        lease->written_ns = NEVER;
}

static void write_told(struct lease *lease) {
        if (lease->error == 0) {
                lease->fence = lease->writing;
                lease->delay_ns = 0;
        } else {
                lease->delay_ns = lease->delay_ns == 0 ? RETRY_FIRST_NS : lease->delay_ns * 2;
                if (lease->delay_ns > RETRY_LAST_NS)
                        lease->delay_ns = RETRY_LAST_NS;
        }
        lease->retry_ns = lease->delay_ns > 0 ? world.boot_ns + lease->delay_ns : 0;
        lease->writing = 0;
        lease->written_ns = lease->told_ns = NEVER;
        lease->news = true;
}

static bool write_wanted(const struct lease *lease) {
        return lease->writing == 0 && lease->target > lease->fence;
}

int64_t lease_due(const struct lease *lease) {
        if (lease->writing != 0)
                return lease->told_ns < lease->written_ns ? lease->told_ns : lease->written_ns;
        return write_wanted(lease) ? lease->retry_ns : NEVER;
}

void lease_go_on(struct lease *lease) {
        if (write_wanted(lease) && world.boot_ns >= lease->retry_ns)
                write_begin(lease);
        if (lease->writing != 0 && world.boot_ns >= lease->written_ns)
                write_end(lease);
        if (lease->writing != 0 && world.boot_ns >= lease->told_ns)
                write_told(lease);
}

void lease_raise(struct lease *lease, uint64_t fence_tick) {
        if (fence_tick > lease->target)
                lease->target = fence_tick;
        lease_go_on(lease);
        kill_point();
}

int lease_persist(struct lease *lease, uint64_t fence_tick) {
        kill_point();
        if (fence_tick <= lease->grant.fence_tick)
                return 0;
        if (world.disk_full)
                return -ENOSPC;
        world.disk_fence = fence_tick;
        kill_point();
        lease->grant.fence_tick = lease->fence = lease->target = fence_tick;
        return 0;
}

struct lease *lease_release(struct lease *lease, uint64_t last_tick) {
        /* its thread is waited for, and so is what it writes */
        if (lease->writing != 0 && lease->written_ns != NEVER && !world.disk_full)
                world.disk_fence = lease->writing;
        kill_point();
        if (!world.disk_full)
                world.disk_fence = last_tick == 0 ? lease->grant.fence_tick : last_tick;
        kill_point();
        return NULL;
}

uint64_t lease_fence(const struct lease *lease) {
        return lease->fence;
}

const struct lease_grant *lease_granted(const struct lease *lease) {
        return &lease->grant;
}

int lease_error(const struct lease *lease) {
        return lease->error;
}

const char *lease_error_text(const struct lease *lease, int error) {
        (void)lease;
        return strerror(-error);
}

const char *lease_place(const struct lease *lease) {
        (void)lease;
        return "the disk";
}

bool lease_lost(const struct lease *lease) {
        (void)lease;
        return false;
}

const char *lease_remedy(const struct lease *lease) {
        (void)lease;
        return "make room";
}

/* A disk's lease ends by nothing, and is never renewed. */
void lease_start_renewal(struct lease *lease, const struct clock_segment *clock) {
        (void)lease, (void)clock;
}

const struct lease_counters *lease_counters(const struct lease *lease) {
        (void)lease;
        return NULL;
}

const struct histogram *lease_fence_writes(const struct lease *lease) {
        static const struct histogram none;

        (void)lease;
        return &none;
}

int64_t lease_horizon_ns(const struct lease *lease) {
        (void)lease;
        return 0;
}

int ledger_id_read(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]) {
        (void)state_dir;
        memcpy(ret, world.lineage, LEDGER_ID_SIZE);
        return world.has_lineage ? 0 : -ENOENT;
}

int ledger_id_renew(const char *state_dir, uint8_t ret[LEDGER_ID_SIZE]) {
        uint64_t number = world_below(UINT64_MAX);

        (void)state_dir;
        kill_point();
        if (world.disk_full)
                return -ENOSPC;
        memcpy(world.lineage, &number, sizeof(number));
        world.has_lineage = true;
        memcpy(ret, world.lineage, LEDGER_ID_SIZE);
        kill_point();
        return 0;
}

/* ---- named segments */

static struct segment *file_of(const char *name) {
        return &world.files[name[0] == 'c' ? 0 : name[0] == 'l' ? 1 : 2];
}

int segment_open(struct segment *ret, const char *shm, const char *name, size_t size, mode_t mode,
                 gid_t gid, segment_accept_fn accept, const void *context) {
        const struct segment *file = file_of(name);

        (void)shm, (void)mode, (void)gid;
        kill_point();
        if (file->map != NULL && file->size == size &&
            (accept == NULL || accept(file->map, size, context))) {
                *ret = *file;
                return 0;
        }
        *ret = (struct segment){ .fd = -1, .map = world_memory(size), .size = size, .fresh = true };
        return 0;
}

int segment_publish(struct segment *segment, const char *shm, const char *name) {
        (void)shm;
        *file_of(name) = *segment;
        file_of(name)->fresh = false;
        kill_point();
        return 0;
}

void segment_close(struct segment *segment) {
        segment->map = NULL;
}

int segment_lock(const struct segment *segment) {
        (void)segment;
        return 0;
}

/* There is no other version here. */
int other_version_find(struct segment *ret, const struct config *config) {
        (void)ret, (void)config;
        return 0;
}

int ids_boot(uint8_t ret[16]) {
        memcpy(ret, world.boot_id, 16);
        return 0;
}

int config_group(const struct config *config, gid_t *ret) {
        (void)config;
        *ret = 0;
        return 0;
}

/* ---- clients and their accounts */

void client_wake(struct client *client) {
        (void)client;
        kill_point();
}

/* Of honest clients: none takes anything ahead of the clock. */
uint64_t client_cursor_tick(const struct client *client, uint32_t lane) {
        (void)lane;
        return world.clients[client->uid].last_tick;
}

int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret) {
        const struct sim_client *c = &world.clients[client->uid];

        (void)lane;
        *ret = (struct client_counters){ .ids = c->ids, .overflows = c->overflows };
        return 0;
}

uid_t account_uid(const struct account *a) {
        (void)a;
        return 0;
}

bool account_limited(const struct account *a) {
        (void)a;
        return false;
}

const char *account_cgroup(const struct account *a) {
        (void)a;
        return "/";
}

uint32_t account_cgroup_number(const struct account *a) {
        (void)a;
        return 1;
}

uint32_t account_uid_weight(const struct account *a) {
        (void)a;
        return 1;
}

uint64_t account_uid_cap(const struct account *a) {
        (void)a;
        return UINT64_MAX;
}

uint32_t account_cgroup_weight(const struct account *a) {
        (void)a;
        return 1;
}

uint64_t account_cgroup_cap(const struct account *a) {
        (void)a;
        return UINT64_MAX;
}
