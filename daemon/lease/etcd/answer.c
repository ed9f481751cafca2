/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
};

/* An error has one of three shapes, or is plain text. */
static const char *error_text(const json_t *object, const char *text, json_int_t *ret_code) {
        const json_t *error = json_object_get(object, "error"), *code, *message;

        code = json_object_get(json_is_object(error) ? error : object,
                               json_is_object(error) ? "grpc_code" : "code");
        message = json_is_object(error) ? json_object_get(error, "message") : error;
        *ret_code = json_integer_value(code);
        if (json_is_string(message))
                return json_string_value(message);
        return *text != '\0' ? text : "an empty answer";
}

static int explain_answer(long status, const char *why, json_int_t code,
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

int etcd_answer_judge(long status, const char *text, json_t **ret, char message[ETCD_MESSAGE]) {
        json_t *object = json_loads(text, 0, NULL);
        bool fine = status == 200 && json_is_object(object) &&
                    json_object_get(object, "error") == NULL;
        json_int_t code;
        const char *why;
        int r;

        if (fine && etcd_answer_cluster(object) != NULL) {
                *ret = object;
                return 0;
        }
        why = fine ? "but not as etcd does: another program listens there" :
                     error_text(object, text, &code);
        r = explain_answer(status, why, fine ? 0 : code, message);
        json_decref(object);
        return r;
}

const char *etcd_answer_remedy(CURLcode code, bool tls, bool has_certificate) {
        bool bare = tls && !has_certificate;

        switch (code) {
        case CURLE_PEER_FAILED_VERIFICATION:
                return ": its certificate must be signed by one in etcd.ca_file, and name the host "
                       "as etcd.endpoints does";
        case CURLE_SSL_CACERT_BADFILE:
                return ": correct etcd.ca_file, or make it readable";
        case CURLE_SSL_CERTPROBLEM:
                return ": correct etcd.cert_file and etcd.key_file, which needs a key without a "
                       "pass phrase, or make them readable";
        case CURLE_SEND_FAIL_REWIND: /* it would be sent twice */
                return "; the connection ended without an answer";
        case CURLE_GOT_NOTHING:
                return tls ? "" : "; if it wants TLS, say https:// in etcd.endpoints";
        case CURLE_SSL_CONNECT_ERROR:
                return bare ? "; if it wants a certificate of this host, set etcd.cert_file and "
                              "etcd.key_file; if it has no TLS, say http://"
                            : "; if it has no TLS, say http:// in etcd.endpoints";
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
                return bare ? "; if it wants a certificate of this host, set etcd.cert_file and "
                              "etcd.key_file"
                            : "";
        default:
                return "";
        }
}
