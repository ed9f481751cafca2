/* SPDX-License-Identifier: MIT */
#include "daemon/config/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/keys.h"
#include "daemon/config/load.h"
#include "daemon/config/value.h"
#include "daemon/util/log.h"

/* 1 when the values differ, which is reported; 0; or -ENOMEM. */
static int report_key(const struct config *before, const struct config *after,
                      const struct config_key *key) {
        char *old = NULL, *new = NULL;
        int r = config_value_text(before, key, &old);

        if (r == 0)
                r = config_value_text(after, key, &new);
        if (r == 0 && strcmp(old, new) != 0) {
                r = 1;
                if (key->change == KEY_LIVE)
                        log_event(WITH(EVENT_RELOAD_KEY, FIELD(KEY, key->name)),
                                  "%s is now \"%s\" (was \"%s\")",
                                  key->name, new, old);
                else
                        log_event(WITH(log_at(LOG_LEVEL_ERROR, EVENT_RELOAD_KEY),
                                       FIELD(KEY, key->name)),
                                  "restart needed: %s is \"%s\" and "
                                  "cannot become \"%s\" while the daemon runs", key->name, old,
                                  new);
        }
        free(old);
        free(new);
        return r;
}

/* How many keys of this kind differ, or -ENOMEM. A key is live only if the table says so. */
static int report_all(const struct config *before, const struct config *after, bool live) {
        int n = 0;

        for (size_t i = 0; i < config_n_keys; i++) {
                int r = (config_keys[i].change == KEY_LIVE) == live ?
                                report_key(before, after, &config_keys[i]) : 0;

                if (r < 0)
                        return r;
                n += r;
        }
        return n;
}

/* Takes the keys that can change; `loaded` may then only be freed. Of the keys that cannot,
 * text differs by its address. It stays where it is: others keep pointers to it. */
static void take_live(struct config *config, struct config *loaded) {
        struct config before = *config;

        *config = *loaded;
        *loaded = before;
        for (size_t i = 0; i < config_n_keys; i++) {
                const struct config_key *key = &config_keys[i];

                if (config_key_is_text(key) && key->change != KEY_LIVE) {
                        char **here = (char **)((char *)config + key->offset);
                        char **there = (char **)((char *)loaded + key->offset);
                        char *text = *here;

                        *here = *there;
                        *there = text;
                }
        }
}

static int take_over(struct config *config, struct config *loaded) {
        int n = report_all(config, loaded, false);

        if (n > 0)
                return log_failure(EBUSY, EVENT_RELOAD, "the new configuration is not applied: "
                                   "restore %s, or restart sfshmd",
                                   n == 1 ? "that key" : "those keys");
        if (n == 0)
                n = report_all(config, loaded, true);
        if (n < 0)
                return log_failure(-n, EVENT_RELOAD, "out of memory: the new configuration is "
                                   "not applied; send SIGHUP again");
        take_live(config, loaded);
        log_event(EVENT_RELOAD, "the configuration is reloaded; keys that changed: "
                  "%d", n);
        return 0;
}

int reload_config(struct reload *reload) {
        struct config *loaded = NULL;
        int r = config_load(&loaded, reload->path, reload->sets);

        if (r < 0)
                return log_failure(-r, EVENT_RELOAD, "the new configuration cannot be loaded and "
                                   "the old one stays in force: correct what is named above and "
                                   "send SIGHUP again");
        r = take_over(reload->config, loaded);
        config_free(loaded);
        return r;
}
