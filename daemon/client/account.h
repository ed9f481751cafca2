/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Accounts: what each uid, and each cgroup of a uid, holds. What a client pins is
 * charged before it is built, and discharged when the client is gone. An account is
 * freed when its balance is zero; the destructor asserts that.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/config/config.h"

struct accounts;
struct account; /* one (uid, cgroup) */

enum account_resource {
        ACCOUNT_CLIENTS,
        ACCOUNT_LANES,
        ACCOUNT_BYTES,
        ACCOUNT_RESOURCES,
};

/* The configuration is not copied and must outlive them: limits are read when they are
 * checked. */
int accounts_new(struct accounts **ret, const struct config *config);
/* Takes the weights and caps from the configuration again. What is held beyond a limit
 * that came down stays; only more is refused. */
void accounts_reload(struct accounts *accounts);
struct accounts *accounts_free(struct accounts *accounts); /* asserts that nothing is charged */

/* References; `cgroup` may be "". */
int account_get(struct accounts *accounts, uid_t uid, const char *cgroup, struct account **ret);
struct account *account_put(struct account *account);

/* What one client holds: an amount of each resource. */
struct account_amounts {
        uint64_t of[ACCOUNT_RESOURCES];
};

/* Lanes that clients hold which are gone (ledger/gone.h): they count against the limits as
 * long as they last. */
struct account_gone {
        uint64_t uid_lanes, cgroup_lanes;
};

/* Charges all amounts, to the uid and to the cgroup within the uid, or none.
 * -EDQUOT when a limit would be passed; *ret_what (may be NULL) then is e.g.
 * "clients of uid 1000 (limits.uid_clients = 1024)", valid until the next call.
 * root and the daemon's own uid are counted, but not limited. */
int account_charge(struct account *account, const struct account_amounts *amounts,
                   struct account_gone gone, const char **ret_what);
/* Charges what a client held before this daemon started, whatever the limits are. */
void account_restore(struct account *account, const struct account_amounts *amounts);
void account_discharge(struct account *account, const struct account_amounts *amounts);

bool account_limited(const struct account *account);

uid_t account_uid(const struct account *account);
const char *account_cgroup(const struct account *account);
/* For the journal, which has no room for the path: equal for equal paths, never 0. */
uint32_t account_cgroup_number(const struct account *account);
/* For the planner: the weights and caps of the uid and of the cgroup. A rule for a
 * cgroup applies to that path only, not to the cgroups below it. */
uint32_t account_uid_weight(const struct account *account);
uint64_t account_uid_cap(const struct account *account); /* IDs per second, UINT64_MAX: none */
uint32_t account_cgroup_weight(const struct account *account);
uint64_t account_cgroup_cap(const struct account *account);
