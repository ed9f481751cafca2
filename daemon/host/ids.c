/* SPDX-License-Identifier: MIT */
#include "daemon/host/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* 32 lower-case digits and a newline; dashes as in a UUID are skipped. */
static int parse_id(const char *text, uint8_t ret[16]) {
        uint8_t id[16] = { 0 };
        unsigned n = 0;

        for (; *text && *text != '\n'; text++) {
                int digit = hex_digit(*text);

                if (*text == '-')
                        continue;
                if (digit < 0 || n == 32)
                        return -EBADMSG;
                id[n / 2] = (uint8_t)(id[n / 2] << 4 | digit);
                n++;
        }
        if (n != 32)
                return -EBADMSG;
        memcpy(ret, id, sizeof(id));
        return 0;
}

static int read_id(const char *path, uint8_t ret[16]) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        char text[64];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                n = -errno;
        (void)close(fd);
        if (n < 0)
                return (int)n;
        text[n] = '\0';
        /* an image contains "uninitialized" before its first boot */
        if (n == 0 || text[0] == '\n' || strncmp(text, "uninitialized", 13) == 0)
                return -ENOENT;
        return parse_id(text, ret);
}

int ids_boot(uint8_t ret[16]) {
        return read_id("/proc/sys/kernel/random/boot_id", ret);
}

int ids_machine(uint8_t ret[16]) {
        return read_id("/etc/machine-id", ret);
}

void ids_format(char text[33], const uint8_t id[16]) {
        for (size_t i = 0; i < 16; i++)
                snprintf(text + 2 * i, 3, "%02x", id[i]);
}
