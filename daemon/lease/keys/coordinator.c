/* SPDX-License-Identifier: MIT */
#include "daemon/lease/keys/coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void coordinator_list_clear(struct coordinator_list *list) {
        for (size_t i = 0; i < list->n; i++) {
                free(list->items[i].key);
                free(list->items[i].value);
        }
        free(list->items);
        *list = (struct coordinator_list){ .n = 0 };
}

static int compare_key(const void *key, const void *item) {
        return strcmp(key, ((const struct coordinator_item *)item)->key);
}

const struct coordinator_item *coordinator_find(const struct coordinator_list *list,
                                                const char *key) {
        return list->n == 0 ? NULL
                            : bsearch(key, list->items, list->n, sizeof(*list->items), compare_key);
}

const char *coordinator_error_text(int error) {
        switch (-error) {
        case ETIMEDOUT:
                return "the coordinator does not answer";
        case EIO:
                return "the coordinator does not serve";
        case EACCES:
                return "the coordinator denies access to this host";
        case EAGAIN:
                return "other hosts keep changing what is read there";
        case ENOENT:
                return "the coordinator does not have the ID space of this host";
        case ESTALE:
                return "the coordinator has given the worker IDs to another host";
        default:
                return strerror(-error);
        }
}
