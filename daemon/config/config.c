/* SPDX-License-Identifier: MIT */
#include "daemon/config/config.h"

#include <errno.h>
#include <grp.h>

#include "daemon/util/log.h"

int config_group(const struct config *config, gid_t *ret) {
        const char *name = config->socket_group;
        const struct group *group;

        if (name[0] == '\0') {
                *ret = (gid_t)-1;
                return 0;
        }
        errno = 0;
        group = getgrnam(name);
        if (group == NULL)
                return log_failure(errno ? errno : ENOENT, EVENT_SOCKET, "there is no group '%s' "
                                   "(daemon.socket_group): create it or name another", name);
        *ret = group->gr_gid;
        return 0;
}
