/* SPDX-License-Identifier: MIT */
#include "libclient/history/picture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more of `n`; false without memory. */
static bool grow(void **array, size_t n, size_t *room, size_t size) {
        size_t more = *room > 0 ? *room * 2 : 64;
        void *moved;

        if (n < *room)
                return true;
        moved = reallocarray(*array, more, size);
        if (moved == NULL)
                return false;
        *array = moved;
        *room = more;
        return true;
}

int picture_init(struct picture *picture) {
        *picture = (struct picture){ .in_gap = true, .gap = { .why = PICTURE_BEGIN } };
        picture->latest = calloc(PICTURE_RECORDS * PICTURE_SLOTS, sizeof(picture->latest[0]));
        return picture->latest != NULL ? 0 : -ENOMEM;
}

void picture_fini(struct picture *picture) {
        for (size_t i = 0; i < picture->n_clients; i++)
                free(picture->clients[i].cgroup);
        free(picture->clients);
        free(picture->index);
        free(picture->held);
        free(picture->latest);
        free(picture->gaps);
        *picture = (struct picture){ .tick = 0 };
}

/* ---- clients */

static size_t place_of(const struct picture *picture, uint64_t ledger, uint64_t number) {
        size_t at = (size_t)((ledger ^ number * UINT64_C(0x9e3779b97f4a7c15)) >> 7);

        for (;; at++) {
                uint32_t found = picture->index[at & (picture->index_size - 1)];

                if (found == 0 || (picture->clients[found - 1].ledger == ledger &&
                                   picture->clients[found - 1].number == number))
                        return at & (picture->index_size - 1);
        }
}

static bool index_clients(struct picture *picture, size_t size) {
        uint32_t *index = calloc(size, sizeof(*index));

        if (index == NULL)
                return false;
        free(picture->index);
        picture->index = index;
        picture->index_size = size;
        for (size_t i = 0; i < picture->n_clients; i++)
                index[place_of(picture, picture->clients[i].ledger, picture->clients[i].number)] =
                        (uint32_t)i + 1;
        return true;
}

static struct picture_client *client_at(struct picture *picture, uint64_t ledger, uint64_t number) {
        size_t place;

        if ((picture->n_clients + 1) * 2 > picture->index_size &&
            !index_clients(picture, picture->index_size > 0 ? picture->index_size * 2 : 256))
                return NULL;
        place = place_of(picture, ledger, number);
        if (picture->index[place] != 0)
                return &picture->clients[picture->index[place] - 1];
        if (!grow((void **)&picture->clients, picture->n_clients, &picture->clients_room,
                  sizeof(picture->clients[0])))
                return NULL;
        picture->clients[picture->n_clients] =
                (struct picture_client){ .ledger = ledger, .number = number };
        picture->index[place] = (uint32_t)++picture->n_clients;
        return &picture->clients[picture->n_clients - 1];
}

const struct picture_client *picture_client_of(const struct picture *picture, uint64_t ledger,
                                               uint64_t number) {
        size_t place;

        if (picture->index_size == 0 || number == 0)
                return NULL;
        place = place_of(picture, ledger, number);
        return picture->index[place] != 0 ? &picture->clients[picture->index[place] - 1] : NULL;
}

static void set_cgroup(struct picture *picture, struct picture_client *client, size_t at,
                       const char *text, size_t n) {
        if (client->cgroup == NULL)
                client->cgroup = calloc(1, PICTURE_CGROUP + 1);
        if (client->cgroup == NULL) {
                picture->failed = true;
                return;
        }
        if (memcmp(client->cgroup + at, text, n) == 0)
                return;
        memcpy(client->cgroup + at, text, n);
        client->dirty = true;
}

/* What a daemon does not know any more, because the process is dead, stays known. */
void picture_put_client(struct picture *picture, const struct picture_client *client) {
        struct picture_client *known = client_at(picture, client->ledger, client->number);

        if (known == NULL) {
                picture->failed = true;
                return;
        }
        if (known->pid != client->pid || known->uid != client->uid ||
            (client->comm[0] != '\0' && strcmp(known->comm, client->comm) != 0)) {
                known->pid = client->pid;
                known->uid = client->uid;
                if (client->comm[0] != '\0') {
                        memcpy(known->comm, client->comm, sizeof(known->comm));
                        known->start_unix_ms = client->start_unix_ms;
                }
                known->dirty = true;
        }
        if (client->cgroup != NULL)
                set_cgroup(picture, known, 0, client->cgroup, strlen(client->cgroup) + 1);
}

static void apply_client(struct picture *picture, const struct history_event *event) {
        struct picture_client client = { .ledger = picture->ledger, .number = event->client,
                                         .pid = event->client_is.pid, .uid = event->client_is.uid,
                                         .start_unix_ms = event->client_is.start_unix_ms };

        memcpy(client.comm, event->client_is.comm, PICTURE_COMM);
        picture_put_client(picture, &client);
}

static void apply_cgroup(struct picture *picture, const struct history_event *event) {
        struct picture_client *client = client_at(picture, picture->ledger, event->client);

        if (client == NULL)
                picture->failed = true;
        else if (event->slot < HISTORY_CGROUP_PARTS)
                set_cgroup(picture, client, event->slot * HISTORY_CGROUP_PART, event->cgroup,
                           HISTORY_CGROUP_PART);
}

/* ---- what is held */

static bool same_promise(const struct picture_held *a, const struct picture_held *b) {
        return a->ledger == b->ledger && a->t0 == b->t0 && a->start == b->start &&
               a->width == b->width;
}

void picture_put_held(struct picture *picture, const struct picture_held *held) {
        struct picture_held *known;
        uint32_t *latest;

        if (held->record >= PICTURE_RECORDS || held->slot >= PICTURE_SLOTS)
                return;
        latest = &picture->latest[held->record * PICTURE_SLOTS + held->slot];
        known = *latest != 0 ? &picture->held[*latest - 1] : NULL;
        if (known == NULL || !same_promise(known, held)) {
                if (!grow((void **)&picture->held, picture->n_held, &picture->held_room,
                          sizeof(picture->held[0]))) {
                        picture->failed = true;
                        return;
                }
                known = &picture->held[picture->n_held++];
                *known = *held;
                known->dirty = true;
                *latest = (uint32_t)picture->n_held;
                return;
        }
        known->dirty |= known->t1 != held->t1 || known->doubtful != held->doubtful ||
                        (known->client == 0 && held->client != 0);
        known->t1 = held->t1;
        known->doubtful = held->doubtful;
        if (held->client != 0)
                known->client = held->client;
}

static void apply_held(struct picture *picture, const struct history_event *event) {
        picture_put_held(picture, &(struct picture_held){
                .ledger = picture->ledger, .client = event->client, .t0 = event->held.t0,
                .t1 = event->held.t1, .record = event->record, .start = event->held.start,
                .width = event->held.width, .slot = (uint8_t)event->slot,
                .lane = (uint8_t)event->held.lane });
}

const struct picture_held *picture_find(const struct picture *picture, uint64_t tick,
                                        uint32_t position) {
        for (size_t i = picture->n_held; i-- > 0;) {
                const struct picture_held *held = &picture->held[i];

                if (position >= held->start && position - held->start < held->width &&
                    tick >= held->t0 && tick < held->t1 &&
                    (!held->doubtful || tick < picture->gap.from))
                        return held;
        }
        return NULL;
}

/* ---- gaps */

const struct picture_gap *picture_gap_at(const struct picture *picture, uint64_t tick) {
        if (picture->in_gap && tick >= picture->gap.from)
                return &picture->gap;
        for (size_t i = 0; i < picture->n_gaps; i++)
                if (tick >= picture->gaps[i].from && tick < picture->gaps[i].to)
                        return &picture->gaps[i];
        return NULL;
}

void picture_put_gap(struct picture *picture, const struct picture_gap *gap) {
        if (gap->from >= gap->to)
                return;
        if (!grow((void **)&picture->gaps, picture->n_gaps, &picture->gaps_room,
                  sizeof(picture->gaps[0]))) {
                picture->failed = true;
                return;
        }
        picture->gaps[picture->n_gaps++] = *gap;
}

void picture_lose(struct picture *picture, enum picture_why why) {
        picture->in_round = false;
        if (!picture->in_gap)
                picture->gap = (struct picture_gap){ .from = picture->tick, .why = why };
        picture->in_gap = true;
        for (size_t i = 0; i < picture->n_held; i++) {
                struct picture_held *held = &picture->held[i];

                if (held->t1 <= picture->tick || held->doubtful)
                        continue;
                /* a second loss: what was told since the first one is known up to here only */
                if (picture->tick > picture->gap.from)
                        held->t1 = picture->tick;
                else
                        held->doubtful = true;
                held->dirty = true;
        }
}

/* All that is live has been told. */
static void end_gap(struct picture *picture) {
        if (!picture->in_gap || !picture->in_round)
                return;
        for (size_t i = 0; i < picture->n_held; i++) {
                struct picture_held *held = &picture->held[i];

                if (!held->doubtful)
                        continue;
                held->doubtful = false;
                held->dirty = true;
                if (held->t1 > picture->gap.from)
                        held->t1 = picture->gap.from;
        }
        picture->gap.to = picture->tick > picture->unknown_tick ? picture->tick
                                                                 : picture->unknown_tick + 1;
        picture->gap.dirty = true;
        picture_put_gap(picture, &picture->gap);
        picture->in_gap = picture->in_round = false;
        picture->unknown_tick = 0;
}

/*
 * A daemon that continues the ledger of the one before, about which all was told, needs no
 * doubt. What that one was killed in was told before the ledger had it, if it was taken back,
 * and did not reach a client before it was told, if it was promised. The generations show
 * that no daemon was in between that could not tell anything.
 */
static bool continues(const struct picture *picture, const struct history_event *event) {
        return (event->slot & HISTORY_ADOPTED) != 0 && event->client == picture->ledger &&
               event->daemon.generation == picture->generation + 1;
}

static void apply_start(struct picture *picture, const struct history_event *event) {
        picture->in_round = false;
        if (!continues(picture, event))
                picture_lose(picture, PICTURE_RESTART);
        picture->generation = event->daemon.generation;
        picture->ledger = event->client;
        if (event->daemon.t1 > picture->unknown_tick)
                picture->unknown_tick = event->daemon.t1;
}

void picture_apply(struct picture *picture, const struct history_event *event) {
        /* what the daemon before did last may not have been told */
        if (event->kind == HISTORY_START)
                apply_start(picture, event);
        if (event->tick > picture->tick)
                picture->tick = event->tick;
        switch (event->kind) {
        case HISTORY_ROUND:
                picture->in_round = true;
                picture->run_start = event->daemon.start;
                picture->run_width = event->daemon.width;
                break;
        case HISTORY_ROUND_END:
                end_gap(picture);
                break;
        case HISTORY_CLIENT:
                apply_client(picture, event);
                break;
        case HISTORY_CGROUP:
                apply_cgroup(picture, event);
                break;
        case HISTORY_HELD:
                apply_held(picture, event);
                break;
        case HISTORY_DAMAGED:
                picture_put_gap(picture, &(struct picture_gap){
                        .from = event->tick, .to = event->daemon.t1, .why = PICTURE_DAMAGED,
                        .dirty = true });
                break;
        }
}

/* ---- forgetting */

static void keep_held(struct picture *picture, bool (*keeps)(const struct picture *picture,
                                                             const struct picture_held *held)) {
        size_t n = 0;

        memset(picture->latest, 0, PICTURE_RECORDS * PICTURE_SLOTS * sizeof(picture->latest[0]));
        for (size_t i = 0; i < picture->n_held; i++) {
                const struct picture_held *held = &picture->held[i];

                if (!keeps(picture, held))
                        continue;
                picture->held[n++] = *held;
                picture->latest[held->record * PICTURE_SLOTS + held->slot] = (uint32_t)n;
        }
        picture->n_held = n;
}

static bool keeps_live_or_dirty(const struct picture *picture, const struct picture_held *held) {
        return held->t1 > picture->tick || held->dirty || held->doubtful;
}

static bool keeps_live(const struct picture *picture, const struct picture_held *held) {
        return held->t1 > picture->tick || held->doubtful;
}

static void compact_clients(struct picture *picture) {
        size_t n = 0;

        for (size_t i = 0; i < picture->n_clients; i++)
                picture->clients[i].used = false;
        for (size_t i = 0; i < picture->n_held; i++) {
                const struct picture_held *held = &picture->held[i];

                if (picture->index_size == 0 || held->client == 0)
                        continue;
                uint32_t found = picture->index[place_of(picture, held->ledger, held->client)];

                if (found != 0)
                        picture->clients[found - 1].used = true;
        }
        for (size_t i = 0; i < picture->n_clients; i++) {
                if (picture->clients[i].used || picture->clients[i].dirty)
                        picture->clients[n++] = picture->clients[i];
                else
                        free(picture->clients[i].cgroup);
        }
        picture->n_clients = n;
        if (picture->index_size > 0 && !index_clients(picture, picture->index_size))
                picture->failed = true;
}

void picture_mark_clean(struct picture *picture) {
        for (size_t i = 0; i < picture->n_clients; i++)
                picture->clients[i].dirty = false;
        for (size_t i = 0; i < picture->n_held; i++)
                picture->held[i].dirty = false;
}

void picture_compact(struct picture *picture, bool clients) {
        size_t n = 0;

        keep_held(picture, keeps_live_or_dirty);
        for (size_t i = 0; i < picture->n_gaps; i++)
                if (picture->gaps[i].to > picture->tick || picture->gaps[i].dirty)
                        picture->gaps[n++] = picture->gaps[i];
        picture->n_gaps = n;
        if (clients)
                compact_clients(picture);
}

void picture_drop(struct picture *picture) {
        keep_held(picture, keeps_live);
}
