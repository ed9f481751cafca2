/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/hosts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX 16u
#define HOST_LENGTH_MAX 255u
#define SEPARATORS " ,"

static bool is_port(const char *text, size_t length) {
        unsigned port = 0;

        if (length == 0 || length > 5 || strspn(text, "0123456789") < length)
                return false;
        for (size_t i = 0; i < length; i++)
                port = port * 10 + (unsigned)(text[i] - '0');
        return port > 0 && port <= 65535;
}

/* HOST:PORT, where a host with colons has brackets; no path behind it. */
static bool is_server(const char *text, size_t length) {
        size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");

        return host > (text[0] == '[' ? 2 : 0) && host < length && host <= HOST_LENGTH_MAX &&
               strcspn(text, "/") >= length && text[host] == ':' &&
               is_port(text + host + 1, length - host - 1);
}

int zookeeper_hosts_check(const char *hosts) {
        unsigned n = 0;

        for (hosts += strspn(hosts, SEPARATORS); *hosts != '\0';
             hosts += strspn(hosts, SEPARATORS)) {
                size_t length = strcspn(hosts, SEPARATORS);

                if (!is_server(hosts, length) || ++n > HOSTS_MAX)
                        return -EINVAL;
                hosts += length;
        }
        return n > 0 ? 0 : -EINVAL;
}

/* Commas alone, and no brackets: it takes what is behind the last colon for the port. */
char *zookeeper_hosts_list(const char *hosts) {
        char *list = malloc(strlen(hosts) + 1), *to = list;

        if (list == NULL)
                return NULL;
        while (*(hosts += strspn(hosts, SEPARATORS)) != '\0') {
                if (to != list)
                        *to++ = ',';
                for (; *hosts != '\0' && strchr(SEPARATORS, *hosts) == NULL; hosts++)
                        if (*hosts != '[' && *hosts != ']')
                                *to++ = *hosts;
        }
        *to = '\0';
        return list;
}
