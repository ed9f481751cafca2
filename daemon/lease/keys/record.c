/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/record.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/state/fence_file.h"

#define HORIZON_STEP_MS UINT64_C(10000)

#define SIZE_COMPACT (JSON_COMPACT | JSON_ENSURE_ASCII)

uint32_t record_region_end(const struct id_layout *layout) {
        unsigned bits = (unsigned)layout->worker_bits - layout->region_bits;

        return bits >= 16 ? WORKER_SET_MAX : UINT32_C(1) << bits;
}

/* Takes the object over; NULL, as json_pack() gives for a NULL string: no memory. */
static char *dump_object(json_t *object) {
        char *text = object ? json_dumps(object, SIZE_COMPACT) : NULL;

        json_decref(object);
        return text;
}

/* An object of this version or the next one; NULL and the reason otherwise. *ret_error is
 * then what a field means that is not as it should be. */
static json_t *load_object(const char *text, int *ret_error) {
        json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *field;
        json_int_t version;

        field = json_object_get(object, "version");
        version = json_integer_value(field);
        *ret_error = json_is_integer(field) && version != RECORD_VERSION ? -EPROTO : -EBADMSG;
        if (version == RECORD_VERSION || version == RECORD_VERSION_NEXT)
                return object;
        json_decref(object);
        return NULL;
}

/* As json_unpack(); fields that `format` does not name are allowed in the next version only. */
static int unpack(json_t *object, const char *format, ...) {
        json_int_t version = json_integer_value(json_object_get(object, "version"));
        va_list fields;
        int r;

        va_start(fields, format);
        r = json_vunpack_ex(object, NULL, version == RECORD_VERSION ? JSON_STRICT : 0, format,
                            fields);
        va_end(fields);
        return r;
}

char *record_keep(const char *old, char *text) {
        json_t *kept, *object;

        if (old == NULL || text == NULL)
                return text;
        kept = json_loads(old, 0, NULL);
        object = json_loads(text, 0, NULL);
        free(text);
        if (object != NULL && json_object_del(object, "version") == 0 &&
            json_object_update(kept, object) == 0) {
                json_decref(object);
                return dump_object(kept);
        }
        json_decref(object);
        json_decref(kept);
        return NULL;
}

static bool copy_text(char *to, size_t size, const char *from) {
        size_t length = strlen(from);

        if (length >= size)
                return false;
        memcpy(to, from, length + 1);
        return true;
}

static bool copy_hex(char to[RECORD_HEX], const char *from) {
        return strlen(from) == RECORD_HEX - 1 &&
               strspn(from, "0123456789abcdef") == RECORD_HEX - 1 &&
               copy_text(to, RECORD_HEX, from);
}

/* ---- contract */

/* Only where there was one: releases that know none of these fields read the others. */
static int add_recovery(json_t *object, const struct record_contract *contract) {
        char time[FENCE_TIME_SIZE];

        if (contract->recovered_unix_ms == 0 && contract->not_before_tick == 0)
                return 0;
        fence_time(&contract->layout, contract->not_before_tick, time);
        return json_object_set_new(object, "recovered_unix_ms",
                                   json_integer(contract->recovered_unix_ms)) |
               json_object_set_new(object, "not_before_tick",
                                   json_integer((json_int_t)contract->not_before_tick)) |
               json_object_set_new(object, "not_before_time", json_string(time)) |
               json_object_set_new(object, "claims_since_unix_ms",
                                   json_integer(contract->claims_since_unix_ms));
}

char *record_contract_text(const struct record_contract *contract) {
        char *regions = worker_set_text(&contract->regions), layout[32];
        json_t *object;
        int r = 0;

        snprintf(layout, sizeof(layout), "%u/%u/%u", contract->layout.tick_bits,
                 contract->layout.worker_bits, contract->layout.sequence_bits);
        object = json_pack("{s:i, s:s, s:s, s:i, s:I, s:s}", "version", RECORD_VERSION,
                           "space", contract->space, "layout", layout, "region_bits",
                           (int)contract->layout.region_bits, "epoch_unix_ms",
                           (json_int_t)contract->layout.epoch_unix_ms, "regions", regions);
        free(regions);
        if (contract->horizon_ms != 0)
                r = json_object_set_new(object, "horizon_ms",
                                        json_integer((json_int_t)contract->horizon_ms));
        if ((r | add_recovery(object, contract)) == 0)
                return dump_object(object);
        json_decref(object);
        return NULL;
}

void record_contract_raise_horizon(struct record_contract *contract, uint64_t ahead_ms) {
        if (ahead_ms > contract->horizon_ms)
                contract->horizon_ms = (ahead_ms / HORIZON_STEP_MS + 1) * HORIZON_STEP_MS;
}

int record_contract_parse(const char *text, struct record_contract *ret) {
        struct record_contract contract = { .layout = { 0 } };
        const char *space, *layout, *regions, *time;
        json_int_t epoch, recovered_ms = 0, not_before = 0, since_ms = 0, horizon_ms = 0;
        int bits, r;
        json_t *object = load_object(text, &r);

        if (!object)
                return r;
        if (unpack(object, "{s:i, s:s, s:s, s:i, s:I, s:s, s?I, s?I, s?s, s?I, s?I}", "version",
                   &contract.version, "space", &space, "layout", &layout, "region_bits", &bits,
                   "epoch_unix_ms", &epoch, "regions", &regions, "recovered_unix_ms",
                   &recovered_ms, "not_before_tick", &not_before, "not_before_time", &time,
                   "claims_since_unix_ms", &since_ms, "horizon_ms", &horizon_ms) == 0 &&
            horizon_ms >= 0 && recovered_ms >= 0 && recovered_ms < INT64_MAX && since_ms >= 0 && not_before >= 0 &&
            copy_hex(contract.space, space) &&
            id_layout_parse(layout, &contract.layout) == 0 &&
            (uint64_t)not_before < id_tick_max(&contract.layout) && bits >= 0 &&
            bits <= contract.layout.worker_bits && bits <= 16 &&
            worker_set_parse(regions, UINT32_C(1) << bits, &contract.regions) == 0) {
                contract.layout.region_bits = (uint8_t)bits;
                contract.layout.epoch_unix_ms = epoch;
                contract.recovered_unix_ms = recovered_ms;
                contract.not_before_tick = (uint64_t)not_before;
                contract.claims_since_unix_ms = since_ms;
                contract.horizon_ms = (uint64_t)horizon_ms;
                *ret = contract;
                r = 0;
        }
        json_decref(object);
        return r;
}

/* ---- used */

char *record_used_text(const struct record_used *used) {
        char *workers = worker_set_text(&used->workers);
        char *text = dump_object(json_pack("{s:i, s:s, s:I}", "version", RECORD_VERSION, "workers",
                                           workers, "claims", (json_int_t)used->claims));

        free(workers);
        return text;
}

int record_used_parse(const char *text, uint32_t end, struct record_used *ret) {
        struct record_used used = { .claims = 0 };
        const char *workers;
        json_int_t claims;
        int r;
        json_t *object = load_object(text, &r);

        if (!object)
                return r;
        if (unpack(object, "{s:i, s:s, s:I}", "version", &used.version, "workers", &workers,
                   "claims", &claims) == 0 &&
            claims >= 0 && worker_set_parse(workers, end, &used.workers) == 0) {
                used.claims = (uint64_t)claims;
                *ret = used;
                r = 0;
        }
        json_decref(object);
        return r;
}

/* ---- hosts */

static const char *state_name(const struct record_host *host) {
        return host->freed ? "freed" : host->released ? "released" : "held";
}

static json_t *pack_host(const struct record_host *host, const struct id_layout *layout,
                         const char *workers) {
        char since[FENCE_TIME_SIZE], fence[FENCE_TIME_SIZE];
        const struct id_layout unix_time = { .epoch_unix_ms = 0 };

        fence_time(&unix_time, (uint64_t)host->since_unix_ms, since);
        fence_time(layout, host->fence_tick, fence);
        return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:I, s:s, "
                         "s:I, s:I}",
                         "version", RECORD_VERSION, "nonce", host->nonce, "life", host->life,
                         "state", state_name(host), "host", host->who.host,
                         "machine_id", host->who.machine_id, "boot_id", host->who.boot_id,
                         "directory", host->who.directory, "pid", (json_int_t)host->who.pid,
                         "workers", workers, "since_unix_ms", (json_int_t)host->since_unix_ms,
                         "since", since, "fence_tick", (json_int_t)host->fence_tick,
                         "fence_time", fence, "grown_tick", (json_int_t)host->grown_tick,
                         "renewals", (json_int_t)host->renewals);
}

char *record_host_text(const struct record_host *host, const struct id_layout *layout) {
        char *workers = worker_set_text(&host->workers);
        char *text = dump_object(pack_host(host, layout, workers));

        free(workers);
        return text;
}

/* What the object's strings and numbers say; they end with it. */
static bool take_host(json_t *object, const struct id_layout *layout, struct record_host *ret) {
        const char *nonce, *life, *state, *name, *machine, *boot, *directory, *workers, *since,
                *fence_time;
        json_int_t pid, since_ms, fence, grown = 0, renewals;

        if (unpack(object,
                   "{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:I, s:s, "
                   "s?I, s:I}",
                   "version", &ret->version, "nonce", &nonce, "life", &life, "state", &state, "host",
                   &name, "machine_id", &machine, "boot_id", &boot, "directory", &directory, "pid",
                   &pid, "workers", &workers, "since_unix_ms", &since_ms, "since", &since,
                   "fence_tick", &fence, "fence_time", &fence_time, "grown_tick", &grown,
                   "renewals", &renewals) != 0)
                return false;
        if (!copy_hex(ret->nonce, nonce) || !copy_hex(ret->life, life) ||
            !copy_text(ret->who.host, RECORD_NAME, name) ||
            !copy_text(ret->who.machine_id, RECORD_HEX, machine) ||
            !copy_text(ret->who.boot_id, RECORD_HEX, boot) ||
            !copy_text(ret->who.directory, RECORD_NAME, directory))
                return false;
        if (fence < 0 || (uint64_t)fence > id_tick_max(layout) || grown < 0 || grown > fence ||
            renewals < 0 || since_ms < 0)
                return false;
        ret->released = strcmp(state, "released") == 0;
        ret->freed = strcmp(state, "freed") == 0;
        ret->who.pid = pid;
        ret->since_unix_ms = since_ms;
        ret->fence_tick = (uint64_t)fence;
        ret->grown_tick = (uint64_t)grown;
        ret->renewals = (uint64_t)renewals;
        return strcmp(state, state_name(ret)) == 0 && workers[0] != '\0' &&
               worker_set_parse(workers, record_region_end(layout), &ret->workers) == 0;
}

int record_host_parse(const char *text, const struct id_layout *layout, const char *nonce,
                      struct record_host *ret) {
        struct record_host host = { .released = false };
        int r;
        json_t *object = load_object(text, &r);

        if (!object)
                return r;
        /* copied to another key it would be a second fence of the same workers */
        if (take_host(object, layout, &host) && strcmp(host.nonce, nonce) == 0)
                r = 0;
        json_decref(object);
        if (r == 0)
                *ret = host;
        return r;
}

char *record_alive_text(const struct record_host *host) {
        return dump_object(json_pack("{s:i, s:s, s:s, s:s}", "version", RECORD_VERSION, "nonce",
                                     host->nonce, "host", host->who.host, "sfshmd",
                                     SFSHM_VERSION));
}

/* A quote within a string has a backslash before it, so this is a field. */
void record_alive_daemon(const char *text, char ret[RECORD_DAEMON]) {
        const char *at = strstr(text, "\"sfshmd\":\"");

        ret[0] = '\0';
        if (at != NULL)
                (void)sscanf(at, "\"sfshmd\":\"%15[0-9A-Za-z.~+-]", ret);
}

/* ---- as a list keeps them */

static uint32_t count_ranges(const char *workers) {
        uint32_t first, last, n = 0;

        while (worker_set_range(&workers, &first, &last))
                n += last - first + 1;
        return n;
}

struct record_brief *record_brief_new(const struct record_host *record) {
        char *workers = worker_set_text(&record->workers);
        struct record_brief *kept =
                workers != NULL ? malloc(sizeof(*kept) + strlen(workers) + 1) : NULL;

        if (kept != NULL) {
                *kept = (struct record_brief){
                        .version = record->version,
                        .released = record->released,
                        .freed = record->freed,
                        .who = record->who,
                        .since_unix_ms = record->since_unix_ms,
                        .fence_tick = record->fence_tick,
                        .grown_tick = record->grown_tick,
                        .renewals = record->renewals,
                        .first = worker_set_next(&record->workers, 0),
                        .count = count_ranges(workers),
                };
                memcpy(kept->nonce, record->nonce, RECORD_HEX);
                memcpy(kept->life, record->life, RECORD_HEX);
                memcpy(kept->workers, workers, strlen(workers) + 1);
        }
        free(workers);
        return kept;
}

void record_brief_expand(const struct record_brief *kept, struct record_host *ret) {
        *ret = (struct record_host){
                .version = kept->version,
                .released = kept->released,
                .freed = kept->freed,
                .who = kept->who,
                .since_unix_ms = kept->since_unix_ms,
                .fence_tick = kept->fence_tick,
                .grown_tick = kept->grown_tick,
                .renewals = kept->renewals,
        };
        memcpy(ret->nonce, kept->nonce, RECORD_HEX);
        memcpy(ret->life, kept->life, RECORD_HEX);
        (void)worker_set_parse(kept->workers, WORKER_SET_MAX, &ret->workers); /* it was written */
}

bool record_brief_has_any(const struct record_brief *brief, const struct worker_set *set) {
        const char *text = brief->workers;
        uint32_t first, last;

        while (worker_set_range(&text, &first, &last))
                if (worker_set_has_any(set, first, last))
                        return true;
        return false;
}
