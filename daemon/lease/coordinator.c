/* SPDX-License-Identifier: MIT */
#include "daemon/lease/coordinator.h"

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
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->items[i].key, key) == 0)
                        return &list->items[i];
        return NULL;
}
