/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/etcd/pairs.h"

/* gRPC's codes */
#define CODE_PERMISSION_DENIED 7
#define CODE_UNAUTHENTICATED 16

/* Errors with the same code and status need different remedies. */
static const struct {
        const char *part; /* of etcd's text */
        int error;
        const char *remedy;
} known[] = {
        { "invalid auth token", -ECANCELED, "" },
        { "revision of auth store is old", -ECANCELED, "" },
        { "invalid user ID or password", -EACCES,
          ": correct etcd.username, or the first line of etcd.password_file" },
        { "permission denied", -EACCES,
          ": give that user's role in etcd read and write below etcd.prefix" },
        { "user name is empty", -EACCES,
          ": there are users in etcd: set etcd.username and etcd.password_file" },
        { "user name not found", -EACCES, ": correct etcd.username" },
        { "authentication is not enabled", -EACCES,
          ": there are no users in etcd: leave out etcd.username and etcd.password_file" },
        { "CommonName of client", -EACCES,
          ": where there are users, a certificate in etcd.cert_file must not have a CN" },
        { "database space exceeded", -EIO,
          ": etcd's quota is used up, and it takes no writes. Free its history with etcdctl: "
          "'compact REVISION' (the revision of 'endpoint status -w json'), 'defrag --cluster', "
          "'alarm disarm'; then run etcd with --auto-compaction-retention, or a larger "
          "--quota-backend-bytes" },
        { "corrupt cluster", -EIO,
          ": the data of its members differ ('etcdctl alarm list'): replace the damaged member, "
          "then 'etcdctl alarm disarm'" },
        { "too many operations", -EIO, ": run etcd with --max-txn-ops of 128 or more" },
        { "request is too large", -EIO, ": run etcd with --max-request-bytes of 1572864 or more" },
        { "too many requests", -EIO,
          ": etcd writes more slowly than it is asked to: give it a faster disk" },
        { "required revision has been compacted", -EAGAIN, "" }, /* of a list by pages */
        { "requested lease not found", -EAGAIN, "" }, /* the session has ended: nothing is written */
        { "no leader", -EIO,
          ": its members have no majority: start those that are down, or repair the network "
          "between them ('etcdctl endpoint status --cluster')" },
        { "request timed out", -EIO,
          ": its members do not agree in time: check how many run, their disks, and the network "
          "between them ('etcdctl endpoint status --cluster')" },
        { "Not Found", -EIO, ": it does not know this call: run etcd 3.4 or later" },
        { "for learner", -EIO,
          ": this member only learns: leave it out of etcd.endpoints, or 'etcdctl member promote'" },
};

/* An error has one of four shapes: {"error":TEXT,"code":N} of etcd 3.4 and 3.5,
 * {"code":N,"message":TEXT} of 3.6, and {"error":{...}} in a stream, with the code's old
 * name grpc_code or the new one. NULL: it is none of etcd. */
static const char *error_text(const json_t *object, json_int_t *ret_code) {
        const json_t *error = json_object_get(object, "error");
        const json_t *of = json_is_object(error) ? error : object, *code, *message;

        code = json_object_get(of, "grpc_code");
        *ret_code = json_integer_value(code != NULL ? code : json_object_get(of, "code"));
        message = json_object_get(of, "message");
        return json_string_value(message != NULL ? message : error);
}

/* A field `error` of an answer is none while it is empty. */
static bool is_error(const json_t *object) {
        const json_t *error = json_object_get(object, "error");

        return error != NULL && !(json_is_string(error) && *json_string_value(error) == '\0');
}

static int explain_error(long status, const char *why, json_int_t code,
                         char message[ETCD_MESSAGE]) {
        const char *remedy = "";
        int r = status == 401 || code == CODE_UNAUTHENTICATED ? -ECANCELED :
                status == 403 || code == CODE_PERMISSION_DENIED ? -EACCES : -EIO;

        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
                if (strstr(why, known[i].part) == NULL)
                        continue;
                r = known[i].error;
                remedy = known[i].remedy;
                break;
        }
        snprintf(message, ETCD_MESSAGE, "HTTP status %ld, %.120s%s", status, why, remedy);
        return r;
}

const char *etcd_answer_cluster(const json_t *answer) {
        const json_t *header = json_object_get(answer, "header");

        if (header == NULL) /* of a stream, as lease/keepalive is */
                header = json_object_get(json_object_get(answer, "result"), "header");
        return json_string_value(json_object_get(header, "cluster_id"));
}

/* "CommonName ..." comes from etcd as well, but as plain text. */
static bool is_plain_error(const struct etcd_answer *answer) {
        return strstr(answer->text, "CommonName of client") != NULL;
}

int etcd_answer_judge(const struct etcd_answer *answer, json_t **ret, char message[ETCD_MESSAGE]) {
        json_t *object = etcd_pairs_load(answer->text);
        json_int_t code = 0;
        const char *why;
        int r;

        if (answer->status == 200 && json_is_object(object) && !is_error(object) &&
            etcd_answer_cluster(object) != NULL) {
                *ret = object;
                return 0;
        }
        why = is_plain_error(answer) ? answer->text : error_text(object, &code);
        r = why != NULL ? explain_error(answer->status, why, code, message)
                        : etcd_foreign_explain(answer, json_is_object(object), message);
        json_decref(object);
        return r;
}
