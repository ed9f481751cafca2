/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_release.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/keys/commit.h"
#include "daemon/util/log.h"

/* ---- freeing */

static int refuse_worker(const struct workers_release *release, uint32_t worker) {
        if (release->view->of_worker[worker] == FLEET_REFUSED)
                return log_failure(ENOENT, EVENT_WORKERS_RELEASE,
                                   "worker ID %" PRIu32 " of region %"
                                   PRIu32 " is refused: no fence of it is known, so it cannot be "
                                   "freed but above an ID or a time which none of its IDs has "
                                   "passed: say --above as well", worker, release->space.region);
        return log_failure(EINVAL, EVENT_WORKERS_RELEASE, "worker ID %" PRIu32 " of region %" PRIu32
                           " was never used: it is free", worker, release->space.region);
}

static int refuse_alive(const struct workers_release *release,
                        const struct record_brief *record) {
        return log_failure(EBUSY, EVENT_WORKERS_RELEASE,
                            "worker IDs %s of region %" PRIu32 " are held "
                            "by %s (pid %" PRId64 "), whose session is alive: stop sfshmd there. If "
                            "the host is dead, the session expires within the configured "
                            "ttl; --force ends it now",
                            record->workers, release->space.region, record->who.host,
                            record->who.pid);
}

/* Those of `asked` are marked in `ret`, which has room for all. */
static int mark_owners(const struct workers_release *release, bool force, bool *ret) {
        const struct fleet_view *view = release->view;

        for (uint32_t w = worker_set_next(&release->asked, 0); w < view->end;
             w = worker_set_next(&release->asked, w + 1)) {
                int32_t owner = view->of_worker[w];

                if (owner < 0)
                        return refuse_worker(release, w);
                if (view->owners[owner].alive && !force)
                        return refuse_alive(release, view->owners[owner].record);
                ret[owner] = true;
        }
        return 0;
}

int workers_release_owners(const struct workers_release *release, bool force, size_t **ret,
                           size_t *ret_n) {
        size_t end = release->view->n_owners, n = 0;
        bool *marked = calloc(end + 1, sizeof(*marked));
        size_t *owners = calloc(end + 1, sizeof(*owners));
        int r = marked != NULL && owners != NULL ? mark_owners(release, force, marked) : -ENOMEM;

        for (size_t i = 0; r == 0 && i < end; i++)
                if (marked[i])
                        owners[n++] = i;
        free(marked);
        if (r < 0) {
                free(owners);
                return r;
        }
        *ret = owners;
        *ret_n = n;
        return 0;
}

int workers_release_free(const struct workers_release *release, size_t owner) {
        const struct fleet_owner *seen = &release->view->owners[owner];
        struct fleet_commit d = { .space = &release->space };
        struct record_host freed;

        record_brief_expand(seen->record, &freed);
        freed.freed = true;
        fleet_commit_owner(&d, seen, &freed);
        if (seen->alive)
                fleet_commit_delete(&d, fleet_commit_key(&d, "alive", freed.life));
        return fleet_commit_send(&d, release->calls, release->coordinator);
}

/* ---- a fence by hand */

static int check_hosts(const struct workers_release *release) {
        const struct fleet_view *view = release->view;

        for (size_t i = 0; i < view->n_damaged; i++)
                if (view->damaged[i].error == -EPROTO)
                        return log_failure(EPROTO, EVENT_WORKERS_RELEASE,
                                           "%s is of another version of "
                                           "sfshmd, and may be the record of worker IDs which are "
                                           "refused here: do this with that version",
                                           view->damaged[i].key);
        if (view->n_strays > 0)
                return log_failure(EBUSY, EVENT_WORKERS_RELEASE, "%s (%s) shows a live host whose "
                                   "record is missing or damaged: it may have these worker IDs. "
                                   "Stop sfshmd there, or put its record back; the key disappears "
                                   "with its session", view->strays[0].key, view->strays[0].value);
        for (size_t i = 0; i < view->n_owners; i++)
                if (view->owners[i].alive &&
                    record_brief_has_any(view->owners[i].record, &release->asked))
                        return refuse_alive(release, view->owners[i].record);
        return 0;
}

int workers_release_check(const struct workers_release *release) {
        const struct fleet_view *view = release->view;

        for (uint32_t w = worker_set_next(&release->asked, 0); w < view->end;
             w = worker_set_next(&release->asked, w + 1))
                if (view->of_worker[w] != FLEET_REFUSED)
                        return log_failure(EEXIST, EVENT_WORKERS_RELEASE,
                                           "worker ID %" PRIu32 " of "
                                           "region %" PRIu32 " %s: a fence by hand is only for "
                                           "those that are refused", w, release->space.region,
                                           view->of_worker[w] == FLEET_NEVER_USED ?
                                           "was never used" : "has a fence");
        return check_hosts(release);
}

static bool all_refused_asked(const struct workers_release *release) {
        for (uint32_t w = 0; w < release->view->end; w++)
                if (release->view->of_worker[w] == FLEET_REFUSED &&
                    !worker_set_has(&release->asked, w))
                        return false;
        return true;
}

/* As of a host that is gone. */
static void put_record(struct fleet_commit *d, const struct worker_set *workers,
                       uint64_t fence_tick, const char *by, int64_t unix_ms,
                       const uint64_t random[4]) {
        struct record_host record = { .freed = true, .workers = *workers,
                                      .since_unix_ms = unix_ms, .fence_tick = fence_tick };

        snprintf(record.nonce, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
        snprintf(record.life, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, random[2], random[3]);
        memset(record.who.machine_id, '0', RECORD_HEX - 1);
        memset(record.who.boot_id, '0', RECORD_HEX - 1);
        snprintf(record.who.host, RECORD_NAME, "%s", by);
        snprintf(record.who.directory, RECORD_NAME, "none");
        fleet_commit_record(d, &record, 0);
}

int workers_release_fence(const struct workers_release *release, uint64_t fence_tick,
                          const char *by, int64_t unix_ms, const uint64_t random[4],
                          uint64_t *ret_fence_tick) {
        const struct fleet_view *view = release->view;
        struct fleet_commit d = { .space = &release->space };
        struct record_used used = view->used;
        bool all = all_refused_asked(release);
        uint64_t highest_tick;
        int r;

        used.claims++; /* claims and repairs happen one after the other */
        fleet_commit_replace(&d, fleet_commit_key(&d, "used", ""), view->used_modified,
                             record_keep(view->used_later, record_used_text(&used)));
        /* records that have some of them too, see mark_worker() in view.c */
        highest_tick = fleet_commit_owners(&d, view, &release->asked);
        if (highest_tick > fence_tick)
                fence_tick = highest_tick;
        for (size_t i = 0; all && i < view->n_damaged; i++) {
                fleet_commit_check(&d, view->damaged[i].key, view->damaged[i].modified);
                fleet_commit_delete(&d, view->damaged[i].key);
        }
        put_record(&d, &release->asked, fence_tick, by, unix_ms, random);
        r = fleet_commit_send(&d, release->calls, release->coordinator);
        if (r == 0)
                *ret_fence_tick = fence_tick;
        return r;
}
