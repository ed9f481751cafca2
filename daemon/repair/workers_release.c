/* SPDX-License-Identifier: MIT */
#include "daemon/repair/workers_release.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/log.h"

/* ---- freeing */

static int refuse_worker(const struct workers_release *release, uint32_t worker) {
        if (release->view->of_worker[worker] == FLEET_REFUSED)
                return log_failure(ENOENT, "workers-release", "worker ID %" PRIu32 " of region %"
                                   PRIu32 " is refused: no fence of it is known, so it cannot be "
                                   "freed but above an ID or a time which none of its IDs has "
                                   "passed: say --above as well", worker, release->space.region);
        return log_failure(EINVAL, "workers-release", "worker ID %" PRIu32 " of region %" PRIu32
                           " was never used: it is free", worker, release->space.region);
}

static int refuse_alive(const struct workers_release *release, const struct record_host *record) {
        char *workers = worker_set_text(&record->workers);
        int r = log_failure(EBUSY, "workers-release", "worker IDs %s of region %" PRIu32 " are held "
                            "by %s (pid %" PRId64 "), whose session is alive: stop sfshmd there. If "
                            "the host is dead, the session expires within the configured "
                            "ttl; --force ends it now",
                            workers != NULL ? workers : "?", release->space.region,
                            record->who.host, record->who.pid);

        free(workers);
        return r;
}

int workers_release_owners(const struct workers_release *release, bool force, size_t **ret,
                           size_t *ret_n) {
        const struct fleet_view *view = release->view;
        size_t *owners = calloc(view->n_owners + 1, sizeof(*owners)), n = 0;
        int r = owners != NULL ? 0 : -ENOMEM;

        for (uint32_t w = worker_set_next(&release->asked, 0); r == 0 && w < view->end;
             w = worker_set_next(&release->asked, w + 1)) {
                int32_t owner = view->of_worker[w];
                bool listed = false;

                if (owner < 0) {
                        r = refuse_worker(release, w);
                        break;
                }
                for (size_t i = 0; i < n; i++)
                        listed |= owners[i] == (size_t)owner;
                if (!listed && view->owners[owner].alive && !force)
                        r = refuse_alive(release, view->owners[owner].record);
                else if (!listed)
                        owners[n++] = (size_t)owner;
        }
        if (r < 0) {
                free(owners);
                return r;
        }
        *ret = owners;
        *ret_n = n;
        return 0;
}

/* `text` is the record, freed. */
static int commit_freed(const struct workers_release *release, const struct fleet_owner *seen,
                        const char *text) {
        char host_key[FLEET_KEY_MAX], alive_key[FLEET_KEY_MAX];
        const struct coordinator_check check = {
                fleet_key(host_key, release->space.region, "host", seen->record->nonce),
                seen->modified };
        struct coordinator_write writes[] = {
                { host_key, text, false, 0 },
                { fleet_key(alive_key, release->space.region, "alive", seen->record->life), NULL,
                  false, 0 } };
        const struct coordinator_commit commit = { &check, 1, writes, seen->alive ? 2 : 1 };

        return release->calls->commit(release->coordinator, &commit);
}

int workers_release_free(const struct workers_release *release, size_t owner) {
        const struct fleet_owner *seen = &release->view->owners[owner];
        struct record_host *freed = malloc(sizeof(*freed));
        char *text = NULL;
        int r;

        if (freed != NULL) {
                *freed = *seen->record;
                freed->freed = true;
                text = record_host_text(freed, &release->space.layout);
        }
        r = text == NULL ? -ENOMEM : commit_freed(release, seen, text);
        free(text);
        free(freed);
        return r;
}

/* ---- a fence by hand */

static int check_hosts(const struct workers_release *release) {
        const struct fleet_view *view = release->view;

        for (size_t i = 0; i < view->n_damaged; i++)
                if (view->damaged[i].error == -EPROTO)
                        return log_failure(EPROTO, "workers-release", "%s is of another version of "
                                           "sfshmd, and may be the record of worker IDs which are "
                                           "refused here: do this with that version",
                                           view->damaged[i].key);
        if (view->n_strays > 0)
                return log_failure(EBUSY, "workers-release", "%s (%s) tells of a host that lives and "
                                   "whose record is missing or damaged: it may have these worker "
                                   "IDs. Stop sfshmd there, or put its record back; the key goes "
                                   "with its session", view->strays[0].key, view->strays[0].value);
        for (size_t i = 0; i < view->n_owners; i++)
                if (view->owners[i].alive &&
                    worker_set_intersects(&view->owners[i].record->workers, &release->asked))
                        return refuse_alive(release, view->owners[i].record);
        return 0;
}

int workers_release_check(const struct workers_release *release) {
        const struct fleet_view *view = release->view;

        for (uint32_t w = worker_set_next(&release->asked, 0); w < view->end;
             w = worker_set_next(&release->asked, w + 1))
                if (view->of_worker[w] != FLEET_REFUSED)
                        return log_failure(EEXIST, "workers-release", "worker ID %" PRIu32 " of "
                                           "region %" PRIu32 " %s: a fence by hand is only for "
                                           "those that are refused", w, release->space.region,
                                           view->of_worker[w] == FLEET_NEVER_USED ?
                                           "was never used" : "has a fence");
        return check_hosts(release);
}

/* The commit, and what it points to. */
struct repair {
        struct coordinator_check checks[COORDINATOR_COMMIT_MAX];
        struct coordinator_write writes[COORDINATOR_COMMIT_MAX];
        char *texts[COORDINATOR_COMMIT_MAX];
        char keys[COORDINATOR_COMMIT_MAX][FLEET_KEY_MAX];
        size_t n;
        int error;
};

/* Takes `text` over; NULL: delete. */
static void repair_replace(struct repair *repair, const char *key, int64_t modified, char *text,
                           bool delete) {
        size_t i = repair->n;

        if (i == COORDINATOR_COMMIT_MAX || (text == NULL && !delete)) {
                repair->error = text == NULL && !delete ? -ENOMEM : -E2BIG;
                free(text);
                return;
        }
        snprintf(repair->keys[i], FLEET_KEY_MAX, "%s", key);
        repair->texts[i] = text;
        repair->checks[i] = (struct coordinator_check){ repair->keys[i], modified };
        repair->writes[i] = (struct coordinator_write){ repair->keys[i], text, false, 0 };
        repair->n++;
}

/* Takes them out of a record that has some of them too, see mark_owner() in view.c. */
static void repair_take_out(struct repair *repair, const struct workers_release *release,
                            const struct fleet_owner *owner, struct record_host *scratch,
                            uint64_t *fence_tick) {
        char key[FLEET_KEY_MAX];
        bool empty;

        *scratch = *owner->record;
        worker_set_subtract(&scratch->workers, &release->asked);
        if (scratch->fence_tick > *fence_tick)
                *fence_tick = scratch->fence_tick;
        empty = worker_set_count(&scratch->workers) == 0;
        repair_replace(repair, fleet_key(key, release->space.region, "host", scratch->nonce),
                       owner->modified,
                       empty ? NULL : record_host_text(scratch, &release->space.layout), empty);
}

static bool all_refused_asked(const struct workers_release *release) {
        for (uint32_t w = 0; w < release->view->end; w++)
                if (release->view->of_worker[w] == FLEET_REFUSED &&
                    !worker_set_has(&release->asked, w))
                        return false;
        return true;
}

static void repair_put_record(struct repair *repair, const struct workers_release *release,
                              struct record_host *scratch, uint64_t fence_tick, const char *by,
                              int64_t unix_ms, const uint64_t random[4]) {
        char key[FLEET_KEY_MAX];

        *scratch = (struct record_host){ .freed = true, .workers = release->asked,
                                         .since_unix_ms = unix_ms, .fence_tick = fence_tick };
        snprintf(scratch->nonce, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
        snprintf(scratch->life, RECORD_HEX, "%016" PRIx64 "%016" PRIx64, random[2], random[3]);
        memset(scratch->who.machine_id, '0', RECORD_HEX - 1);
        memset(scratch->who.boot_id, '0', RECORD_HEX - 1);
        snprintf(scratch->who.host, RECORD_NAME, "%s", by);
        snprintf(scratch->who.directory, RECORD_NAME, "none");
        repair_replace(repair, fleet_key(key, release->space.region, "host", scratch->nonce), 0,
                       record_host_text(scratch, &release->space.layout), false);
}

static uint64_t repair_plan_fence(struct repair *repair, const struct workers_release *release,
                                  struct record_host *scratch, uint64_t fence_tick, const char *by,
                                  int64_t unix_ms, const uint64_t random[4]) {
        const struct fleet_view *view = release->view;
        struct record_used used = view->used;
        char key[FLEET_KEY_MAX];

        used.claims++; /* claims and repairs happen one after the other */
        repair_replace(repair, fleet_key(key, release->space.region, "used", ""),
                       view->used_modified, record_used_text(&used), false);
        for (size_t i = 0; i < view->n_owners; i++)
                if (worker_set_intersects(&view->owners[i].record->workers, &release->asked))
                        repair_take_out(repair, release, &view->owners[i], scratch, &fence_tick);
        for (size_t i = 0; i < view->n_damaged && all_refused_asked(release); i++)
                repair_replace(repair, view->damaged[i].key, view->damaged[i].modified, NULL, true);
        repair_put_record(repair, release, scratch, fence_tick, by, unix_ms, random);
        return fence_tick;
}

int workers_release_fence(const struct workers_release *release, uint64_t fence_tick,
                          const char *by, int64_t unix_ms, const uint64_t random[4],
                          uint64_t *ret_fence_tick) {
        struct repair *repair = calloc(1, sizeof(*repair));
        struct record_host *scratch = malloc(sizeof(*scratch));
        int r = repair == NULL || scratch == NULL ? -ENOMEM : 0;

        if (r == 0) {
                fence_tick = repair_plan_fence(repair, release, scratch, fence_tick, by, unix_ms,
                                               random);
                r = repair->error;
        }
        if (r == 0) {
                const struct coordinator_commit commit = { repair->checks, repair->n,
                                                           repair->writes, repair->n };

                r = release->calls->commit(release->coordinator, &commit);
        }
        for (size_t i = 0; repair != NULL && i < repair->n; i++)
                free(repair->texts[i]);
        free(repair);
        free(scratch);
        if (r == 0)
                *ret_fence_tick = fence_tick;
        return r;
}
