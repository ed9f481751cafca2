/* SPDX-License-Identifier: MIT */
#include "daemon/client/account.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct balance {
        uint64_t used[ACCOUNT_RESOURCES];
        uint32_t weight;
        uint64_t cap;
};

struct uid_account {
        struct uid_account *next;
        unsigned references; /* accounts of this uid */
        uid_t uid;
        struct balance balance;
};

struct account {
        struct account *next;
        struct accounts *accounts;
        struct uid_account *uid;
        unsigned references;
        struct balance balance;
        char cgroup[];
};

/* Lists suffice: one lookup for each attach, and at most max_clients entries. */
struct accounts {
        const struct config *config;
        struct account *list;
        struct uid_account *uids;
        char what[512]; /* of the last refusal */
};

static const char *const resource_names[ACCOUNT_RESOURCES] = {
        [ACCOUNT_CLIENTS] = "clients",
        [ACCOUNT_LANES] = "lanes",
        [ACCOUNT_BYTES] = "bytes",
};

static void assert_zero(const struct balance *balance) {
        for (unsigned i = 0; i < ACCOUNT_RESOURCES; i++)
                assert(balance->used[i] == 0);
        (void)balance; /* with NDEBUG */
}

int accounts_new(struct accounts **ret, const struct config *config) {
        struct accounts *accounts = calloc(1, sizeof(*accounts));

        if (!accounts)
                return -ENOMEM;
        accounts->config = config;
        *ret = accounts;
        return 0;
}

struct accounts *accounts_free(struct accounts *accounts) {
        if (accounts)
                assert(!accounts->list && !accounts->uids);
        free(accounts);
        return NULL;
}

/* The value of the rule for this cgroup, or for this uid if `cgroup` is NULL; without a
 * rule, `otherwise`. */
static uint64_t rule_value(const struct config_rules *rules, uid_t uid, const char *cgroup,
                           uint64_t otherwise) {
        for (const struct config_rule *rule = rules->list; rule < rules->list + rules->n; rule++)
                if (cgroup ? rule->cgroup && strcmp(rule->cgroup, cgroup) == 0 :
                             !rule->cgroup && rule->uid == uid)
                        return rule->value;
        return otherwise;
}

/* Searched here once: a plan asks for the weights of each lane. */
static void balance_rules(struct balance *balance, const struct config *config, uid_t uid,
                          const char *cgroup) {
        balance->weight = (uint32_t)rule_value(&config->weights, uid, cgroup, 1);
        balance->cap = rule_value(&config->caps, uid, cgroup, UINT64_MAX);
}

void accounts_reload(struct accounts *accounts) {
        for (struct uid_account *uid = accounts->uids; uid; uid = uid->next)
                balance_rules(&uid->balance, accounts->config, uid->uid, NULL);
        for (struct account *account = accounts->list; account; account = account->next)
                balance_rules(&account->balance, accounts->config, account->uid->uid,
                              account->cgroup);
}

static struct uid_account *uid_find(const struct accounts *accounts, uid_t uid) {
        struct uid_account *found = accounts->uids;

        while (found && found->uid != uid)
                found = found->next;
        return found;
}

static struct uid_account *uid_get(struct accounts *accounts, uid_t uid) {
        struct uid_account *account = uid_find(accounts, uid);

        if (!account) {
                account = calloc(1, sizeof(*account));
                if (!account)
                        return NULL;
                account->uid = uid;
                balance_rules(&account->balance, accounts->config, uid, NULL);
                account->next = accounts->uids;
                accounts->uids = account;
        }
        account->references++;
        return account;
}

static void uid_put(struct accounts *accounts, struct uid_account *account) {
        struct uid_account **link = &accounts->uids;

        if (--account->references > 0)
                return;
        assert_zero(&account->balance);
        while (*link != account)
                link = &(*link)->next;
        *link = account->next;
        free(account);
}

static struct account *account_find(const struct accounts *accounts, uid_t uid,
                                    const char *cgroup) {
        struct account *found = accounts->list;

        while (found && (found->uid->uid != uid || strcmp(found->cgroup, cgroup) != 0))
                found = found->next;
        return found;
}

static struct account *account_new(struct accounts *accounts, uid_t uid, const char *cgroup) {
        size_t length = strlen(cgroup) + 1;
        struct account *account = calloc(1, sizeof(*account) + length);

        if (!account)
                return NULL;
        account->uid = uid_get(accounts, uid);
        if (!account->uid) {
                free(account);
                return NULL;
        }
        account->accounts = accounts;
        memcpy(account->cgroup, cgroup, length);
        balance_rules(&account->balance, accounts->config, uid, cgroup);
        account->next = accounts->list;
        accounts->list = account;
        return account;
}

int account_get(struct accounts *accounts, uid_t uid, const char *cgroup, struct account **ret) {
        struct account *account = account_find(accounts, uid, cgroup);

        if (!account)
                account = account_new(accounts, uid, cgroup);
        if (!account)
                return -ENOMEM;
        account->references++;
        *ret = account;
        return 0;
}

struct account *account_put(struct account *account) {
        struct account **link;

        if (!account || --account->references > 0)
                return NULL;
        assert_zero(&account->balance);
        link = &account->accounts->list;
        while (*link != account)
                link = &(*link)->next;
        *link = account->next;
        uid_put(account->accounts, account->uid);
        free(account);
        return NULL;
}

static struct account_amounts uid_limits(const struct config *config) {
        return (struct account_amounts){ .of = {
                [ACCOUNT_CLIENTS] = config->uid_clients,
                [ACCOUNT_LANES] = config->uid_lanes,
                [ACCOUNT_BYTES] = config->uid_bytes,
        } };
}

static struct account_amounts cgroup_limits(const struct config *config) {
        return (struct account_amounts){ .of = {
                [ACCOUNT_CLIENTS] = config->cgroup_clients,
                [ACCOUNT_LANES] = config->cgroup_lanes,
                [ACCOUNT_BYTES] = config->cgroup_bytes,
        } };
}

/* A limit of 0 is no limit; a sum that wraps never fits. */
static bool amount_fits(uint64_t used, uint64_t gone, uint64_t amount, uint64_t limit,
                        bool limited) {
        uint64_t sum;

        if (__builtin_add_overflow(used, amount, &sum) ||
            __builtin_add_overflow(sum, gone, &sum))
                return false;
        return !limited || limit == 0 || sum <= limit;
}

static int account_refuse(struct account *account, unsigned resource, bool is_cgroup,
                          uint64_t limit, uint64_t gone, const char **ret_what) {
        struct accounts *accounts = account->accounts;
        const char *name = resource_names[resource];
        char of_gone[64] = "";

        if (gone > 0)
                snprintf(of_gone, sizeof(of_gone), "; %" PRIu64 " of clients that are gone", gone);

        snprintf(accounts->what, sizeof(accounts->what),
                 "%s of uid %u%s%.256s (limits.%s_%s = %" PRIu64 "%s)", name,
                 (unsigned)account->uid->uid, is_cgroup ? " in cgroup " : "",
                 is_cgroup ? account->cgroup : "", is_cgroup ? "cgroup" : "uid", name, limit, of_gone);
        if (ret_what)
                *ret_what = accounts->what;
        return -EDQUOT;
}

bool account_limited(const struct account *account) {
        return account->uid->uid != 0 && account->uid->uid != geteuid();
}

int account_charge(struct account *account, const struct account_amounts *amounts,
                   struct account_gone gone, const char **ret_what) {
        struct account_amounts of_uid = uid_limits(account->accounts->config);
        struct account_amounts of_cgroup = cgroup_limits(account->accounts->config);
        bool limited = account_limited(account);

        /* all are checked before any is charged: a refusal leaves no trace */
        for (unsigned i = 0; i < ACCOUNT_RESOURCES; i++) {
                uint64_t uid_gone = i == ACCOUNT_LANES ? gone.uid_lanes : 0;
                uint64_t cgroup_gone = i == ACCOUNT_LANES ? gone.cgroup_lanes : 0;

                if (!amount_fits(account->uid->balance.used[i], uid_gone, amounts->of[i],
                                 of_uid.of[i], limited))
                        return account_refuse(account, i, false, of_uid.of[i], uid_gone, ret_what);
                if (!amount_fits(account->balance.used[i], cgroup_gone, amounts->of[i],
                                 of_cgroup.of[i], limited))
                        return account_refuse(account, i, true, of_cgroup.of[i], cgroup_gone,
                                              ret_what);
        }
        account_restore(account, amounts);
        return 0;
}

void account_restore(struct account *account, const struct account_amounts *amounts) {
        for (unsigned i = 0; i < ACCOUNT_RESOURCES; i++) {
                /* cannot wrap: checked by account_charge(), or a client's, whose amounts
                 * are below 2^32, and so is the number of clients */
                account->uid->balance.used[i] += amounts->of[i];
                account->balance.used[i] += amounts->of[i];
        }
}

void account_discharge(struct account *account, const struct account_amounts *amounts) {
        for (unsigned i = 0; i < ACCOUNT_RESOURCES; i++) {
                assert(account->balance.used[i] >= amounts->of[i]);
                assert(account->uid->balance.used[i] >= amounts->of[i]);
                account->balance.used[i] -= amounts->of[i];
                account->uid->balance.used[i] -= amounts->of[i];
        }
}

uid_t account_uid(const struct account *account) {
        return account->uid->uid;
}

const char *account_cgroup(const struct account *account) {
        return account->cgroup;
}

/* FNV-1a */
uint32_t account_cgroup_number(const struct account *account) {
        uint32_t number = 2166136261u;

        for (const char *c = account->cgroup; *c != '\0'; c++)
                number = (number ^ (unsigned char)*c) * 16777619u;
        return number != 0 ? number : 1;
}

uint32_t account_uid_weight(const struct account *account) {
        return account->uid->balance.weight;
}

uint64_t account_uid_cap(const struct account *account) {
        return account->uid->balance.cap;
}

uint32_t account_cgroup_weight(const struct account *account) {
        return account->balance.weight;
}

uint64_t account_cgroup_cap(const struct account *account) {
        return account->balance.cap;
}
