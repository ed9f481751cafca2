/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/host/ids.h"
#include "daemon/lease/fleet/internal.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

int64_t fleet_boot_ns(const struct fleet *f) {
        return f->parts.environment.boot_ns(f->parts.environment.context);
}

int64_t fleet_unix_ms(const struct fleet *f) {
        return f->parts.environment.unix_ms(f->parts.environment.context);
}

uint64_t fleet_tick_now(const struct fleet *f) {
        return fleet_tick_of(&f->parts.space.layout, fleet_unix_ms(f));
}

uint64_t fleet_recycle_ticks(const struct fleet *f) {
        return (uint64_t)(f->parts.recycle_delay_ns / NS_PER_MS);
}

uint32_t fleet_max_count(const struct fleet *f) {
        return f->parts.max_count > f->parts.count ? f->parts.max_count : f->parts.count;
}

void fleet_draw(const struct fleet *f, char hex[RECORD_HEX]) {
        uint8_t bytes[16];

        f->parts.environment.random(f->parts.environment.context, bytes);
        ids_format(hex, bytes);
}

void fleet_session_next_life(struct fleet *f) {
        memcpy(f->record.life, f->lives, FLEET_LIVES_LENGTH);
        snprintf(f->record.life + FLEET_LIVES_LENGTH, RECORD_HEX - FLEET_LIVES_LENGTH,
                 "%08" PRIx32, ++f->n_lives);
}

void fleet_session_write_life(const struct fleet *f, struct fleet_commit *d) {
        const char *key = fleet_commit_key(d, "alive", f->record.life);

        fleet_commit_check(d, key, 0);
        fleet_commit_write(d, key, record_alive_text(&f->record), true);
}

void fleet_count(_Atomic int64_t *counter) {
        /* relaxed: a number for display */
        atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

int64_t fleet_session_deadline_ns(const struct fleet *f) {
        return f->sent_ns + f->ttl_ns - f->ttl_ns / 10;
}

void fleet_session_prolong(struct fleet *f, int64_t sent_ns) {
        int64_t left_ms;

        f->sent_ns = sent_ns;
        f->uncertain = f->late = false; /* commits on their way check for an old revision */
        fleet_session_wrote(f, f->record.renewals, f->record.fence_tick);
        left_ms = (fleet_session_deadline_ns(f) - fleet_boot_ns(f)) / NS_PER_MS;
        /* relaxed: a number for display */
        atomic_store_explicit(&f->parts.counters->expiry_unix_ms,
                              fleet_unix_ms(f) + left_ms, memory_order_relaxed);
}

uint32_t fleet_run(const struct fleet *f, uint64_t *ret_above_tick) {
        uint32_t count = worker_set_count(&f->record.workers);
        uint32_t resized = worker_set_count(&f->resized);

        *ret_above_tick = f->record.grown_tick;
        return f->resizing && resized < count ? resized : count;
}

bool fleet_session_is_unknown(int error) {
        return error == -ETIMEDOUT || error == -EIO;
}

int fleet_session_settle(struct fleet *f, int r, int64_t sent_ns) {
        if (r == 0) {
                fleet_session_prolong(f, sent_ns);
                f->resizing = false; /* done, or it fails: its revision is the old one */
        } else if (fleet_session_is_unknown(r)) {
                if (!f->uncertain)
                        f->uncertain_ns = sent_ns;
                f->uncertain = f->late = true;
        }
        return r;
}

bool fleet_session_fence_has_passed(const struct fleet *f) {
        return f->written_fence < fleet_tick_now(f);
}

void fleet_session_claimed(struct fleet *f) {
        f->claimed_unix_ms = fleet_unix_ms(f);
}

void fleet_session_wrote(struct fleet *f, uint64_t renewals, uint64_t fence_tick) {
        if (fleet_session_fence_has_passed(f))
                fleet_session_claimed(f);
        f->written_since = f->record.since_unix_ms;
        f->written_renewals = renewals;
        f->written_fence = fence_tick;
}

int fleet_session_begin(struct fleet *f) {
        int64_t now_ns = fleet_boot_ns(f);
        int r = f->parts.calls->session_begin(f->parts.coordinator, f->parts.ttl_ns, &f->ttl_ns);

        f->begun = r == 0;
        f->begun_ns = now_ns;
        return r;
}

void fleet_session_expire(struct fleet *f, const char *why) {
        f->session = false;
        fleet_count(&f->parts.counters->expirations);
        log_event(EVENT_LEASE_EXPIRED, "%s: the lease has expired; it is claimed again "
                  "if no other host has taken it", why);
}

int fleet_session_lose(struct fleet *f, const char *why) {
        f->lost = true;
        fleet_count(&f->parts.counters->lost);
        return log_failure(ESTALE, EVENT_LEASE_LOST,
                           "this host has lost its worker IDs: %s. sfshmd "
                           "stops; after a restart it takes others, and clients continue with "
                           "those", why);
}
