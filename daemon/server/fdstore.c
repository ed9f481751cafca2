/* SPDX-License-Identifier: MIT */
#include "daemon/server/fdstore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/util/log.h"
#include "daemon/host/notify.h"
#include "daemon/host/listen_fds.h"
#include "daemon/util/time.h"

#define AGE_NS NS_PER_S /* one-shot clients are not worth the messages */
/* The manager's queue is short, and it has other work: a few at a time. */
#define BATCH 64u
#define PAUSE_NS (50 * NS_PER_MS)
#define RETRY_NS NS_PER_S /* after any error but a full queue */
#define NAME_MAX_BYTES 256u

struct removal {
        TAILQ_ENTRY(removal) link;
        char name[];
};

struct fdstore {
        TAILQ_HEAD(, client) waiting; /* in the order in which they attached */
        TAILQ_HEAD(, removal) removals;
        int64_t resume_ns; /* nothing is sent before */
        bool failing;      /* logged already */
};

int fdstore_new(struct fdstore **ret) {
        struct fdstore *store;

        *ret = NULL;
        if (!notify_wanted())
                return 0;
        store = calloc(1, sizeof(*store));
        if (store == NULL)
                return -ENOMEM;
        TAILQ_INIT(&store->waiting);
        TAILQ_INIT(&store->removals);
        *ret = store;
        return 0;
}

/* When to send again after this result; logs the first failure. */
static void fdstore_note_result(struct fdstore *store, int r, int64_t now_ns) {
        bool failing = r < 0 && r != -EAGAIN;

        store->resume_ns = now_ns + (failing ? RETRY_NS : PAUSE_NS);
        if (failing && !store->failing)
                log_event(EVENT_FDSTORE, "the service manager does not accept "
                          "the clients' descriptors (%s): until it does, clients do not survive a "
                          "restart of the daemon but attach anew", strerror(-r));
        store->failing = failing;
}

static int fdstore_send_client(struct client *client) {
        const int fds[LISTEN_FDS_PER_CLIENT] = { client->socket, client->grants.fd,
                                                 client->cursors.fd };
        char text[64];
        int r;

        snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=" LISTEN_FDS_CLIENT_PREFIX "%" PRIu64,
                 client->id);
        r = notify_send(text, fds, LISTEN_FDS_PER_CLIENT);
        if (r < 0)
                return r;
        client->stored = true;
        close(client->grants.fd); /* mapped, and in the store */
        client->grants.fd = -1;
        return 0;
}

static int fdstore_send_removal(const char *name) {
        char text[NAME_MAX_BYTES + 32];

        snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
        return notify_send(text, NULL, 0);
}

static int fdstore_remove_first(struct fdstore *store) {
        struct removal *removal = TAILQ_FIRST(&store->removals);
        int r = fdstore_send_removal(removal->name);

        if (r < 0)
                return r;
        TAILQ_REMOVE(&store->removals, removal, link);
        free(removal);
        return 0;
}

bool fdstore_keep(struct fdstore *store, struct client *client) {
        if (store == NULL)
                return false;
        client->to_store = true;
        TAILQ_INSERT_TAIL(&store->waiting, client, store_link);
        return true;
}

/* Without memory for the removal, the next daemon removes what is left. */
void fdstore_remove(struct fdstore *store, const char *name) {
        size_t length = strlen(name) + 1;
        struct removal *removal;

        if (store == NULL || length > NAME_MAX_BYTES)
                return;
        removal = malloc(sizeof(*removal) + length);
        if (removal == NULL)
                return;
        memcpy(removal->name, name, length);
        TAILQ_INSERT_TAIL(&store->removals, removal, link);
}

void fdstore_forget(struct fdstore *store, struct client *client) {
        char name[64];

        if (store == NULL)
                return;
        if (client->to_store)
                TAILQ_REMOVE(&store->waiting, client, store_link);
        client->to_store = false;
        if (!client->stored)
                return;
        client->stored = false;
        snprintf(name, sizeof(name), LISTEN_FDS_CLIENT_PREFIX "%" PRIu64, client->id);
        fdstore_remove(store, name);
}

static int64_t fdstore_deadline(const struct fdstore *store) {
        const struct client *first;
        int64_t due_ns;

        if (!TAILQ_EMPTY(&store->removals))
                return store->resume_ns;
        first = TAILQ_FIRST(&store->waiting);
        if (first == NULL)
                return INT64_MAX;
        due_ns = first->attached_boot_ns + AGE_NS;
        return due_ns > store->resume_ns ? due_ns : store->resume_ns;
}

/* The next removal or client; 1 when nothing is due. Removals come first: they make
 * room. */
static int fdstore_do_one(struct fdstore *store, int64_t now_ns) {
        struct client *client = TAILQ_FIRST(&store->waiting);
        int r;

        if (!TAILQ_EMPTY(&store->removals))
                return fdstore_remove_first(store);
        if (client == NULL || client->attached_boot_ns + AGE_NS > now_ns)
                return 1;
        r = fdstore_send_client(client);
        if (r == 0) {
                TAILQ_REMOVE(&store->waiting, client, store_link);
                client->to_store = false;
        }
        return r;
}

static void fdstore_run_batch(struct fdstore *store, int64_t now_ns) {
        for (unsigned i = 0; i < BATCH; i++) {
                int r = fdstore_do_one(store, now_ns);

                if (r == 1)
                        return;
                if (r < 0) {
                        fdstore_note_result(store, r, now_ns);
                        return;
                }
                store->failing = false;
        }
        store->resume_ns = now_ns + PAUSE_NS;
}

int64_t fdstore_run(struct fdstore *store, int64_t now_ns) {
        if (store == NULL)
                return INT64_MAX;
        if (fdstore_deadline(store) <= now_ns)
                fdstore_run_batch(store, now_ns);
        return fdstore_deadline(store);
}

struct fdstore *fdstore_free(struct fdstore *store) {
        struct removal *removal;
        bool sending = true;

        if (store == NULL)
                return NULL;
        while ((removal = TAILQ_FIRST(&store->removals)) != NULL) {
                /* the next daemon removes what cannot be sent now */
                sending = sending && fdstore_send_removal(removal->name) == 0;
                TAILQ_REMOVE(&store->removals, removal, link);
                free(removal);
        }
        free(store);
        return NULL;
}
