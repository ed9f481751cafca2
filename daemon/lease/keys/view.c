/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/log.h"

const char *fleet_key(char key[FLEET_KEY_MAX], uint32_t region, const char *kind,
                      const char *name) {
        snprintf(key, FLEET_KEY_MAX, "region/%" PRIu32 "/%s%s%s", region, kind,
                 *name ? "/" : "", name);
        return key;
}

uint64_t fleet_tick_of(const struct id_layout *layout, int64_t unix_ms) {
        int64_t tick;

        return __builtin_sub_overflow(unix_ms, layout->epoch_unix_ms, &tick) || tick < 0 ?
                       0 : (uint64_t)tick;
}

const struct fleet_owner *fleet_view_host(const struct fleet_view *view, const char *nonce) {
        for (size_t i = 0; i < view->n_owners; i++)
                if (strcmp(view->owners[i].record->nonce, nonce) == 0)
                        return &view->owners[i];
        return NULL;
}

static int refuse_key(int error, const char *key) {
        if (error == -EPROTO)
                return log_failure(EPROTO, WITH(EVENT_COORDINATOR_VERSION, FIELD(KEY, key)),
                                   "the coordinator's key %s is of "
                                   "another version of sfshmd which this one does not understand: "
                                   "run that version", key);
        if (error == -EBADMSG)
                return log_failure(EBADMSG, WITH(EVENT_COORDINATOR_DAMAGED, FIELD(KEY, key)),
                                   "the coordinator's key %s is "
                                   "damaged: what it said cannot be guessed without IDs given "
                                   "twice. Put back its value by hand", key);
        return error;
}

static int keep_later(char **ret, int version, const char *value) {
        *ret = version == RECORD_VERSION ? NULL : strdup(value);
        return version == RECORD_VERSION || *ret != NULL ? 0 : -ENOMEM;
}

static bool same_space(const struct id_layout *a, const struct id_layout *b) {
        return a->tick_bits == b->tick_bits && a->worker_bits == b->worker_bits &&
               a->sequence_bits == b->sequence_bits && a->region_bits == b->region_bits &&
               a->epoch_unix_ms == b->epoch_unix_ms;
}

static int read_contract(struct fleet_view *view, const struct coordinator_list *list,
                         const struct fleet_space *space) {
        const struct coordinator_item *item = coordinator_find(list, "contract");
        const struct id_layout *is = &space->layout, *was = &view->contract.layout;
        int r;

        view->contract.layout = *is;
        if (item == NULL)
                return 0;
        r = record_contract_parse(item->value, &view->contract);
        if (r < 0)
                return refuse_key(r, "contract");
        if (!same_space(is, was))
                return log_failure(EINVAL, EVENT_COORDINATOR_CONTRACT,
                                   "the coordinator's key contract "
                                   "says layout %u/%u/%u, %u region bits and the epoch at Unix time "
                                   "%" PRId64 " ms, this host's configuration says %u/%u/%u, %u and "
                                   "%" PRId64 " ms: IDs of both could be equal. Correct id.layout, "
                                   "id.region_bits and id.epoch here, or give this host another "
                                   "prefix in the coordinator",
                                   was->tick_bits, was->worker_bits, was->sequence_bits,
                                   was->region_bits, was->epoch_unix_ms, is->tick_bits,
                                   is->worker_bits, is->sequence_bits, is->region_bits,
                                   is->epoch_unix_ms);
        view->contract_modified = item->modified;
        return keep_later(&view->contract_later, view->contract.version, item->value);
}

int fleet_view_take_used(struct fleet_view *view, const struct coordinator_list *list,
                         const struct fleet_space *space) {
        char key[FLEET_KEY_MAX];
        const struct coordinator_item *item =
                coordinator_find(list, fleet_key(key, space->region, "used", ""));
        bool begun = worker_set_has(&view->contract.regions, space->region);
        int r;

        if (item == NULL && !begun && list->n == 0)
                return 0; /* the first host of the region */
        if (item == NULL)
                return log_failure(ENOENT, WITH(EVENT_COORDINATOR_LOST, FIELD(KEY, key)),
                                   "the coordinator's key %s is missing, "
                                   "but this region was begun: which worker IDs were used is not "
                                   "known. Put back its value by hand", key);
        if (!begun)
                return log_failure(ENOENT, WITH(EVENT_COORDINATOR_LOST, FIELD(KEY, key)),
                                   "the coordinator has %s, but its key "
                                   "contract %s. Put back its value by hand", key,
                                   view->contract_modified == 0 ? "is missing" :
                                                                  "does not name the region");
        r = record_used_parse(item->value, view->end, &view->used);
        view->used_modified = item->modified;
        if (r == 0)
                r = keep_later(&view->used_later, view->used.version, item->value);
        return refuse_key(r, key);
}

/* With two records of one worker ID, nobody knows which fence is right: it is refused. */
static void mark_worker(struct fleet_view *view, uint32_t worker, size_t owner) {
        int32_t *of = &view->of_worker[worker];

        if (*of >= 0)
                log_event(WITH(EVENT_COORDINATOR_TWICE, FIELD(WORKER, worker)),
                          "worker ID %" PRIu32 " is "
                          "refused: the coordinator has two hosts with it, %s and %s", worker,
                          view->owners[owner].record->nonce, view->owners[*of].record->nonce);
        *of = *of == FLEET_NEVER_USED ? (int32_t)owner : FLEET_REFUSED;
}

void fleet_view_mark(struct fleet_view *view, size_t owner) {
        const char *workers = view->owners[owner].record->workers;
        uint32_t first, last;

        while (worker_set_range(&workers, &first, &last))
                for (; first <= last && first < view->end; first++)
                        mark_worker(view, first, owner);
}

static int keep_odd(struct fleet_odd_key *ret, const struct coordinator_item *item, int error) {
        *ret = (struct fleet_odd_key){ strdup(item->key), strdup(item->value), item->modified,
                                       error };
        return ret->key != NULL && ret->value != NULL ? 0 : -ENOMEM;
}

static void free_odd(struct fleet_odd_key *keys, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(keys[i].key);
                free(keys[i].value);
        }
        free(keys);
}

static int keep_damaged(struct fleet_view *view, const struct coordinator_item *item, int error) {
        if (keep_odd(&view->damaged[view->n_damaged++], item, error) < 0)
                return -ENOMEM;
        log_event(WITH(EVENT_COORDINATOR_DAMAGED, FIELD(KEY, item->key)),
                  "the coordinator's key %s is "
                  "%s: the worker IDs it stood for are refused. Put back its value by hand, or "
                  "see sfshm fence --above",
                  item->key, error == -EPROTO ? "of another version" : "damaged");
        return 0;
}

int fleet_view_take_host(struct fleet_view *view, const struct coordinator_item *item,
                         const char *nonce, const struct fleet_space *space) {
        struct fleet_owner *owner = &view->owners[view->n_owners];
        struct record_host record;
        int r = record_host_parse(item->value, &space->layout, nonce, &record);

        if (r < 0)
                return r == -ENOMEM ? r : keep_damaged(view, item, r);
        owner->record = record_brief_new(&record);
        if (owner->record == NULL ||
            keep_later(&owner->later, record.version, item->value) < 0) {
                free(owner->record);
                return -ENOMEM;
        }
        owner->modified = item->modified;
        fleet_view_mark(view, view->n_owners++);
        return 0;
}

static int read_hosts(struct fleet_view *view, const struct coordinator_list *list,
                      const struct fleet_space *space) {
        char prefix[FLEET_KEY_MAX];
        size_t length = strlen(fleet_key(prefix, space->region, "host/", ""));

        view->owners = calloc(list->n + 1, sizeof(*view->owners));
        view->damaged = calloc(list->n + 1, sizeof(*view->damaged));
        if (view->owners == NULL || view->damaged == NULL)
                return -ENOMEM;
        for (size_t i = 0; i < list->n; i++) {
                const char *key = list->items[i].key;
                int r = strncmp(key, prefix, length) != 0 ? 0 :
                        fleet_view_take_host(view, &list->items[i], key + length, space);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Which hosts are alive; `named` becomes true for the keys alive/LIFE that are theirs. */
static void mark_alive(struct fleet_view *view, const struct coordinator_list *list,
                       const struct fleet_space *space, bool *named) {
        for (size_t i = 0; i < view->n_owners; i++) {
                struct fleet_owner *owner = &view->owners[i];
                char key[FLEET_KEY_MAX];
                const struct coordinator_item *item =
                        coordinator_find(list, fleet_key(key, space->region, "alive",
                                                         owner->record->life));

                owner->alive = item != NULL;
                if (item == NULL)
                        continue;
                named[item - list->items] = true;
                record_alive_daemon(item->value, owner->daemon);
        }
}

static int keep_strays(struct fleet_view *view, const struct coordinator_list *list,
                       const struct fleet_space *space, const bool *named) {
        char prefix[FLEET_KEY_MAX];
        size_t length = strlen(fleet_key(prefix, space->region, "alive/", ""));

        for (size_t i = 0; i < list->n; i++) {
                const struct coordinator_item *item = &list->items[i];

                if (strncmp(item->key, prefix, length) == 0 && !named[i] &&
                    keep_odd(&view->strays[view->n_strays++], item, 0) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int read_lives(struct fleet_view *view, const struct coordinator_list *list,
                      const struct fleet_space *space) {
        bool *named = calloc(list->n + 1, sizeof(*named));
        int r = -ENOMEM;

        view->strays = calloc(list->n + 1, sizeof(*view->strays));
        if (named != NULL && view->strays != NULL) {
                mark_alive(view, list, space, named);
                r = keep_strays(view, list, space, named);
        }
        free(named);
        return r;
}

/* Every used worker ID has a record, and every record's worker IDs are in `used`. */
static int check_used(struct fleet_view *view, const struct fleet_space *space) {
        struct worker_set lost = { .bits = { 0 } };
        char *text;

        for (uint32_t w = 0; w < view->end; w++) {
                bool used = worker_set_has(&view->used.workers, w);

                if (view->of_worker[w] != FLEET_NEVER_USED && !used)
                        return log_failure(EBADMSG, WITH(EVENT_COORDINATOR_DAMAGED,
                                                         FIELD(REGION, space->region),
                                                         FIELD(WORKER, w)),
                                           "the coordinator's key "
                                           "region/%" PRIu32 "/used does not name worker ID %" PRIu32
                                           ", which a host's record there has: it is an old copy. "
                                           "Put back its value by hand", space->region, w);
                if (view->of_worker[w] != FLEET_NEVER_USED || !used)
                        continue;
                view->of_worker[w] = FLEET_REFUSED;
                worker_set_add(&lost, w);
        }
        if (worker_set_count(&lost) == 0 || (text = worker_set_text(&lost)) == NULL)
                return 0;
        log_event(WITH(EVENT_COORDINATOR_LOST, FIELD(REGION, space->region)),
                  "worker IDs %s of region %" PRIu32 " are "
                  "refused: they were used, and no region/%" PRIu32 "/host/... in the coordinator "
                  "tells their fence any more. Put back its value by hand, or say up to where "
                  "their IDs may exist with sfshm fence --above", text, space->region,
                  space->region);
        free(text);
        return 0;
}

/* The contract and the region come in two lists. If they do not match, another host may
 * have begun the region in between: -EAGAIN, if the contract has changed by now. */
static int check_together(const struct fleet_view *view, const struct coordinator_list *region,
                          const struct coordinator_calls *calls, void *coordinator,
                          const struct fleet_space *space) {
        struct coordinator_list again = { .n = 0 };
        const struct coordinator_item *now;
        char key[FLEET_KEY_MAX];
        bool used = coordinator_find(region, fleet_key(key, space->region, "used", "")) != NULL;
        int r;

        if (used == worker_set_has(&view->contract.regions, space->region))
                return 0;
        r = calls->list(coordinator, "contract", &again);
        if (r < 0)
                return r;
        now = coordinator_find(&again, "contract");
        if (view->contract_modified != (now != NULL ? now->modified : 0))
                r = -EAGAIN;
        coordinator_list_clear(&again);
        return r;
}

int fleet_view_contract(struct fleet_view **ret, const struct coordinator_calls *calls,
                        void *coordinator, const struct fleet_space *space) {
        struct coordinator_list list = { .n = 0 };
        struct fleet_view *view = calloc(1, sizeof(*view));
        int r = view == NULL ? -ENOMEM : calls->list(coordinator, "contract", &list);

        if (r == 0) {
                view->end = record_region_end(&space->layout);
                memset(view->of_worker, 0xff, sizeof(view->of_worker)); /* FLEET_NEVER_USED */
                r = read_contract(view, &list, space);
        }
        coordinator_list_clear(&list);
        if (r < 0)
                fleet_view_free(view);
        else
                *ret = view;
        return r;
}

static int read_region(struct fleet_view *view, const struct coordinator_calls *calls,
                       void *coordinator, const struct fleet_space *space) {
        struct coordinator_list region = { .n = 0 };
        char prefix[FLEET_KEY_MAX];
        int r = calls->list(coordinator, fleet_key(prefix, space->region, "", ""), &region);

        if (r == 0)
                r = check_together(view, &region, calls, coordinator, space);
        if (r == 0)
                r = fleet_view_take_used(view, &region, space);
        if (r == 0)
                r = read_hosts(view, &region, space);
        if (r == 0)
                r = read_lives(view, &region, space);
        if (r == 0)
                r = check_used(view, space);
        coordinator_list_clear(&region);
        return r;
}

int fleet_view_read(struct fleet_view **ret, const struct coordinator_calls *calls,
                    void *coordinator, const struct fleet_space *space) {
        struct fleet_view *view = NULL;
        int r = fleet_view_contract(&view, calls, coordinator, space);

        if (r < 0)
                return r; /* a refusal needs no list */
        r = read_region(view, calls, coordinator, space);
        if (r < 0)
                fleet_view_free(view);
        else
                *ret = view;
        return r;
}

int fleet_view_begun(const struct fleet_view *view) {
        if (view->contract_modified != 0)
                return 0;
        return log_failure(ENOENT, EVENT_COORDINATOR_EMPTY,
                           "no ID space was begun in the coordinator: "
                           "correct its address and prefix in the configuration; or, before the "
                           "first host starts, begin one by 'sfshm workers --begin'. If hosts "
                           "had worker IDs here, the coordinator was emptied: see KEYS.md, "
                           "Repairing");
}

struct fleet_view *fleet_view_free(struct fleet_view *view) {
        if (view == NULL)
                return NULL;
        for (size_t i = 0; i < view->n_owners; i++) {
                free(view->owners[i].record);
                free(view->owners[i].later);
        }
        free(view->contract_later);
        free(view->used_later);
        free_odd(view->damaged, view->n_damaged);
        free_odd(view->strays, view->n_strays);
        free(view->owners);
        free(view);
        return NULL;
}
