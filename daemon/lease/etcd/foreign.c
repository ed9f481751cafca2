/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/foreign.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TITLE_MAX 80u

#define ITSELF "name etcd itself in etcd.endpoints, or a proxy that passes /v3/ on"

/* Answers that say by themselves what is wrong; the first one that fits. */
static const struct {
        long status;      /* 0: any */
        const char *part; /* of the body */
        const char *what;
} known[] = {
        { 0, "HTTP request to an HTTPS server", "it wants TLS: say https:// in etcd.endpoints" },
        { 0, "HTTP request was sent to HTTPS port", "it wants TLS: say https:// in etcd.endpoints" },
        { 421, "", "it does not serve clients that name it so: run etcd with a --host-whitelist "
                   "that has the host of etcd.endpoints" },
        { 404, "", "there is no gateway at this port: it must be a client port of etcd 3.4 or "
                   "later, which runs with --enable-grpc-gateway" },
        { 405, "", "there is no gateway at this port: " ITSELF },
        { 407, "", "a proxy wants a login: " ITSELF },
        { 413, "", "a proxy takes no request of this size: raise its limit to 2 MiB, or "
                   "name etcd itself in etcd.endpoints" },
        { 415, "", "only gRPC is spoken at this port: give that of etcd's --listen-client-http-urls" },
};

static bool is_page(const struct etcd_answer *answer) {
        return answer->text[strspn(answer->text, " \t\r\n")] == '<' ||
               strcasestr(answer->type, "html") != NULL;
}

/* "" if it has none. */
static void find_title(const char *page, char title[TITLE_MAX]) {
        const char *begin = strcasestr(page, "<title>");
        size_t n = 0;

        if (begin != NULL) {
                begin += strlen("<title>");
                begin += strspn(begin, " \t\r\n");
                n = strcspn(begin, "<\r\n");
        }
        snprintf(title, TITLE_MAX, "%.*s", (int)(n < TITLE_MAX ? n : TITLE_MAX - 1),
                 n > 0 ? begin : "");
}

static void describe_body(const struct etcd_answer *answer, bool object,
                          char what[ETCD_MESSAGE]) {
        char title[TITLE_MAX] = "";

        if (is_page(answer)) {
                find_title(answer->text, title);
                snprintf(what, ETCD_MESSAGE, "an HTML page%s%s%s, as of a proxy", *title != '\0' ?
                         " \"" : "", title, *title != '\0' ? "\"" : "");
        } else if (answer->text[0] == '\0') {
                snprintf(what, ETCD_MESSAGE, "an empty answer");
        } else if (object) {
                snprintf(what, ETCD_MESSAGE, "but not as etcd does: another program listens there");
        } else {
                snprintf(what, ETCD_MESSAGE, "no JSON, or only a part of it, but \"%.80s\"",
                         answer->text);
        }
}

static const char *find_known(const struct etcd_answer *answer) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if ((known[i].status == 0 || known[i].status == answer->status) &&
                    strstr(answer->text, known[i].part) != NULL)
                        return known[i].what;
        return NULL;
}

int etcd_foreign_explain(const struct etcd_answer *answer, bool object,
                         char message[ETCD_MESSAGE]) {
        const char *what = find_known(answer);
        char body[ETCD_MESSAGE];

        describe_body(answer, object, body);
        if (answer->redirect[0] != '\0')
                snprintf(message, ETCD_MESSAGE, "HTTP status %ld, it points to %.200s, which is not "
                         "followed: " ITSELF, answer->status, answer->redirect);
        else if (what != NULL)
                snprintf(message, ETCD_MESSAGE, "HTTP status %ld, %.200s: %s", answer->status, body,
                         what);
        else
                snprintf(message, ETCD_MESSAGE, "HTTP status %ld, %.200s: " ITSELF, answer->status,
                         body);
        if (answer->status == 401 || answer->status == 407)
                return -EACCES;
        return answer->status == 403 ? -EACCES : -EIO;
}

const char *etcd_foreign_remedy(CURLcode code, bool tls, bool has_certificate) {
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
        case CURLE_COULDNT_RESOLVE_HOST:
                return "; correct the name in etcd.endpoints, or the name service of this host";
        case CURLE_COULDNT_CONNECT:
                return "; start etcd there, correct etcd.endpoints, or let this host and its unit "
                       "reach it (PrivateNetwork=)";
        case CURLE_OPERATION_TIMEDOUT:
                return "; check the network and firewalls between, and the load of etcd";
        case CURLE_PARTIAL_FILE:
                return "; etcd or a proxy before it ended the answer too early";
        case CURLE_UNSUPPORTED_PROTOCOL: /* no HTTP/1.1 */
        case CURLE_WEIRD_SERVER_REPLY:
                return "; only gRPC is spoken at this port, or another program listens there: give "
                       "the port of etcd's --listen-client-http-urls";
        case CURLE_SEND_FAIL_REWIND: /* it would be sent twice */
                return "; the connection ended without an answer";
        case CURLE_GOT_NOTHING:
                return tls ? "; some releases of etcd do so when they refuse a user: check "
                             "etcd.username and etcd.password_file"
                           : "; if it wants TLS, say https:// in etcd.endpoints; some releases of "
                             "etcd do so when they refuse a user: check etcd.username";
        case CURLE_SSL_CONNECT_ERROR:
                return bare ? "; if it wants a certificate of this host, set etcd.cert_file and "
                              "etcd.key_file; if it has no TLS, say http://"
                            : "; if it has no TLS, say http:// in etcd.endpoints";
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
                return bare ? "; if it wants a certificate of this host, set etcd.cert_file and "
                              "etcd.key_file"
                            : "; etcd or a proxy before it ended the connection";
        default:
                return "";
        }
}
