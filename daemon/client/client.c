/* SPDX-License-Identifier: MIT */
#include "daemon/client/client.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/util/time.h"
#include "shm/clock.h"

/* The most that a client can have counted is every position of every tick since its
 * attach, and of one more second, for slewed clocks. */
#define PLAUSIBLE_SLACK_MS INT64_C(1000)

static uint64_t whole_pages(uint32_t size) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

        return (size + page - 1) / page * page;
}

struct account_amounts client_shape_amounts(const struct client_shape *shape) {
        return (struct account_amounts){ .of = {
                [ACCOUNT_CLIENTS] = 1,
                [ACCOUNT_LANES] = shape->n_lanes,
                [ACCOUNT_BYTES] =
                        whole_pages(grants_page_size_counted(shape->n_lanes,
                                                             shape->worker_counters)) +
                        whole_pages(cursors_page_size(shape->n_lanes, shape->worker_counters)),
        } };
}

static void fill_grants(const struct client *client, const struct client_shape *shape) {
        struct grants_page *page = client->grants.map;

        memcpy(page->magic, GRANTS_MAGIC, sizeof(page->magic));
        page->version = PAGES_VERSION;
        page->size = (uint32_t)client->grants.size;
        page->client = shape->id;
        page->base_tick = shape->base_tick;
        page->lanes = shape->n_lanes;
        page->worker_first = shape->worker_first;
        page->worker_counters = shape->worker_counters;
        page->cursors_size = (uint32_t)client->cursors.size;
        page->generation = shape->generation;
}

/* Called before the descriptor is sent: then the client may write the page. */
static void fill_cursors(struct client *client) {
        struct cursors_page *page = client->cursors.map;

        for (uint32_t lane = 0; lane < client->n_lanes; lane++)
                /* relaxed: the client maps the page after a message about it */
                atomic_store_explicit(&page->lanes[lane].cursor,
                                      cursor_pack(0, 0, CURSOR_OFFSET_FULL), memory_order_relaxed);
        segment_unmap(&client->cursors);
}

static struct client *client_alloc(uint64_t id, uint32_t n_lanes) {
        struct client *client = calloc(1, sizeof(*client) + n_lanes * sizeof(client->lanes[0]));

        if (client == NULL)
                return NULL;
        client->id = id;
        client->socket = -1;
        client->n_lanes = n_lanes;
        client->grants = client->cursors = SEGMENT_NONE;
        return client;
}

int client_new(struct client **ret, const struct client_shape *shape) {
        struct client *client;
        int r;

        client = client_alloc(shape->id, shape->n_lanes);
        if (client == NULL)
                return -ENOMEM;
        client->amounts = client_shape_amounts(shape);
        r = segment_memfd(&client->grants, "sfshm-grants",
                          grants_page_size_counted(shape->n_lanes, shape->worker_counters));
        if (r == 0)
                r = segment_memfd(&client->cursors, "sfshm-cursors",
                                  cursors_page_size(shape->n_lanes, shape->worker_counters));
        if (r < 0) {
                client_free(client);
                return r;
        }
        fill_grants(client, shape);
        fill_cursors(client);
        *ret = client;
        return 0;
}

/* The page can be trusted: its mode and owner let only the daemon write it. */
static bool page_matches(const struct grants_page *page, uint64_t id, uint32_t n_lanes) {
        return memcmp(page->magic, GRANTS_MAGIC, sizeof(page->magic)) == 0 &&
               page->version == PAGES_VERSION && page->client == id && page->lanes == n_lanes &&
               page->worker_counters <= WORKER_COUNTERS_MAX &&
               (page->size == grants_page_size(n_lanes) ||
                page->size == grants_page_size_counted(n_lanes, page->worker_counters)) &&
               page->cursors_size == cursors_page_size(n_lanes, page->worker_counters);
}

/* With what an earlier daemon has counted in it, or without. */
static int adopt_grants(struct client *client, int fd) {
        uint32_t least = grants_page_size(client->n_lanes);
        uint32_t most = grants_page_size_counted(client->n_lanes, WORKER_COUNTERS_MAX);
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return st.st_size < least || st.st_size > most
                       ? -EBADMSG
                       : segment_memfd_adopt(&client->grants, fd, (size_t)st.st_size);
}

static int adopt_pages(struct client *client, int grants_fd, int cursors_fd) {
        const struct grants_page *page;
        int r = adopt_grants(client, grants_fd);

        if (r < 0)
                return r;
        page = client->grants.map;
        r = page->size == client->grants.size && page_matches(page, client->id, client->n_lanes)
                    ? segment_memfd_adopt(&client->cursors, cursors_fd, page->cursors_size)
                    : -EBADMSG;
        if (r < 0)
                return r;
        segment_unmap(&client->cursors); /* the client may punch holes: only pread() is safe */
        client->attached_tick = page->base_tick + 1;
        client->amounts = client_shape_amounts(&(struct client_shape){
                .n_lanes = client->n_lanes, .worker_counters = page->worker_counters });
        return 0;
}

int client_adopt(struct client **ret, uint64_t id, uint32_t n_lanes, int grants_fd,
                 int cursors_fd) {
        struct client *client;
        int r;

        if (n_lanes == 0 || n_lanes > LANES_MAX)
                return -EBADMSG;
        client = client_alloc(id, n_lanes);
        if (client == NULL)
                return -ENOMEM;
        r = adopt_pages(client, grants_fd, cursors_fd);
        if (r < 0) {
                client_free(client);
                return r;
        }
        close(client->grants.fd); /* the descriptor store has another one */
        client->grants.fd = -1;
        *ret = client;
        return 0;
}

struct client *client_free(struct client *client) {
        if (client == NULL)
                return NULL;
        segment_close(&client->grants);
        segment_close(&client->cursors);
        free(client);
        return NULL;
}

static void free_after_grace(struct rcu_head *head) {
        client_free((struct client *)((char *)head - offsetof(struct client, rcu)));
}

void client_free_later(struct client *client) {
        call_rcu(&client->rcu, free_after_grace);
}

void client_wake(struct client *client) {
        struct grants_page *page = client_grants(client);

        /* release: a reader that sees the new number sees the slots written before it;
         * pairs with the client's acquire load */
        atomic_fetch_add_explicit(&page->changed, 1, memory_order_release);
        (void)syscall(SYS_futex, &page->changed, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* What the lane has used of its cursor's tick. */
static uint64_t used_now(const struct client *client, uint32_t lane, uint64_t cursor) {
        const struct slot *slot = &client_grants(client)->slots[lane][cursor_slot(cursor)];

        /* relaxed: for statistics; the width of another grant does no harm */
        return cursor_used(cursor, span_width(atomic_load_explicit(&slot->span,
                                                                   memory_order_relaxed)));
}

static uint64_t at_most(uint64_t value, uint64_t limit) {
        return value < limit ? value : limit;
}

/* The page may contain anything: a value that is impossible is limited to a possible one
 * (rule 13). */
static void make_plausible(const struct client *client, struct client_counters *counters) {
        int64_t alive_ms, alive_ns;
        uint64_t ids_max;

        if (__builtin_sub_overflow(time_ns(CLOCK_BOOTTIME), client->attached_boot_ns,
                                   &alive_ns) || alive_ns < 0)
                alive_ns = 0;
        alive_ms = alive_ns / NS_PER_TICK + PLAUSIBLE_SLACK_MS;
        if (__builtin_mul_overflow((uint64_t)alive_ms, (uint64_t)SLOT_WIDTH_MAX, &ids_max) ||
            ids_max > INT64_MAX)
                ids_max = INT64_MAX;
        /* `ids` is below zero for a moment when a tick starts at an offset */
        counters->ids = (int64_t)counters->ids < 0 && counters->ids >= UINT64_MAX - SLOT_WIDTH_MAX
                                ? 0 : at_most(counters->ids, ids_max);
        counters->overflows = at_most(counters->overflows, ids_max);
        counters->overflow_wait_ns = at_most(counters->overflow_wait_ns, INT64_MAX / 4096);
}

static int read_words(const struct client *client, uint32_t lane, struct lane_words *ret) {
        off_t offset = (off_t)(sizeof(struct cursors_page) + lane * sizeof(*ret));

        if (lane >= client->n_lanes)
                return -EINVAL;
        return pread(client->cursors.fd, ret, sizeof(*ret), offset) == (ssize_t)sizeof(*ret)
                       ? 0 : -EIO;
}

uint64_t client_cursor_tick(const struct client *client, uint32_t lane) {
        struct lane_words words;
        uint64_t tick;

        if (read_words(client, lane, &words) < 0 ||
            /* relaxed: a private copy */
            __builtin_add_overflow(client_grants(client)->base_tick,
                                   cursor_tick(atomic_load_explicit(&words.cursor,
                                                                    memory_order_relaxed)),
                                   &tick))
                return UINT64_MAX;
        return tick;
}

int client_read_lane(const struct client *client, uint32_t lane, struct client_counters *ret) {
        struct lane_words words;
        struct client_counters counters;
        int r = read_words(client, lane, &words);

        if (r < 0)
                return r;
        /* relaxed: a private copy */
        counters.ids = atomic_load_explicit(&words.ids, memory_order_relaxed) +
                       used_now(client, lane,
                                atomic_load_explicit(&words.cursor, memory_order_relaxed));
        counters.overflows = atomic_load_explicit(&words.overflows, memory_order_relaxed);
        counters.overflow_wait_ns =
                atomic_load_explicit(&words.overflow_wait_ns, memory_order_relaxed);
        make_plausible(client, &counters);
        *ret = counters;
        return 0;
}

uint64_t *client_counted(const struct client *client, uint32_t *ret_workers) {
        struct grants_page *page = client->grants.map;

        *ret_workers = page->worker_counters;
        if (page->size < grants_page_size_counted(page->lanes, page->worker_counters))
                return NULL;
        return (uint64_t *)((uintptr_t)page + grants_page_size(page->lanes));
}
