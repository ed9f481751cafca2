/* SPDX-License-Identifier: MIT */
#include "libclient/tools/container.h"

#include <stdio.h>
#include <string.h>

/* The paths that container engines make. */
static const struct {
        const char *before, *name;
        const char *ends; /* characters behind the ID */
} engines[] = {
        { "/docker-", "docker", "./" },
        { "/docker/", "docker", "./" },
        { "/libpod-", "podman", "./" },
        { "/cri-containerd-", "containerd", "./" },
        { "/crio-", "cri-o", "./" },
        { "/lxc.payload.", "lxc", "/" },
        { "/lxc/", "lxc", "/" },
        { "/machine-", "machine", "./" },
        { "-pod", "pod", "./" },
        { "/pod", "pod", "./" },
};

const char *container_of(const char *cgroup, char *ret, size_t size) {
        ret[0] = '\0';
        for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
                const char *at = strstr(cgroup, engines[i].before);
                size_t length;

                if (at == NULL)
                        continue;
                at += strlen(engines[i].before);
                length = strcspn(at, engines[i].ends);
                if (length > 0 && strncmp(at, "conmon", 6) != 0) {
                        snprintf(ret, size, "%s %.*s", engines[i].name, (int)length, at);
                        break;
                }
        }
        return ret;
}
