/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/remedy.h"

#include <stddef.h>
#include <string.h>
#include <zookeeper/zookeeper.h>

#define QUOTA_EXCEEDED (-125) /* newer servers have it, not all libraries */

#define ENDED                                                                                      \
        "the server ended the connection: it stopped, has no quorum or is read-only, takes no "    \
        "more clients of this address (maxClientCnxns), wants TLS, or this is no client port; "    \
        "its log says which"

/* The library adds an errno to its texts that says little: a connection which the server
 * has closed is "Host is down" or "Resource temporarily unavailable". */
static const struct {
        const char *part; /* of the library's text; the first one that is there counts */
        const char *what;
} connections[] = {
        { "getaddrinfo", "its name is not known: correct zookeeper.hosts, or the name service of "
                         "this host" },
        { "server refused to accept", "nothing listens there: start ZooKeeper, or correct "
                                      "zookeeper.hosts" },
        { "unreachable", "no way leads there: let this host and its unit reach it "
                         "(PrivateNetwork=)" },
        { "No route", "no way leads there: let this host and its unit reach it "
                      "(PrivateNetwork=)" },
        { "timed out", "it is silent: check the network and firewalls between, and that "
                       "zookeeper.hosts names client ports" },
        { "failed while receiving", ENDED }, { "failed while flushing", ENDED },
};

static const struct {
        int code;
        const char *remedy;
} answers[] = {
        { ZNOAUTH, ": its ACL does not allow it: correct zookeeper.username and "
                   "zookeeper.password_file, or the ACL (zkCli: getAcl)" },
        { ZAUTHFAILED, ": it does not take the user: correct zookeeper.username and "
                       "zookeeper.password_file, and let ZooKeeper take digest users" },
        { ZINVALIDACL, ": it does not know the user to whom the node shall belong: let ZooKeeper "
                       "take digest users, or leave out zookeeper.username" },
        { ZSESSIONCLOSEDREQUIRESASLAUTH, ": it takes users of other schemes only: add digest to "
                                         "its enforce.auth.schemes, and set zookeeper.username" },
        { ZNOTREADONLY, ": that server has no quorum and only reads: start the others, or leave it "
                        "out of zookeeper.hosts" },
        { QUOTA_EXCEEDED, ": the quota of these nodes is used up: raise it (zkCli: listquota, setquota)" },
        { ZTHROTTLEDOP, ": it is overloaded" },
        { ZUNIMPLEMENTED, ": it does not know this request: run ZooKeeper 3.5 or later" },
};

const char *zookeeper_remedy_connection(const char *message) {
        for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
                if (strstr(message, connections[i].part) != NULL)
                        return connections[i].what;
        return NULL;
}

const char *zookeeper_remedy_answer(int code) {
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
                if (answers[i].code == code)
                        return answers[i].remedy;
        return "";
}
