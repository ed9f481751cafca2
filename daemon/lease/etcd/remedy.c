/* SPDX-License-Identifier: MIT */
#include "daemon/lease/etcd/remedy.h"

const char *etcd_remedy(CURLcode code, bool tls, bool has_certificate) {
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
                              "etcd.key_file; if it has no TLS, say http://" :
                              "; if it has no TLS, say http:// in etcd.endpoints";
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
                return bare ? "; if it wants a certificate of this host, set etcd.cert_file and "
                              "etcd.key_file" : "";
        default:
                return "";
        }
}
