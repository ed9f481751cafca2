/* SPDX-License-Identifier: MIT */
#include "daemon/config/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/log.h"

#define BLANKS " \t\r\n\v\f"
#define VALUE_LENGTH_MAX 65536u

struct seen {
        struct seen *next;
        unsigned line;
        char name[];
};

struct reader {
        struct config_loader *loader;
        unsigned line;
        char *origin; /* of the line: "FILE:LINE" */
        const struct config_key *section; /* its first key; NULL before the first section */
        struct seen *seen;
};

static int refuse_line(const struct reader *reader, const char *what) {
        return log_failure(EINVAL, WITH(EVENT_CONFIG_SYNTAX, FIELD(ORIGIN, reader->origin)),
                           "%s: %s", reader->origin, what);
}

static void trim_end(char *text, size_t length) {
        while (length > 0 && strchr(BLANKS, text[length - 1]) != NULL)
                text[--length] = '\0';
}

/* `text` follows the opening bracket. */
static int read_section(struct reader *reader, char *text) {
        char *end = strchr(text, ']');

        if (!end)
                return refuse_line(reader, "the name of a section ends with ']'");
        if (end[1] != '\0')
                return refuse_line(reader, "text follows the name of the section: put it on a "
                                           "line of its own");
        *end = '\0';
        reader->section = config_section_find(text, strlen(text));
        return reader->section ? 0 : config_refuse_section(reader->origin, text);
}

/* Refuses a name that the file has set before. */
static int remember(struct reader *reader, const char *name) {
        size_t size = strlen(name) + 1;
        struct seen *seen;

        for (seen = reader->seen; seen; seen = seen->next)
                if (strcmp(seen->name, name) == 0)
                        return log_failure(EINVAL, WITH(EVENT_CONFIG_DUPLICATE, FIELD(KEY, name),
                                                        FIELD(ORIGIN, reader->origin)),
                                           "%s: %s is set a second time in this file, first in "
                                           "line %u: remove one of the two",
                                           reader->origin, name, seen->line);
        seen = malloc(sizeof(*seen) + size);
        if (!seen)
                return -ENOMEM;
        *seen = (struct seen){ .next = reader->seen, .line = reader->line };
        memcpy(seen->name, name, size);
        reader->seen = seen;
        return 0;
}

static int assign(struct reader *reader, const char *name, const char *value) {
        size_t length = strlen(value);
        int r;

        if (length > VALUE_LENGTH_MAX)
                return log_failure(EINVAL, WITH(EVENT_CONFIG_VALUE, FIELD(KEY, name),
                                                FIELD(ORIGIN, reader->origin)),
                                   "%s: the value of %s has %zu bytes; at most %u are allowed",
                                   reader->origin, name, length, VALUE_LENGTH_MAX);
        r = remember(reader, name);
        return r < 0 ? r : config_assign(reader->loader, reader->origin, name, value);
}

static bool has_comment(const char *text) {
        for (const char *p = text + 1; *p; p++)
                if ((*p == ';' || *p == '#') && strchr(BLANKS, p[-1]) != NULL)
                        return true;
        return false;
}

static int read_pair(struct reader *reader, char *text) {
        char *equals = text + strcspn(text, "=:"), *name;
        int r;

        if (*equals == '\0')
                return refuse_line(reader, "this is neither [section] nor key = value");
        if (*equals == ':')
                return refuse_line(reader, "a key is followed by '='; use --set for a cgroup with "
                                           "a ':' in its path");
        if (has_comment(text))
                return refuse_line(reader, "a comment needs a line of its own: after a value it "
                                           "could be taken for part of it");
        if (!reader->section)
                return refuse_line(reader, "a key precedes the first [section]");
        *equals = '\0';
        trim_end(text, (size_t)(equals - text));
        if (asprintf(&name, "%.*s.%s", (int)config_key_section_length(reader->section),
                     reader->section->name, text) < 0)
                return -ENOMEM;
        r = assign(reader, name, equals + 1 + strspn(equals + 1, BLANKS));
        free(name);
        return r;
}

static int read_line(struct reader *reader, char *line, size_t length) {
        char *text;

        if (strlen(line) != length)
                return refuse_line(reader, "the line holds a zero byte; this is no text file");
        trim_end(line, length);
        if (reader->line == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0)
                line += 3;
        text = line + strspn(line, BLANKS);
        if (*text == '\0' || *text == ';' || *text == '#')
                return 0;
        if (text != line)
                return refuse_line(reader, "the line is indented: keys and sections begin in the "
                                           "first column, and a value does not continue on the "
                                           "next line");
        return *text == '[' ? read_section(reader, text + 1) : read_pair(reader, text);
}

static int read_lines(struct reader *reader, const char *path, FILE *file) {
        char *line = NULL;
        size_t capacity = 0;
        ssize_t length;
        int r = 0;

        errno = 0;
        while (r == 0 && (length = getline(&line, &capacity, file)) >= 0) {
                if (asprintf(&reader->origin, "%s:%u", path, ++reader->line) < 0) {
                        r = -ENOMEM;
                        break;
                }
                r = read_line(reader, line, (size_t)length);
                free(reader->origin);
                errno = 0;
        }
        if (r == 0 && !feof(file))
                r = log_failure(errno ? errno : EIO, WITH(EVENT_CONFIG_READ, FIELD(FILE, path)),
                                "cannot read %s: %m", path);
        free(line);
        return r;
}

int config_read_file(struct config_loader *loader, const char *path, bool may_be_missing) {
        struct reader reader = { .loader = loader };
        FILE *file = fopen(path, "re");
        int r;

        if (!file) {
                if (errno == ENOENT && may_be_missing)
                        return 0;
                return log_failure(errno, WITH(EVENT_CONFIG_READ, FIELD(FILE, path)),
                                   "cannot read the configuration %s: %m",
                                   path);
        }
        r = read_lines(&reader, path, file);
        (void)fclose(file);
        while (reader.seen) {
                struct seen *next = reader.seen->next;

                free(reader.seen);
                reader.seen = next;
        }
        return r;
}

static int is_conf(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* By bytes, independent of the locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_in(struct config_loader *loader, const char *directory, const char *name) {
        char *path;
        int r;

        if (asprintf(&path, "%s/%s", directory, name) < 0)
                return -ENOMEM;
        r = config_read_file(loader, path, false);
        free(path);
        return r;
}

int config_read_directory(struct config_loader *loader, const char *directory) {
        struct dirent **entries;
        int r = 0, n = scandir(directory, &entries, is_conf, by_name);

        if (n < 0)
                return errno == ENOENT ? 0 : log_failure(errno,
                                                         WITH(EVENT_CONFIG_READ,
                                                              FIELD(FILE, directory)),
                                                         "cannot read the directory %s: %m",
                                                         directory);
        for (int i = 0; i < n; i++) {
                if (r == 0)
                        r = read_in(loader, directory, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}
