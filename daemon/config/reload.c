/* SPDX-License-Identifier: MIT */
#include "daemon/config/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/format.h"
#include "daemon/config/keys.h"
#include "daemon/config/load.h"
#include "daemon/util/log.h"

/* The text of a key in both configurations, malloc'ed. Equal texts are equal values. */
struct difference {
        char *before, *after;
};

static int compare(const struct config *before, const struct config *after,
                   const struct config_key *key, struct difference *ret) {
        int r = config_value_text(before, key, &ret->before);

        return r < 0 ? r : config_value_text(after, key, &ret->after);
}

static void difference_clear(struct difference *difference) {
        free(difference->before);
        free(difference->after);
        *difference = (struct difference){ .before = NULL };
}

static void report(const struct config_key *key, const struct difference *difference) {
        if (key->change == KEY_LIVE)
                log_event(LOG_LEVEL_NOTICE, "reload.key", "%s is now \"%s\" (was \"%s\")",
                          key->name, difference->after, difference->before);
        else
                log_event(LOG_LEVEL_ERROR, "reload.key", "restart needed: %s is \"%s\" and cannot "
                          "become \"%s\" while the daemon runs", key->name, difference->before,
                          difference->after);
}

/* Reports the keys of this kind which differ: how many, or -ENOMEM. */
static int report_all(const struct config *before, const struct config *after,
                      enum key_change change) {
        int n = 0;

        for (size_t i = 0; i < config_n_keys; i++) {
                struct difference difference = { .before = NULL };
                int r;

                /* a key is live only if the table says so */
                if ((config_keys[i].change == KEY_LIVE) != (change == KEY_LIVE))
                        continue;
                r = compare(before, after, &config_keys[i], &difference);
                if (r == 0 && strcmp(difference.before, difference.after) != 0) {
                        report(&config_keys[i], &difference);
                        n++;
                }
                difference_clear(&difference);
                if (r < 0)
                        return r;
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
        int n = report_all(config, loaded, KEY_RESTART);

        if (n > 0)
                return log_failure(EBUSY, "reload", "the new configuration is not applied: "
                                   "restore %s, or restart sfshmd",
                                   n == 1 ? "that key" : "those keys");
        if (n == 0)
                n = report_all(config, loaded, KEY_LIVE);
        if (n < 0)
                return log_failure(-n, "reload", "out of memory: the new configuration is "
                                   "not applied; send SIGHUP again");
        take_live(config, loaded);
        log_event(LOG_LEVEL_NOTICE, "reload", "the configuration is reloaded; keys that changed: "
                  "%d", n);
        return 0;
}

int reload_config(struct reload *reload) {
        struct config *loaded = NULL;
        int r = config_load(&loaded, reload->path, reload->sets);

        if (r < 0)
                return log_failure(-r, "reload", "the new configuration cannot be loaded and "
                                   "the old one stays in force: correct what is named above and "
                                   "send SIGHUP again");
        r = take_over(reload->config, loaded);
        config_free(loaded);
        return r;
}
