/* SPDX-License-Identifier: MIT */
#include "daemon/config/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/units.h"

/* "uid.1000" or "cgroup./x.slice" */
static int parse_subject(struct config_rule *rule, const char *subject) {
        uint64_t uid;

        if (strncmp(subject, "uid.", 4) == 0) {
                subject += 4;
                /* UINT32_MAX is no uid: to the kernel it means "leave unchanged" */
                if ((subject[0] == '0' && subject[1] != '\0') ||
                    config_parse_number(subject, config_no_units, &uid) < 0 || uid >= UINT32_MAX)
                        return -EINVAL;
                rule->uid = (uid_t)uid;
                return 0;
        }
        subject += strlen("cgroup.");
        if (subject[0] != '/')
                return -EINVAL;
        rule->cgroup = strdup(subject);
        return rule->cgroup ? 0 : -ENOMEM;
}

static bool same_subject(const struct config_rule *a, const struct config_rule *b) {
        if (a->cgroup && b->cgroup)
                return strcmp(a->cgroup, b->cgroup) == 0;
        return !a->cgroup && !b->cgroup && a->uid == b->uid;
}

/* Takes ownership of rule->cgroup. */
static int put_rule(struct config_rules *rules, struct config_rule *rule) {
        struct config_rule *grown;

        for (size_t i = 0; i < rules->n; i++)
                if (same_subject(&rules->list[i], rule)) {
                        rules->list[i].value = rule->value;
                        free(rule->cgroup);
                        return 0;
                }
        grown = reallocarray(rules->list, rules->n + 1, sizeof(*grown));
        if (!grown) {
                free(rule->cgroup);
                return -ENOMEM;
        }
        grown[rules->n++] = *rule;
        rules->list = grown;
        return 0;
}

int config_rule_set(struct config *config, const struct config_key *key, const char *name,
                    const char *text) {
        struct config_rule rule = { 0 };
        int r;

        if (config_parse_number(text, config_no_units, &rule.value) < 0 || rule.value < key->min ||
            rule.value > key->max)
                return -EINVAL;
        r = parse_subject(&rule, strchr(name, '.') + 1);
        return r < 0 ? r : put_rule((void *)((char *)config + key->offset), &rule);
}

void config_rules_put(const struct config_rules *rules, bool of_uids, FILE *stream) {
        const char *before = "";

        for (const struct config_rule *rule = rules->list; rule < rules->list + rules->n; rule++) {
                if (!rule->cgroup != of_uids)
                        continue;
                if (of_uids)
                        fprintf(stream, "%suid.%u=%" PRIu64, before, (unsigned)rule->uid,
                                rule->value);
                else
                        fprintf(stream, "%scgroup.%s=%" PRIu64, before, rule->cgroup, rule->value);
                before = ", ";
        }
}

void config_rules_clear(struct config_rules *rules) {
        for (size_t i = 0; i < rules->n; i++)
                free(rules->list[i].cgroup);
        free(rules->list);
        *rules = (struct config_rules){ .n = 0 };
}
