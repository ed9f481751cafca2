/* SPDX-License-Identifier: MIT */
#include "daemon/lease/fleet/coordinator.h"

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

const struct coordinator_item *coordinator_find(const struct coordinator_list *list,
                                                const char *key) {
        for (size_t low = 0, high = list->n; low < high;) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(list->items[middle].key, key);

                if (order == 0)
                        return &list->items[middle];
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
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
        case ESTALE:
                return "the coordinator has given the worker IDs to another host";
        default:
                return strerror(-error);
        }
}
