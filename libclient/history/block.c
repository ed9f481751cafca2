/* SPDX-License-Identifier: MIT */
#include "libclient/history/block.h"

#include <errno.h>
#include <string.h>

#include "libclient/history/varint.h"

/* What one of them takes at most, so that it is written whole. */
#define ITEM_MAX (PICTURE_CGROUP + 128u)

enum item {
        ITEM_LEDGER = 1, /* of the items that follow */
        ITEM_CLIENT,
        ITEM_HELD,
        ITEM_GAP,      /* has ended */
        ITEM_OPEN_GAP, /* last; a block without it says that none is open */
};

/* The items of a block tell their numbers as changes to those of the one before. */
struct context {
        uint64_t ledger, client, t0;
        uint32_t record, start;
};

static uint64_t fnv(uint64_t hash, const void *bytes, size_t n) {
        const uint8_t *at = bytes;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
        return hash;
}

static uint64_t checksum_of(const struct block_header *header, const uint8_t *payload) {
        struct block_header plain = *header;

        plain.checksum = 0;
        return fnv(fnv(UINT64_C(0xcbf29ce484222325), &plain, sizeof(plain)), payload,
                   header->length);
}

/* ---- writing */

static void put_ledger(struct bytes_out *out, struct context *context, uint64_t ledger) {
        if (ledger == context->ledger)
                return;
        put_byte(out, ITEM_LEDGER);
        put_change(out, ledger, 0);
        context->ledger = ledger;
}

static void put_client(struct bytes_out *out, struct context *context,
                       const struct picture_client *client) {
        const char *cgroup = client->cgroup != NULL ? client->cgroup : "";

        put_ledger(out, context, client->ledger);
        put_byte(out, ITEM_CLIENT);
        put_change(out, client->number, context->client);
        put_number(out, client->pid);
        put_number(out, client->uid);
        put_change(out, (uint64_t)client->start_unix_ms, 0);
        put_text(out, client->comm, strlen(client->comm));
        put_text(out, cgroup, strlen(cgroup));
        context->client = client->number;
}

static void put_held(struct bytes_out *out, struct context *context,
                     const struct picture_held *held) {
        put_ledger(out, context, held->ledger);
        put_byte(out, ITEM_HELD);
        put_change(out, held->record, context->record);
        put_number(out, (uint64_t)held->lane << 3 | (uint64_t)held->doubtful << 2 | held->slot);
        put_change(out, held->client, context->client);
        put_change(out, held->start, context->start);
        put_number(out, held->width);
        put_change(out, held->t0, context->t0);
        put_change(out, held->t1, held->t0);
        *context = (struct context){ held->ledger, held->client, held->t0, held->record,
                                     held->start };
}

static void put_gap(struct bytes_out *out, enum item item, const struct picture_gap *gap,
                    uint64_t to) {
        put_byte(out, (uint8_t)item);
        put_number(out, gap->from);
        put_number(out, to);
        put_byte(out, (uint8_t)gap->why);
}

static bool has_room(const struct bytes_out *out) {
        return (size_t)(out->end - out->at) >= 2 * ITEM_MAX;
}

/* False: not all of it fits. */
static bool put_dirty(struct picture *picture, struct bytes_out *out) {
        struct context context = { .ledger = 0 };
        size_t i;

        for (i = 0; i < picture->n_clients && has_room(out); i++) {
                if (picture->clients[i].dirty)
                        put_client(out, &context, &picture->clients[i]);
                picture->clients[i].dirty = false;
        }
        for (i = i < picture->n_clients ? picture->n_held : 0; i < picture->n_held && has_room(out);
             i++) {
                if (picture->held[i].dirty)
                        put_held(out, &context, &picture->held[i]);
                picture->held[i].dirty = false;
        }
        for (i = 0; i < picture->n_gaps && has_room(out); i++) {
                if (picture->gaps[i].dirty)
                        put_gap(out, ITEM_GAP, &picture->gaps[i], picture->gaps[i].to);
                picture->gaps[i].dirty = false;
        }
        return has_room(out);
}

size_t block_write(struct picture *picture, struct block_header *header, uint8_t ret[BLOCK_MAX]) {
        uint8_t *payload = ret + sizeof(*header);
        struct bytes_out out = { .at = payload, .end = ret + BLOCK_MAX };

        header->whole = put_dirty(picture, &out);
        if (picture->in_gap)
                put_gap(&out, ITEM_OPEN_GAP, &picture->gap, picture->unknown_tick);
        memcpy(header->magic, BLOCK_MAGIC, sizeof(header->magic));
        header->version = BLOCK_VERSION;
        header->length = (uint32_t)(out.at - payload);
        header->tick = picture->tick;
        header->ledger = picture->ledger;
        header->generation = picture->generation;
        header->run_start = picture->run_start;
        header->run_width = picture->run_width;
        header->checksum = checksum_of(header, payload);
        memcpy(ret, header, sizeof(*header));
        return sizeof(*header) + header->length;
}

void block_begin_file(struct picture *picture) {
        for (size_t i = 0; i < picture->n_clients; i++)
                picture->clients[i].dirty = true;
        for (size_t i = 0; i < picture->n_held; i++)
                picture->held[i].dirty = true;
        for (size_t i = 0; i < picture->n_gaps; i++)
                picture->gaps[i].dirty = true;
}

/* ---- reading; `picture` may be NULL */

static void get_client(struct bytes_in *in, struct context *context, struct picture *picture) {
        struct picture_client client = { .ledger = context->ledger };
        char cgroup[PICTURE_CGROUP + 1];

        client.number = get_change(in, context->client);
        client.pid = (uint32_t)get_limited(in, UINT32_MAX);
        client.uid = (uint32_t)get_limited(in, UINT32_MAX);
        client.start_unix_ms = (int64_t)get_change(in, 0);
        get_text(in, client.comm, sizeof(client.comm));
        get_text(in, cgroup, sizeof(cgroup));
        client.cgroup = cgroup[0] != '\0' ? cgroup : NULL;
        context->client = client.number;
        if (picture != NULL && !in->bad)
                picture_put_client(picture, &client);
}

static uint32_t get_near(struct bytes_in *in, uint32_t before, uint64_t most) {
        uint64_t value = get_change(in, before);

        in->bad |= value > most;
        return (uint32_t)value;
}

static void get_held(struct bytes_in *in, struct context *context, struct picture *picture) {
        struct picture_held held = { .ledger = context->ledger };
        uint64_t place;

        held.record = get_near(in, context->record, PICTURE_RECORDS - 1);
        place = get_limited(in, 0x7ff);
        held.slot = place & 3;
        held.doubtful = (place >> 2 & 1) != 0;
        held.lane = (uint8_t)(place >> 3);
        held.client = get_change(in, context->client);
        held.start = get_near(in, context->start, UINT32_MAX);
        held.width = (uint32_t)get_limited(in, UINT32_MAX);
        held.t0 = get_change(in, context->t0);
        held.t1 = get_change(in, held.t0);
        *context = (struct context){ held.ledger, held.client, held.t0, held.record, held.start };
        if (picture != NULL && !in->bad)
                picture_put_held(picture, &held);
}

static struct picture_gap get_gap(struct bytes_in *in) {
        struct picture_gap gap = { .from = get_number(in) };
        uint8_t why;

        gap.to = get_number(in);
        why = get_byte(in);
        in->bad |= why == 0 || why >= PICTURE_WHYS;
        gap.why = (enum picture_why)why;
        return gap;
}

static void get_open_gap(struct bytes_in *in, struct picture *picture) {
        struct picture_gap gap = get_gap(in);

        if (picture == NULL || in->bad)
                return;
        picture->in_gap = true;
        picture->gap = gap;
        picture->unknown_tick = gap.to;
}

static void get_item(struct bytes_in *in, struct context *context, struct picture *picture) {
        struct picture_gap gap;

        switch (get_byte(in)) {
        case ITEM_LEDGER:
                context->ledger = get_change(in, 0);
                break;
        case ITEM_CLIENT:
                get_client(in, context, picture);
                break;
        case ITEM_HELD:
                get_held(in, context, picture);
                break;
        case ITEM_GAP:
                gap = get_gap(in);
                if (picture != NULL && !in->bad)
                        picture_put_gap(picture, &gap);
                break;
        case ITEM_OPEN_GAP:
                get_open_gap(in, picture);
                break;
        default:
                in->bad = true;
        }
}

static bool get_items(const uint8_t *payload, size_t length, struct picture *picture) {
        struct bytes_in in = { .at = payload, .end = payload + length };
        struct context context = { .ledger = 0 };

        if (picture != NULL) {
                picture->in_gap = false;
                picture->unknown_tick = 0;
        }
        while (!in.bad && in.at < in.end)
                get_item(&in, &context, picture);
        return !in.bad;
}

static void apply(struct picture *picture, const struct block_header *header,
                  const uint8_t *payload) {
        (void)get_items(payload, header->length, picture);
        if (header->whole && header->tick > picture->tick)
                picture->tick = header->tick;
        picture->in_round = false;
        picture->ledger = header->ledger;
        picture->generation = header->generation;
        picture->run_start = header->run_start;
        picture->run_width = header->run_width;
}

int block_read(struct picture *picture, struct block_header *ret, const uint8_t *bytes,
               size_t size) {
        struct block_header header;
        const uint8_t *payload = bytes + sizeof(header);

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, bytes, sizeof(header));
        if (memcmp(header.magic, BLOCK_MAGIC, sizeof(header.magic)) != 0)
                return -EBADMSG;
        if (header.version != BLOCK_VERSION)
                return -EPROTO;
        if (header.length > BLOCK_MAX - sizeof(header) ||
            header.length > size - sizeof(header) ||
            header.checksum != checksum_of(&header, payload) ||
            id_layout_check(&header.layout) < 0 ||
            memchr(header.host, '\0', sizeof(header.host)) == NULL ||
            !get_items(payload, header.length, NULL))
                return -EBADMSG;
        if (picture != NULL)
                apply(picture, &header, payload);
        *ret = header;
        return (int)(sizeof(header) + header.length);
}
