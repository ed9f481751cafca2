/* SPDX-License-Identifier: MIT */
#include "tests/cluster/etcd_history.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease/etcd/base64.h"
#include "tests/cluster/etcd_ctl.h"
#include "tests/cluster/history.h"

#define MARK "/the-end"

static char *text_of(const json_t *kv, const char *field) {
        const char *text = json_string_value(json_object_get(kv, field));

        return base64_decode(text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

/* Of one revision or several; false after the mark. */
static bool take_event(struct history *h, const json_t *event) {
        const json_t *kv = json_object_get(event, "kv");
        int64_t revision = (int64_t)json_number_value(json_object_get(kv, "mod_revision"));
        bool is_delete = json_number_value(json_object_get(event, "type")) == 1;
        char *key = text_of(kv, "key"), *value = text_of(kv, "value");
        bool more = strcmp(key, MARK) != 0;

        history_take(h, revision, key, is_delete ? NULL : value);
        free(key);
        free(value);
        return more;
}

static bool take_answer(struct history *h, const json_t *answer) {
        const json_t *events = json_object_get(answer, "Events");
        bool more = true;

        for (size_t i = 0; i < json_array_size(events) && more; i++)
                more = take_event(h, json_array_get(events, i));
        return more;
}

void etcd_history_check(const char *endpoint) {
        struct history *h = history_new();
        FILE *output = NULL;
        bool more = true;
        pid_t pid;

        free(ETCD_CTL(endpoint, "put", MARK, "1"));
        pid = etcd_ctl_begin(endpoint, (char *[]){ "watch", "--prefix", "/", "--rev=1", "-w",
                                                   "json", NULL }, &output);
        while (more) {
                /* nothing between one answer and the next; IDs of 64 bits without a sign */
                json_t *answer = json_loadf(
                        output, JSON_DISABLE_EOF_CHECK | JSON_DECODE_INT_AS_REAL, NULL);

                cr_assert_not_null(answer, "etcd does not tell its history to the end");
                more = take_answer(h, answer);
                json_decref(answer);
        }
        etcd_ctl_end(pid, output);
        history_end(h, "etcd");
}
