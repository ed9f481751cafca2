/* SPDX-License-Identifier: MIT */
#include "libclient/history/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void archive_name(uint64_t number, char ret[ARCHIVE_NAME]) {
        snprintf(ret, ARCHIVE_NAME, "%016" PRIx64 ".sfshm", number);
}

static bool parse_name(const char *name, uint64_t *ret) {
        char expected[ARCHIVE_NAME];
        uint64_t number;

        if (sscanf(name, "%16" SCNx64, &number) != 1)
                return false;
        archive_name(number, expected);
        *ret = number;
        return strcmp(name, expected) == 0;
}

static int compare(const void *a, const void *b) {
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

static int read_names(DIR *names, uint64_t **ret, size_t *ret_n) {
        struct dirent *entry;
        uint64_t *list = NULL, *longer, number;
        size_t n = 0;

        while ((entry = readdir(names)) != NULL) {
                if (!parse_name(entry->d_name, &number))
                        continue;
                longer = reallocarray(list, n + 1, sizeof(*list));
                if (longer == NULL) {
                        free(list);
                        return -ENOMEM;
                }
                list = longer;
                list[n++] = number;
        }
        if (n > 1)
                qsort(list, n, sizeof(*list), compare);
        *ret = list;
        *ret_n = n;
        return 0;
}

int archive_list(int directory, uint64_t **ret, size_t *ret_n) {
        int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
        DIR *names = fd >= 0 ? fdopendir(fd) : NULL;

        if (names == NULL) {
                r = -errno;
                if (fd >= 0)
                        close(fd);
                return r;
        }
        r = read_names(names, ret, ret_n);
        closedir(names);
        return r;
}

/* At most `most` bytes of a file, allocated. */
static int read_file(int directory, uint64_t number, size_t most, uint8_t **ret, size_t *ret_size) {
        char name[ARCHIVE_NAME];
        struct stat st;
        size_t size = 0;
        ssize_t n = 1;
        int fd;

        archive_name(number, name);
        fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                close(fd);
                return -ENODATA;
        }
        most = (uint64_t)st.st_size < most ? (size_t)st.st_size : most;
        *ret = malloc(most + 1);
        while (*ret != NULL && size < most && n > 0) {
                n = pread(fd, *ret + size, most - size, (off_t)size);
                size += n > 0 ? (size_t)n : 0;
        }
        close(fd);
        *ret_size = size;
        return *ret != NULL ? 0 : -ENOMEM;
}

int archive_load(int directory, uint64_t number, struct picture *picture,
                 struct archive_file *ret) {
        struct archive_file file = { .good = 0 };
        struct block_header header;
        uint8_t *bytes = NULL;
        size_t size;
        int n, r = read_file(directory, number, ARCHIVE_FILE_MAX, &bytes, &size);

        if (r < 0)
                return r;
        while ((n = block_read(picture, &header, bytes + file.good, size - file.good)) > 0) {
                if (file.good == 0)
                        file.first = header;
                if (header.whole)
                        file.last = header;
                file.usable |= header.whole != 0;
                file.good += (uint64_t)n;
        }
        file.damaged = size - file.good;
        free(bytes);
        picture_mark_clean(picture);
        *ret = file;
        return 0;
}

int archive_look(int directory, uint64_t number, struct block_header *ret) {
        uint8_t *bytes = NULL;
        size_t size;
        int r = read_file(directory, number, BLOCK_MAX, &bytes, &size);

        if (r < 0)
                return r;
        r = block_read(NULL, ret, bytes, size) > 0 ? 0 : -ENODATA;
        free(bytes);
        return r;
}
