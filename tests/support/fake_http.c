/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATHS 16
#define CONNECTIONS 256
#define TLS_HANDSHAKE 0x16 /* the first byte of such a record */
#define REQUEST_MAX (4u << 20)

struct reply {
        enum fake_http_manner manner;
        char *bytes; /* NULL: nothing was said */
        size_t size;
};

struct path {
        char name[64];
        struct reply first, then;
        unsigned count;
        char *last;
};

struct connection {
        struct fake_http *server;
        pthread_t thread;
        int fd;
};

struct fake_http {
        int fd;
        char url[64];
        pthread_t thread;
        pthread_mutex_t mutex; /* of all below */
        struct path paths[PATHS];
        struct connection connections[CONNECTIONS];
        size_t n_paths, n_connections;
};

/* Called with the mutex. */
static struct path *path_of(struct fake_http *f, const char *name) {
        for (size_t i = 0; i < f->n_paths; i++)
                if (strcmp(f->paths[i].name, name) == 0)
                        return &f->paths[i];
        cr_assert_lt(f->n_paths, PATHS);
        snprintf(f->paths[f->n_paths].name, sizeof(f->paths[0].name), "%s", name);
        return &f->paths[f->n_paths++];
}

static void put(struct reply *reply, enum fake_http_manner manner, const char *bytes, size_t size) {
        free(reply->bytes);
        *reply = (struct reply){ manner, malloc(size + 1), size };
        memcpy(reply->bytes, bytes, size);
}

static size_t whole(char *text, size_t room, int status, const char *body) {
        return (size_t)snprintf(text, room, "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n"
                                "Content-Length: %zu\r\n\r\n%s", status, strlen(body), body);
}

static void put_json(struct fake_http *f, const char *path, int status, const char *body,
                     bool first) {
        size_t room = strlen(body) + 200;
        char *text = malloc(room);
        size_t size = whole(text, room, status, body);
        struct path *p;

        pthread_mutex_lock(&f->mutex);
        p = path_of(f, path);
        put(first ? &p->first : &p->then, FAKE_HTTP_ANSWER, text, size);
        pthread_mutex_unlock(&f->mutex);
        free(text);
}

void fake_http_json(struct fake_http *f, const char *path, int status, const char *body) {
        put_json(f, path, status, body, false);
}

void fake_http_first(struct fake_http *f, const char *path, int status, const char *body) {
        put_json(f, path, status, body, true);
}

void fake_http_say(struct fake_http *f, const char *path, enum fake_http_manner manner,
                   const char *bytes, size_t size) {
        pthread_mutex_lock(&f->mutex);
        put(&path_of(f, path)->then, manner, bytes, size);
        pthread_mutex_unlock(&f->mutex);
}

unsigned fake_http_count(struct fake_http *f, const char *path) {
        unsigned count;

        pthread_mutex_lock(&f->mutex);
        count = path_of(f, path)->count;
        pthread_mutex_unlock(&f->mutex);
        return count;
}

char *fake_http_last(struct fake_http *f, const char *path) {
        const char *last;
        char *text;

        pthread_mutex_lock(&f->mutex);
        last = path_of(f, path)->last;
        text = last != NULL ? strdup(last) : NULL;
        pthread_mutex_unlock(&f->mutex);
        return text;
}

/* ---- serving */

/* The whole request, NUL-terminated; false at the end of the connection. */
static bool read_request(int fd, char *text) {
        size_t n = 0, need = REQUEST_MAX;
        ssize_t got;

        while (n < need && (got = recv(fd, text + n, REQUEST_MAX - 1 - n, 0)) > 0) {
                const char *end, *length;

                n += (size_t)got;
                text[n] = '\0';
                if (text[0] == TLS_HANDSHAKE) {
                        strcpy(text, "POST " FAKE_HTTP_TLS);
                        return true;
                }
                end = strstr(text, "\r\n\r\n");
                length = strcasestr(text, "\r\nContent-Length:");
                if (end != NULL)
                        need = (size_t)(end - text) + 4 +
                               (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
        }
        return n >= need;
}

/* "POST /v3/kv/range HTTP/1.1": what is said to that, copied. */
static struct reply answer_to(struct fake_http *f, const char *request) {
        struct reply reply = { FAKE_HTTP_CUT, NULL, 0 };
        char name[64] = "";
        struct path *p;

        sscanf(request, "%*s %63s", name);
        pthread_mutex_lock(&f->mutex);
        p = path_of(f, name);
        p->count++;
        free(p->last);
        p->last = strdup(request);
        if (p->first.bytes != NULL) {
                reply = p->first;
                p->first.bytes = NULL;
        } else if (p->then.bytes != NULL) {
                put(&reply, p->then.manner, p->then.bytes, p->then.size);
        }
        pthread_mutex_unlock(&f->mutex);
        return reply;
}

static void send_all(int fd, const char *bytes, size_t size) {
        ssize_t n;

        for (size_t sent = 0; sent < size; sent += (size_t)n)
                if ((n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL)) <= 0)
                        return;
}

static void *converse(void *context) {
        struct connection *c = context;
        char *request = malloc(REQUEST_MAX);
        bool on = true;

        while (on && read_request(c->fd, request)) {
                struct reply reply = answer_to(c->server, request);

                if (reply.manner != FAKE_HTTP_HANG && reply.bytes != NULL)
                        send_all(c->fd, reply.bytes, reply.size);
                on = reply.manner != FAKE_HTTP_CUT;
                free(reply.bytes);
        }
        free(request);
        shutdown(c->fd, SHUT_RDWR); /* closed at the end, by whoever may shut it down as well */
        return NULL;
}

static void *serve(void *context) {
        struct fake_http *f = context;
        int fd;

        while ((fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                struct connection *c = &f->connections[f->n_connections];

                if (f->n_connections == CONNECTIONS) {
                        close(fd);
                        continue;
                }
                *c = (struct connection){ .server = f, .fd = fd };
                f->n_connections += pthread_create(&c->thread, NULL, converse, c) == 0;
        }
        return NULL;
}

struct fake_http *fake_http_new(void) {
        struct fake_http *f = calloc(1, sizeof(*f));
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        pthread_mutex_init(&f->mutex, NULL);
        f->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cr_assert_eq(bind(f->fd, (struct sockaddr *)&address, sizeof(address)), 0);
        cr_assert_eq(listen(f->fd, 128), 0);
        cr_assert_eq(getsockname(f->fd, (struct sockaddr *)&address, &size), 0);
        snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
        cr_assert_eq(pthread_create(&f->thread, NULL, serve, f), 0);
        return f;
}

const char *fake_http_url(const struct fake_http *f) {
        return f->url;
}

struct fake_http *fake_http_free(struct fake_http *f) {
        if (f == NULL)
                return NULL;
        shutdown(f->fd, SHUT_RDWR);
        pthread_join(f->thread, NULL);
        for (size_t i = 0; i < f->n_connections; i++) {
                shutdown(f->connections[i].fd, SHUT_RDWR);
                pthread_join(f->connections[i].thread, NULL);
                close(f->connections[i].fd);
        }
        close(f->fd);
        for (size_t i = 0; i < f->n_paths; i++) {
                free(f->paths[i].first.bytes);
                free(f->paths[i].then.bytes);
                free(f->paths[i].last);
        }
        pthread_mutex_destroy(&f->mutex);
        free(f);
        return NULL;
}
