/* SPDX-License-Identifier: MIT */
#include "daemon/config/addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS " ,"

size_t addresses_next(const char **list) {
        *list += strspn(*list, SEPARATORS);
        return strcspn(*list, SEPARATORS);
}

/* 7 or 8; 0: neither. */
static size_t scheme_length(const char *url) {
        return strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
}

/* A path, a user or a query would change the URLs of the calls. */
static bool is_plain_host(const char *host, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (strchr("/@?#\\", host[i]) != NULL || (unsigned char)host[i] < 0x20)
                        return false;
        return length > 0;
}

static bool is_port(const char *text, size_t length) {
        unsigned port = 0;

        if (length == 0 || length > 5 || strspn(text, "0123456789") < length)
                return false;
        for (size_t i = 0; i < length; i++)
                port = port * 10 + (unsigned)(text[i] - '0');
        return port > 0 && port <= 65535;
}

/* A host with colons has brackets, and no path follows the port. */
static bool is_host_and_port(const char *text, size_t length) {
        size_t host = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");

        return host > (text[0] == '[' ? 2 : 0) && host < length && host <= ADDRESS_LENGTH_MAX &&
               strcspn(text, "/") >= length && text[host] == ':' &&
               is_port(text + host + 1, length - host - 1);
}

int addresses_check_urls(const char *list, bool *ret_tls) {
        size_t length, count = 0;
        bool tls = false;

        for (; (length = addresses_next(&list)) > 0; list += length) {
                size_t scheme = scheme_length(list);

                if (scheme == 0 || length > ADDRESS_LENGTH_MAX ||
                    !is_plain_host(list + scheme, length - scheme) ||
                    !is_host_and_port(list + scheme, length - scheme) || ++count > ADDRESSES_MAX)
                        return -EINVAL;
                if (count > 1 && tls != (scheme == 8))
                        return -EINVAL;
                tls = scheme == 8;
        }
        if (count == 0)
                return -EINVAL;
        *ret_tls = tls;
        return 0;
}

int addresses_check_hosts(const char *list) {
        size_t length, count = 0;

        for (; (length = addresses_next(&list)) > 0; list += length)
                if (!is_host_and_port(list, length) || ++count > ADDRESSES_MAX)
                        return -EINVAL;
        return count > 0 ? 0 : -EINVAL;
}

size_t addresses_find_portless(const char **list) {
        size_t length;

        for (; (length = addresses_next(list)) > 0; *list += length) {
                size_t host = scheme_length(*list);

                host += (*list)[host] == '[' ? strcspn(*list + host, "]") : 0;
                if (host < length && memchr(*list + host, ':', length - host) == NULL)
                        return length;
        }
        return 0;
}

/* The library separates hosts by commas alone, knows no brackets, and takes what follows
 * the last colon for the port. */
char *addresses_zookeeper_list(const char *list) {
        char *copy = malloc(strlen(list) + 1), *to = copy;
        size_t length;

        if (copy == NULL)
                return NULL;
        for (; (length = addresses_next(&list)) > 0; list += length) {
                if (to != copy)
                        *to++ = ',';
                for (size_t i = 0; i < length; i++)
                        if (list[i] != '[' && list[i] != ']')
                                *to++ = list[i];
        }
        *to = '\0';
        return copy;
}
