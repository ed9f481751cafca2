/* SPDX-License-Identifier: MIT */
#include "daemon/config/password_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int password_file_read(const char *key, const char *path, char password[PASSWORD_SIZE],
                       char *message, size_t size) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, password, PASSWORD_SIZE - 1);
        size_t length;

        if (n < 0)
                snprintf(message, size, "cannot read %s %.100s: %s", key, path, strerror(errno));
        if (fd >= 0)
                close(fd);
        if (n < 0)
                return -EACCES;
        password[n] = '\0';
        length = strcspn(password, "\r\n");
        password[length] = '\0';
        if (length > 0 && length <= PASSWORD_MAX)
                return 0;
        explicit_bzero(password, PASSWORD_SIZE);
        snprintf(message, size, "the first line of %s %.100s is empty or longer than a password may "
                 "be, %u bytes", key, path, PASSWORD_MAX);
        return -EACCES;
}
