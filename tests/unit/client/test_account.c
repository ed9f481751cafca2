/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "daemon/client/account.h"

#define UID 4711u

static struct config_rule weights[] = {
        { .uid = UID, .value = 4 },
        { .cgroup = (char[]){ "/x.slice" }, .value = 2 },
};
static struct config_rule caps[] = {
        { .uid = UID + 1, .value = 5000 },
        { .cgroup = (char[]){ "/x.slice" }, .value = 70 },
};
static const struct config limits = {
        .uid_clients = 3,
        .uid_lanes = 10,
        .uid_bytes = 1000,
        .cgroup_clients = 2,
        .weights = { weights, 2 },
        .caps = { caps, 2 },
};

static struct accounts *new_accounts(const struct config *config) {
        struct accounts *accounts = NULL;

        cr_assert_eq(accounts_new(&accounts, config), 0);
        return accounts;
}

static struct account *get(struct accounts *accounts, uid_t uid, const char *cgroup) {
        struct account *account = NULL;

        cr_assert_eq(account_get(accounts, uid, cgroup, &account), 0);
        cr_assert_not_null(account);
        return account;
}

/* Of one resource alone. */
static struct account_amounts amounts_of(enum account_resource resource, uint64_t amount) {
        struct account_amounts amounts = { .of = { 0 } };

        amounts.of[resource] = amount;
        return amounts;
}

static int charge(struct account *account, enum account_resource resource, uint64_t amount,
                  const char **ret_what) {
        struct account_amounts amounts = amounts_of(resource, amount);

        return account_charge(account, &amounts, (struct account_gone){ .uid_lanes = 0 }, ret_what);
}

static void discharge(struct account *account, enum account_resource resource, uint64_t amount) {
        struct account_amounts amounts = amounts_of(resource, amount);

        account_discharge(account, &amounts);
}

Test(account, one_uid_and_cgroup_are_one_account) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/a"), *same = get(accounts, UID, "/a");
        struct account *b = get(accounts, UID, "/b"), *other = get(accounts, UID + 1, "/a");

        cr_assert_eq(a, same);
        cr_assert_neq(a, b);
        cr_assert_neq(a, other);
        cr_assert_eq(account_uid(other), UID + 1);
        cr_assert_str_eq(account_cgroup(b), "/b");
        cr_assert_null(account_put(a));
        account_put(same);
        account_put(b);
        account_put(other);
        cr_assert_null(account_put(NULL));
        cr_assert_null(accounts_free(accounts));
        cr_assert_null(accounts_free(NULL));
}

Test(account, the_cgroups_limit_holds_within_the_uid) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/a"), *b = get(accounts, UID, "/b");
        const char *what = NULL;

        cr_assert_eq(charge(a, ACCOUNT_CLIENTS, 2, &what), 0);
        cr_assert_null(what);
        cr_assert_eq(charge(a, ACCOUNT_CLIENTS, 1, &what), -EDQUOT);
        cr_assert_str_eq(what, "clients of uid 4711 in cgroup /a (limits.cgroup_clients = 2)");
        /* a refusal by the cgroup must not have been charged to the uid: one more fits */
        cr_assert_eq(charge(b, ACCOUNT_CLIENTS, 1, NULL), 0);
        cr_assert_eq(charge(b, ACCOUNT_CLIENTS, 1, &what), -EDQUOT);
        cr_assert_str_eq(what, "clients of uid 4711 (limits.uid_clients = 3)");
        /* nor a refusal by the uid to the cgroup */
        discharge(a, ACCOUNT_CLIENTS, 2);
        cr_assert_eq(charge(b, ACCOUNT_CLIENTS, 1, NULL), 0);
        discharge(b, ACCOUNT_CLIENTS, 2);
        account_put(a);
        account_put(b);
        accounts_free(accounts);
}

Test(account, resources_are_counted_apart_and_zero_is_no_limit) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "");
        const char *what = NULL;

        cr_assert_eq(charge(a, ACCOUNT_LANES, 10, NULL), 0);
        cr_assert_eq(charge(a, ACCOUNT_LANES, 1, NULL), -EDQUOT);
        cr_assert_eq(charge(a, ACCOUNT_BYTES, 1000, NULL), 0);
        cr_assert_eq(charge(a, ACCOUNT_BYTES, 1, &what), -EDQUOT);
        cr_assert_str_eq(what, "bytes of uid 4711 (limits.uid_bytes = 1000)");
        discharge(a, ACCOUNT_BYTES, 1000);
        cr_assert_eq(charge(a, ACCOUNT_LANES, 0, NULL), 0);
        discharge(a, ACCOUNT_LANES, 10);
        account_put(a);
        accounts_free(accounts);
}

/* Red when what fits is charged before what does not is found. */
Test(account, a_refused_charge_leaves_nothing_charged) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "");
        struct account_amounts too_many = { .of = { [ACCOUNT_CLIENTS] = 1, [ACCOUNT_LANES] = 1,
                                                    [ACCOUNT_BYTES] = 1001 } };

        cr_assert_eq(account_charge(a, &too_many, (struct account_gone){ .uid_lanes = 0 }, NULL),
                     -EDQUOT);
        cr_assert_eq(charge(a, ACCOUNT_LANES, 10, NULL), 0);
        discharge(a, ACCOUNT_LANES, 10);
        account_put(a);
        accounts_free(accounts);
}

/* Red when lanes of clients that are gone do not count, or stay charged. */
Test(account, who_is_gone_counts_against_the_limits) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/a");
        struct account_amounts lanes = amounts_of(ACCOUNT_LANES, 4);
        struct account_gone gone = { .uid_lanes = 7 };
        const char *what = NULL;

        cr_assert_eq(account_charge(a, &lanes, gone, &what), -EDQUOT);
        cr_assert_str_eq(what, "lanes of uid 4711 (limits.uid_lanes = 10; 7 of clients that are "
                               "gone)");
        gone.uid_lanes = UINT64_MAX;
        cr_assert_eq(account_charge(a, &lanes, gone, NULL), -EDQUOT);
        gone.uid_lanes = 6;
        cr_assert_eq(account_charge(a, &lanes, gone, NULL), 0);
        account_discharge(a, &lanes);
        account_put(a);
        accounts_free(accounts);
}

Test(account, a_cgroups_number_is_that_of_its_path) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/a"), *b = get(accounts, UID, "/b");
        struct account *other = get(accounts, UID + 1, "/a"), *none = get(accounts, UID, "");

        cr_expect_eq(account_cgroup_number(a), account_cgroup_number(other));
        cr_expect_neq(account_cgroup_number(a), account_cgroup_number(b));
        cr_expect_neq(account_cgroup_number(none), 0);
        account_put(a);
        account_put(b);
        account_put(other);
        account_put(none);
        accounts_free(accounts);
}

Test(account, a_sum_that_wraps_does_not_fit) {
        static const struct config none;
        struct accounts *accounts = new_accounts(&none);
        struct account *a = get(accounts, UID, "");

        cr_assert_eq(charge(a, ACCOUNT_BYTES, 2, NULL), 0);
        cr_assert_eq(charge(a, ACCOUNT_BYTES, UINT64_MAX - 1, NULL), -EDQUOT);
        cr_assert_eq(charge(a, ACCOUNT_BYTES, UINT64_MAX - 2, NULL), 0);
        discharge(a, ACCOUNT_BYTES, UINT64_MAX);
        account_put(a);
        accounts_free(accounts);
}

Test(account, root_and_the_daemons_uid_are_not_limited) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *root, *self;

        /* two different uids, also where the test runs as root */
        cr_assert(geteuid() != 0 || seteuid(UID) == 0);
        root = get(accounts, 0, "/a");
        self = get(accounts, geteuid(), "/b");

        cr_assert_eq(charge(root, ACCOUNT_CLIENTS, 100, NULL), 0);
        cr_assert_eq(charge(self, ACCOUNT_CLIENTS, 100, NULL), 0);
        discharge(root, ACCOUNT_CLIENTS, 100);
        discharge(self, ACCOUNT_CLIENTS, 100);
        account_put(root);
        account_put(self);
        accounts_free(accounts);
        cr_assert(getuid() != 0 || seteuid(0) == 0);
}

Test(account, a_uids_balance_outlives_one_of_its_cgroups) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/a"), *b = get(accounts, UID, "/b");

        cr_assert_eq(charge(a, ACCOUNT_CLIENTS, 2, NULL), 0);
        account_put(b);
        b = get(accounts, UID, "/b");
        cr_assert_eq(charge(b, ACCOUNT_CLIENTS, 2, NULL), -EDQUOT);
        discharge(a, ACCOUNT_CLIENTS, 2);
        account_put(a);
        account_put(b);
        accounts_free(accounts);
}

Test(account, weights_and_caps_come_from_the_rules) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "/x.slice");
        struct account *b = get(accounts, UID + 1, "/x.slice/below");

        cr_assert_eq(account_uid_weight(a), 4);
        cr_assert_eq(account_cgroup_weight(a), 2);
        cr_assert_eq(account_uid_cap(a), UINT64_MAX);
        cr_assert_eq(account_cgroup_cap(a), 70);
        cr_assert_eq(account_uid_weight(b), 1);
        cr_assert_eq(account_cgroup_weight(b), 1);
        cr_assert_eq(account_uid_cap(b), 5000);
        cr_assert_eq(account_cgroup_cap(b), UINT64_MAX);
        account_put(a);
        account_put(b);
        accounts_free(accounts);
}

#ifndef NDEBUG
/* On SIGHUP. Red when uids, or cgroups, keep the old ones. */
Test(account, rules_and_limits_that_change) {
        struct config_rule rules[] = { { .uid = UID, .value = 9 },
                                       { .cgroup = (char[]){ "/x.slice" }, .value = 3 } };
        struct config config = limits;
        struct accounts *accounts = new_accounts(&config);
        struct account *a = get(accounts, UID, "/x.slice"), *b = get(accounts, UID + 1, "/y");

        cr_assert_eq(charge(a, ACCOUNT_LANES, 10, NULL), 0);
        config.weights.list = rules;
        config.caps.n = 0;
        config.uid_lanes = 9;
        accounts_reload(accounts);
        cr_expect_eq(account_uid_weight(a), 9);
        cr_expect_eq(account_cgroup_weight(a), 3);
        cr_expect_eq(account_uid_weight(b), 1);
        cr_expect_eq(account_cgroup_cap(a), UINT64_MAX);
        cr_expect_eq(account_uid_cap(b), UINT64_MAX);
        cr_expect_eq(charge(a, ACCOUNT_LANES, 1, NULL), -EDQUOT);
        discharge(a, ACCOUNT_LANES, 10);
        account_put(a);
        account_put(b);
        accounts_free(accounts);
}

Test(account, freeing_a_charged_account_is_a_bug_that_stops, .signal = SIGABRT) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "");

        (void)charge(a, ACCOUNT_LANES, 1, NULL);
        account_put(a);
}

Test(account, freeing_the_table_with_accounts_is_a_bug_that_stops, .signal = SIGABRT) {
        struct accounts *accounts = new_accounts(&limits);

        (void)get(accounts, UID, "");
        accounts_free(accounts);
}

Test(account, giving_back_more_than_was_charged_is_a_bug_that_stops, .signal = SIGABRT) {
        struct accounts *accounts = new_accounts(&limits);
        struct account *a = get(accounts, UID, "");

        (void)charge(a, ACCOUNT_LANES, 1, NULL);
        discharge(a, ACCOUNT_LANES, 2);
}
#endif
