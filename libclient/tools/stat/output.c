/* SPDX-License-Identifier: MIT */
/* sfshm-stat --output: a file that is always whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/observe/print.h"
#include "libclient/tools/stat/stat.h"

static int fail(struct stat_output *output, const char *what) {
        int error = errno;

        if (output->temporary != NULL)
                unlink(output->temporary);
        free(output->temporary);
        return print_error("cannot %s %s: %s", what, output->path, strerror(error));
}

int stat_output_open(struct stat_output *ret, const char *path) {
        struct stat_output output = { .path = path, .file = stdout };
        int fd;

        *ret = output;
        if (path == NULL)
                return 0;
        /* in the same directory, and not *.prom, which node_exporter would read */
        if (asprintf(&output.temporary, "%s.XXXXXX", path) < 0) {
                output.temporary = NULL;
                return fail(&output, "write");
        }
        fd = mkostemp(output.temporary, O_CLOEXEC);
        if (fd < 0) {
                free(output.temporary);
                output.temporary = NULL;
                return fail(&output, "write a temporary file beside");
        }
        output.file = fdopen(fd, "w");
        if (output.file == NULL || fchmod(fd, 0644) < 0)
                return fail(&output, "write");
        *ret = output;
        return 0;
}

int stat_output_close(struct stat_output *output) {
        bool failed;

        if (output->path == NULL)
                return print_finish(stdout);
        failed = fflush(output->file) != 0 || ferror(output->file);
        if ((fclose(output->file) != 0) | failed || rename(output->temporary, output->path) < 0)
                return fail(output, "write");
        free(output->temporary);
        return 0;
}
