/* SPDX-License-Identifier: MIT */
#include "daemon/config/file.h"

/*
 * Configuration files. libinih splits the lines; what it would read otherwise
 * than its author meant is refused before it gets there: indented lines (it
 * takes them for a continuation of the value above), a comment behind a value
 * (it cuts at " ;" but not at " #"), over-long lines (it splits them), text
 * behind a section's bracket (it drops it). Its handler is called line by line,
 * so the reader's count is the line of the key.
 */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/unknown.h"
#include "daemon/util/log.h"

#define BLANKS " \t\r\n\v\f"
#define SECTION_MAX 49u /* libinih cuts longer ones */

struct seen {
        struct seen *next;
        unsigned line;
        char name[];
};

struct reader {
        struct config_loader *loader;
        const char *path;
        FILE *file;
        unsigned line;
        int error; /* the first; nothing is read after it */
        char *buffer;
        size_t capacity;
        struct seen *seen;
};

static int refuse_line(const struct reader *reader, const char *what) {
        return log_failure(EINVAL, "config.syntax", "%s:%u: %s", reader->path, reader->line, what);
}

/* `text` is behind the opening bracket. */
static int check_section(const struct reader *reader, const char *text) {
        char origin[4200], name[SECTION_MAX + 1];
        size_t n = strcspn(text, "]");

        if (text[n] != ']')
                return refuse_line(reader, "a section's name ends with ']'");
        if (text[n + 1 + strspn(text + n + 1, BLANKS)] != '\0')
                return refuse_line(reader, "there is text behind the section's name; it needs a "
                                           "line of its own");
        if (n > SECTION_MAX)
                return refuse_line(reader, "a section of so long a name does not exist");
        memcpy(name, text, n);
        name[n] = '\0';
        if (config_section_known(name))
                return 0;
        snprintf(origin, sizeof(origin), "%s:%u", reader->path, reader->line);
        return config_section_unknown(origin, name);
}

static int check_pair(const struct reader *reader, const char *text) {
        size_t n = strcspn(text, "=:");

        if (text[n] == '\0')
                return refuse_line(reader, "this is neither [section] nor key = value");
        if (text[n] == ':')
                return refuse_line(reader, "a key is followed by '='; a cgroup with a ':' in its "
                                           "path can be given with --set");
        for (const char *p = text + 1; *p; p++)
                if ((*p == ';' || *p == '#') && strchr(BLANKS, p[-1]))
                        return refuse_line(reader, "a comment needs a line of its own; behind a "
                                                   "value it might be taken for part of it");
        return 0;
}

static int check_line(const struct reader *reader, size_t length, size_t room) {
        const char *line = reader->buffer, *text;

        if (strlen(line) != length)
                return refuse_line(reader, "the line holds a zero byte; this is no text file");
        if (length >= room)
                return refuse_line(reader, "the line is too long (over 190 bytes); --set takes "
                                           "values of any length");
        if (reader->line == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0)
                line += 3;
        text = line + strspn(line, BLANKS);
        if (*text == '\0' || *text == ';' || *text == '#')
                return 0;
        if (text != line)
                return refuse_line(reader, "the line is indented; keys and sections begin in the "
                                           "first column, and no value goes on in a next line");
        return *text == '[' ? check_section(reader, text + 1) : check_pair(reader, text);
}

/* For libinih: as fgets(). */
static char *read_line(char *to, int room, void *stream) {
        struct reader *reader = stream;
        ssize_t n;

        if (reader->error < 0)
                return NULL;
        errno = 0;
        n = getline(&reader->buffer, &reader->capacity, reader->file);
        if (n < 0) {
                if (!feof(reader->file))
                        reader->error = log_failure(errno ? errno : EIO, "config.read",
                                                    "cannot read %s: %m", reader->path);
                return NULL;
        }
        reader->line++;
        /* two bytes less than there are: libinih splits a line that fills them */
        reader->error = check_line(reader, (size_t)n, (size_t)room - 2);
        if (reader->error < 0)
                return NULL;
        memcpy(to, reader->buffer, (size_t)n + 1);
        return to;
}

static int remember(struct reader *reader, const char *name) {
        size_t length = strlen(name) + 1;
        struct seen *seen;

        for (seen = reader->seen; seen; seen = seen->next)
                if (strcmp(seen->name, name) == 0)
                        return log_failure(EINVAL, "config.duplicate",
                                           "%s:%u: %s is set a second time in this file, first in "
                                           "line %u; remove one of the two",
                                           reader->path, reader->line, name, seen->line);
        seen = malloc(sizeof(*seen) + length);
        if (!seen)
                return -ENOMEM;
        *seen = (struct seen){ .next = reader->seen, .line = reader->line };
        memcpy(seen->name, name, length);
        reader->seen = seen;
        return 0;
}

/* For libinih: 1 goes on, 0 is an error. */
static int take_pair(void *user, const char *section, const char *key, const char *value) {
        struct reader *reader = user;
        char *name = NULL, *origin = NULL;

        if (section[0] == '\0') {
                reader->error = refuse_line(reader, "a key stands before the first [section]");
                return 0;
        }
        if (asprintf(&name, "%s.%s", section, key) < 0)
                name = NULL;
        if (asprintf(&origin, "%s:%u", reader->path, reader->line) < 0)
                origin = NULL;
        reader->error = name && origin ? remember(reader, name) : -ENOMEM;
        if (reader->error == 0)
                reader->error = config_assign(reader->loader, origin, name, value);
        free(name);
        free(origin);
        return reader->error == 0;
}

int config_read_file(struct config_loader *loader, const char *path, bool may_be_missing) {
        struct reader reader = { .loader = loader, .path = path, .file = fopen(path, "re") };
        int line;

        if (!reader.file) {
                if (errno == ENOENT && may_be_missing)
                        return 0;
                return log_failure(errno, "config.read", "cannot read the configuration %s: %m",
                                   path);
        }
        line = ini_parse_stream(read_line, &reader, take_pair, &reader);
        if (reader.error == 0 && line != 0)
                reader.error = log_failure(EINVAL, "config.syntax",
                                           "%s:%d: this is neither [section] nor key = value", path,
                                           line);
        (void)fclose(reader.file);
        free(reader.buffer);
        while (reader.seen) {
                struct seen *next = reader.seen->next;

                free(reader.seen);
                reader.seen = next;
        }
        return reader.error;
}

static int is_conf(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);

        return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* By bytes, whatever the locale says. */
static int by_name(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

int config_read_directory(struct config_loader *loader, const char *directory) {
        struct dirent **entries;
        int r = 0, n = scandir(directory, &entries, is_conf, by_name);

        if (n < 0) {
                if (errno == ENOENT)
                        return 0;
                return log_failure(errno, "config.read", "cannot read the directory %s: %m",
                                   directory);
        }
        for (int i = 0; i < n; i++) {
                char *path = NULL;

                if (r == 0 && asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0) {
                        path = NULL;
                        r = -ENOMEM;
                }
                if (r == 0)
                        r = config_read_file(loader, path, false);
                free(path);
                free(entries[i]);
        }
        free(entries);
        return r;
}
