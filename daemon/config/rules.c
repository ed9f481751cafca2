/* SPDX-License-Identifier: MIT */
#include "daemon/config/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/units.h"

static int rule_subject(struct config_rule *rule, const char *subject) {
        uint64_t uid;

        if (strncmp(subject, "uid.", 4) == 0) {
                subject += 4;
                /* UINT32_MAX is no uid: to the kernel it means "leave unchanged" */
                if ((subject[0] == '0' && subject[1] != '\0') ||
                    config_parse_u64(subject, 0, UINT32_MAX - 1, &uid) < 0)
                        return -EINVAL;
                rule->is_uid = true;
                rule->uid = (uid_t)uid;
                return 0;
        }
        subject += strlen("cgroup.");
        if (subject[0] != '/')
                return -EINVAL;
        rule->cgroup = strdup(subject);
        return rule->cgroup ? 0 : -ENOMEM;
}

static bool rule_same(const struct config_rule *a, const struct config_rule *b) {
        if (a->is_uid || b->is_uid)
                return a->is_uid == b->is_uid && a->uid == b->uid;
        return strcmp(a->cgroup, b->cgroup) == 0;
}

/* Takes ownership of rule->cgroup. */
static int rule_put(struct config_rule **rules, size_t *n, struct config_rule *rule) {
        struct config_rule *grown;

        for (size_t i = 0; i < *n; i++) {
                if (!rule_same(&(*rules)[i], rule))
                        continue;
                (*rules)[i].value = rule->value;
                free(rule->cgroup);
                return 0;
        }
        grown = reallocarray(*rules, *n + 1, sizeof(*grown));
        if (!grown) {
                free(rule->cgroup);
                return -ENOMEM;
        }
        grown[(*n)++] = *rule;
        *rules = grown;
        return 0;
}

int config_rule_set(struct config *config, const struct config_key *key, const char *name,
                    const char *text) {
        struct config_rule rule = { 0 };
        int r;

        if (config_parse_u64(text, key->min, key->max, &rule.value) < 0)
                return -EINVAL;
        r = rule_subject(&rule, strchr(name, '.') + 1);
        if (r < 0)
                return r;
        return key->type == KEY_WEIGHT ? rule_put(&config->weights, &config->n_weights, &rule) :
                                         rule_put(&config->caps, &config->n_caps, &rule);
}
