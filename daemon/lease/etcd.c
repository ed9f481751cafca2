/* SPDX-License-Identifier: MIT */
/*
 * The `etcd` backend: worker IDs and their fences among many hosts, see KEYS.md and
 * fleet.h. The state directory keeps which record is this host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/lease/etcd_calls.h"
#include "daemon/lease/fleet.h"
#include "daemon/lease/host.h"
#include "daemon/lease/lease.h"
#include "daemon/lease/state_dir.h"
#include "daemon/log.h"
#include "daemon/segment.h"
#include "daemon/thread.h"

#define NONCE_NAME "fleet-nonce"
#define NONCE_NEW_NAME ".fleet-nonce"
#define TIMEOUTS_IN_TTL 6 /* a renewal is three requests at most, and there is a second one */
#define PAUSE_FIRST_NS INT64_C(20000000)
#define PAUSE_LAST_NS INT64_C(2000000000)

struct etcd {
        struct state_dir dir;
        struct etcd_coordinator coordinator;
        struct fleet *fleet;
        struct lease_counters counters;
        uint64_t local_fence_tick; /* of a `local` backend in this state directory; 0: none */
        char *place;
};

/* ---- the state directory */

static int read_nonce(const struct etcd *etcd, char ret[RECORD_HEX]) {
        char text[RECORD_HEX + 1];
        int fd = openat(etcd->dir.fd, NONCE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n;

        if (fd < 0 && errno == ENOENT)
                return 0;
        n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        if (fd >= 0)
                close(fd);
        if (n < 0)
                return log_failure(errno, "state", "cannot read %s/" NONCE_NAME ": %s; repair the "
                                   "disk", etcd->dir.path, strerror(errno));
        text[n < RECORD_HEX ? n : RECORD_HEX] = '\0';
        if (n != RECORD_HEX || strspn(text, "0123456789abcdef") != RECORD_HEX - 1 ||
            text[RECORD_HEX - 1] != '\n')
                return log_failure(EBADMSG, "state-damaged", "%s/" NONCE_NAME " is damaged: it "
                                   "names this host's record in etcd. Remove the file; this host "
                                   "then takes other worker IDs", etcd->dir.path);
        memcpy(ret, text, RECORD_HEX - 1);
        ret[RECORD_HEX - 1] = '\0';
        return 0;
}

static int write_nonce_file(int dir_fd, const char *nonce) {
        char text[RECORD_HEX + 1];
        int fd = openat(dir_fd, NONCE_NEW_NAME,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        int n = snprintf(text, sizeof(text), "%s\n", nonce), r = 0;

        if (fd < 0)
                return -errno;
        errno = ENOSPC; /* what a short write means */
        if (write(fd, text, (size_t)n) != n || fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && (renameat(dir_fd, NONCE_NEW_NAME, dir_fd, NONCE_NAME) < 0 ||
                       fsync(dir_fd) < 0))
                r = -errno;
        return r;
}

/* The fence of a `local` backend before: IDs of any worker up to it may be ours. */
static int read_local_fence(struct etcd *etcd) {
        struct fence_state found;
        int r = state_file_read(etcd->dir.fd, &found);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_failure(-r, "state-damaged", "%s, of the local backend, cannot be read "
                                   "(%s), and IDs up to it may exist: put back a good copy, or give "
                                   "this host an empty daemon.state_dir and wait for longer than "
                                   "it was ahead", etcd->dir.place, strerror(-r));
        etcd->local_fence_tick = found.fence_tick;
        return 0;
}

/* ---- what the fleet needs from outside */

static int64_t environment_boot_ns(void *context) {
        (void)context;
        return thread_clock_ns(CLOCK_BOOTTIME);
}

static int64_t environment_unix_ms(void *context) {
        (void)context;
        return thread_clock_ns(CLOCK_REALTIME) / 1000000;
}

static void environment_random(void *context, uint8_t bytes[16]) {
        (void)context;
        /* never short at 16 bytes, and fails only before the kernel's pool is ready */
        while (getrandom(bytes, 16, 0) != 16)
                ;
}

static void hex(char text[RECORD_HEX], const uint8_t bytes[16]) {
        for (size_t i = 0; i < 16; i++)
                snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static int identify(const struct etcd *etcd, struct record_identity *ret) {
        struct record_identity who = { .pid = getpid() };
        uint8_t id[16] = { 0 };
        struct stat st;
        int r = segment_machine_id(id);

        if (r < 0 && r != -ENOENT)
                return log_failure(-r, "machine-id", "cannot read /etc/machine-id: %s; it tells a "
                                   "copied disk from its original. Run systemd-machine-id-setup",
                                   strerror(-r));
        hex(who.machine_id, id);
        r = segment_boot_id(id);
        if (r < 0)
                return log_failure(-r, "state", "cannot read the ID of this boot: %s",
                                   strerror(-r));
        hex(who.boot_id, id);
        if (fstat(etcd->dir.fd, &st) < 0 ||
            gethostname(who.host, sizeof(who.host) - 1) < 0)
                return log_failure(errno, "state", "cannot tell who this host is: %s",
                                   strerror(errno));
        /* a copy has another inode */
        snprintf(who.directory, sizeof(who.directory), "%ju:%ju", (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino);
        *ret = who;
        return 0;
}

/* ---- starting */

static int make_fleet(struct etcd *etcd, const struct config *config) {
        struct fleet_parts parts = {
                .calls = &etcd_calls,
                .coordinator = &etcd->coordinator,
                .environment = { environment_boot_ns, environment_unix_ms, environment_random,
                                 NULL },
                .space = { config->layout, config->region },
                .count = config->count,
                .recycle_delay_ns = config->recycle_delay_ns,
                .ttl_ns = config->etcd_ttl_ns,
                .counters = &etcd->counters,
        };
        int r = identify(etcd, &parts.who);

        if (r == 0)
                r = read_nonce(etcd, parts.nonce);
        return r < 0 ? r : fleet_new(&etcd->fleet, &parts);
}

static int connect_to(struct etcd *etcd, const struct config *config) {
        const struct etcd_http_options options = {
                .endpoints = config->etcd_endpoints,
                .timeout_ns = config->etcd_ttl_ns / TIMEOUTS_IN_TTL,
                .username = config->etcd_username,
                .password_file = config->etcd_password_file,
                .ca_file = config->etcd_ca_file,
                .cert_file = config->etcd_cert_file,
                .key_file = config->etcd_key_file,
                .errors = &etcd->counters.coordinator_errors,
        };

        etcd->coordinator.prefix = config->etcd_prefix;
        if (asprintf(&etcd->place, "etcd %s%s", config->etcd_endpoints, config->etcd_prefix) < 0) {
                etcd->place = NULL; /* undefined after a failure */
                return -ENOMEM;
        }
        return etcd_http_new(&etcd->coordinator.http, &options);
}

static int64_t half_of(int64_t pause_ns) {
        uint32_t random = 0;

        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
                random = (uint32_t)thread_clock_ns(CLOCK_MONOTONIC);
        return pause_ns / 2 + pause_ns / 2 * (random >> 16) / UINT16_MAX;
}

/* For as long as a session lasts; then whoever starts us tries again. */
static int claim(struct etcd *etcd, const struct config *config, struct lease_grant *ret) {
        int64_t until_ns = thread_clock_ns(CLOCK_MONOTONIC) + config->etcd_ttl_ns;
        int64_t pause_ns = PAUSE_FIRST_NS;
        int r;

        while ((r = fleet_claim(etcd->fleet, ret)) == -EAGAIN || r == -EIO || r == -ETIMEDOUT) {
                struct timespec pause = { .tv_nsec = 0 };
                int64_t ns = half_of(pause_ns);

                if (thread_clock_ns(CLOCK_MONOTONIC) + ns > until_ns)
                        return log_failure(EBUSY, "etcd-claim", "no worker IDs from %s within "
                                           "etcd.ttl: %s; see to etcd, and start sfshmd again",
                                           etcd->place, r == -EAGAIN ?
                                           "other hosts were quicker each time" :
                                           "it does not serve");
                pause.tv_sec = ns / 1000000000;
                pause.tv_nsec = ns % 1000000000;
                nanosleep(&pause, NULL);
                pause_ns = pause_ns * 2 < PAUSE_LAST_NS ? pause_ns * 2 : PAUSE_LAST_NS;
        }
        if (r == -EACCES)
                return log_failure(EACCES, "etcd-access", "%s does not let this host in: correct "
                                   "etcd.username and etcd.password_file, or the role there; it "
                                   "reads and writes below etcd.prefix", etcd->place);
        return r;
}

static int etcd_start(struct etcd *etcd, const struct config *config, struct lease_grant *ret) {
        struct lease_grant grant;
        int r = state_dir_open(&etcd->dir, config->state_dir);

        if (r == 0)
                r = read_local_fence(etcd);
        if (r == 0)
                r = connect_to(etcd, config);
        if (r == 0)
                r = make_fleet(etcd, config);
        if (r == 0)
                r = claim(etcd, config, &grant);
        if (r < 0)
                return r;
        r = write_nonce_file(etcd->dir.fd, fleet_nonce(etcd->fleet));
        if (r < 0)
                return log_failure(-r, "state", "cannot write %s/" NONCE_NAME ": %s; make room or "
                                   "repair the disk", etcd->dir.path, strerror(-r));
        r = state_dir_sign(&etcd->dir);
        if (r < 0)
                return r;
        if (etcd->local_fence_tick > grant.fence_tick) {
                r = fleet_renew(etcd->fleet, etcd->local_fence_tick);
                if (r < 0)
                        return log_failure(EBUSY, "etcd-claim", "cannot write the fence to %s: %s; "
                                           "see to etcd, and start sfshmd again", etcd->place,
                                           strerror(-r));
                grant.fence_tick = etcd->local_fence_tick;
        }
        *ret = grant;
        return 0;
}

static void etcd_close(void *backend) {
        struct etcd *etcd = backend;

        fleet_free(etcd->fleet);
        etcd_http_free(etcd->coordinator.http);
        free(etcd->place);
        state_dir_close(&etcd->dir);
        free(etcd);
}

static int etcd_open(void **ret_backend, const struct config *config, struct lease_grant *ret) {
        struct etcd *etcd = calloc(1, sizeof(*etcd));
        int r;

        if (etcd == NULL)
                return log_failure(ENOMEM, "etcd", "no memory for the etcd backend");
        etcd->dir = STATE_DIR_NONE;
        r = etcd_start(etcd, config, ret);
        if (r < 0) {
                etcd_close(etcd);
                return r;
        }
        *ret_backend = etcd;
        return 0;
}

/* ---- serving */

static int etcd_write_fence(void *backend, uint64_t fence_tick) {
        return fleet_renew(((struct etcd *)backend)->fleet, fence_tick);
}

static int etcd_release(void *backend, uint64_t fence_tick) {
        return fleet_release(((struct etcd *)backend)->fleet, fence_tick);
}

static int64_t etcd_renew_due(void *backend) {
        return fleet_renew_due(((struct etcd *)backend)->fleet);
}

static const char *etcd_place(void *backend) {
        return ((const struct etcd *)backend)->place;
}

static struct lease_counters *etcd_counters(void *backend) {
        return &((struct etcd *)backend)->counters;
}

const struct lease_backend lease_etcd = {
        .name = "etcd",
        .open = etcd_open,
        .write_fence = etcd_write_fence,
        .close = etcd_close,
        .place = etcd_place,
        .remedy = "see to etcd, and to the way there; it goes on by itself",
        .renew_due = etcd_renew_due,
        .release = etcd_release,
        .counters = etcd_counters,
};
