/* SPDX-License-Identifier: MIT */
#include "daemon/lease/zookeeper/handle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "daemon/lease/zookeeper/remedy.h"
#include "daemon/util/log.h"
#include "daemon/util/time.h"

#define VERSION_BITS 31

/* Its log has no context, and comes from threads of its own. */
static pthread_mutex_t message_mutex = PTHREAD_MUTEX_INITIALIZER;
static char last_message[200];

/* "TIME:PID(THREAD):ZOO_ERROR@FUNCTION@LINE: TEXT" */
void zookeeper_handle_take_message(const char *line) {
        const char *text = strstr(line, ":ZOO_ERROR@");

        text = text != NULL ? strstr(text, ": ") : NULL;
        pthread_mutex_lock(&message_mutex);
        if (text != NULL) {
                snprintf(last_message, sizeof(last_message), "%s", text + 2);
                last_message[strcspn(last_message, "\n")] = '\0'; /* some end with one */
        }
        pthread_mutex_unlock(&message_mutex);
}

void zookeeper_handle_clear_message(void) {
        pthread_mutex_lock(&message_mutex);
        last_message[0] = '\0';
        pthread_mutex_unlock(&message_mutex);
}

/* "Socket SERVER zk retcode=...": the one of them that failed. */
static void find_server(const char *message, char server[64]) {
        server[0] = '\0';
        (void)sscanf(message, "Socket %62s", server);
        if (server[0] != '\0')
                strcat(server, " ");
}

static void tell_away(const struct zookeeper_session *s, const char *why) {
        char message[sizeof(last_message)], server[64];
        const char *what;

        pthread_mutex_lock(&message_mutex);
        snprintf(message, sizeof(message), "%s", last_message);
        pthread_mutex_unlock(&message_mutex);
        find_server(message, server);
        what = zookeeper_remedy_connection(message[0] != '\0' ? message : why);
        log_event(WITH(EVENT_ZOOKEEPER_AWAY, FIELD(ENDPOINT, s->hosts)),
                  "ZooKeeper at %s does not serve: %s%s%s%s; "
                  "retrying, at each server in turn", s->hosts, why,
                  what != NULL || message[0] != '\0' ? ": " : "", what != NULL ? server : "",
                  what != NULL ? what : message);
}

int zookeeper_handle_fail(struct zookeeper_session *s, int error, const char *why) {
        /* relaxed: a number for display */
        atomic_fetch_add_explicit(s->options.errors, 1, memory_order_relaxed);
        if (s->failing_ns == 0) {
                s->failing_ns = time_ns(CLOCK_BOOTTIME);
                s->failing_multi = false;
                tell_away(s, why);
        }
        return error;
}

int zookeeper_handle_state(struct zookeeper_session *s) {
        int state;

        pthread_mutex_lock(&s->mutex);
        state = s->state;
        pthread_mutex_unlock(&s->mutex);
        return state;
}

int zookeeper_handle_error(struct zookeeper_session *s, int code) {
        switch (code) {
        case ZOK:
                return 0;
        case ZSESSIONEXPIRED:
                return -ESTALE;
        case ZAUTHFAILED:
        case ZSESSIONCLOSEDREQUIRESASLAUTH:
                return zookeeper_handle_refuse(s, "/", zerror(code), zookeeper_remedy_answer(code));
        case ZINVALIDSTATE:
                return zookeeper_handle_state(s) == ZOO_EXPIRED_SESSION_STATE
                               ? -ESTALE
                               : zookeeper_handle_fail(s, -EIO, zerror(code));
        default:
                return zookeeper_handle_fail(s, -EIO, zerror(code));
        }
}

bool zookeeper_handle_has_user(const struct zookeeper_session *s) {
        return s->options.username[0] != '\0';
}

struct ACL_vector *zookeeper_handle_acl(const struct zookeeper_session *s) {
        return zookeeper_handle_has_user(s) ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

void zookeeper_handle_answered(struct zookeeper_session *s, int64_t sent_ns, bool multi) {
        if (sent_ns > s->answered_ns)
                s->answered_ns = sent_ns;
        if (s->failing_ns != 0 && (multi || !s->failing_multi)) {
                log_event(WITH(EVENT_ZOOKEEPER_BACK, FIELD(ENDPOINT, s->hosts),
                               FIELD(DURATION_NS, time_ns(CLOCK_BOOTTIME) - s->failing_ns)),
                          "ZooKeeper at %s serves again, after "
                          "%" PRId64 " s", s->hosts,
                          (time_ns(CLOCK_BOOTTIME) - s->failing_ns) / NS_PER_S);
                s->failing_ns = 0;
        }
        zookeeper_handle_clear_message();
}

/* ---- the coordinator */

int64_t zookeeper_handle_deadline_ns(const struct zookeeper_coordinator *zookeeper) {
        int64_t deadline_ns = time_ns(CLOCK_MONOTONIC) + zookeeper->timeout_ns;

        return zookeeper->until_ns == 0 || deadline_ns < zookeeper->until_ns ?
                       deadline_ns : zookeeper->until_ns;
}

int zookeeper_handle_refuse(struct zookeeper_session *s, const char *path, const char *why,
                            const char *remedy) {
        /* relaxed: a number for display */
        atomic_fetch_add_explicit(s->options.errors, 1, memory_order_relaxed);
        if (!s->refusing)
                log_event(WITH(EVENT_ZOOKEEPER_REFUSED, FIELD(KEY, path)),
                          "ZooKeeper refuses a request for "
                          "its node %s: %s%s", path, why, remedy);
        s->refusing = s->doubt = true;
        return -EACCES;
}

int zookeeper_handle_refused(struct zookeeper_session *s, int code, const char *path) {
        if (code == ZOK)
                return 0;
        (void)zookeeper_handle_refuse(s, path, zerror(code), zookeeper_remedy_answer(code));
        return code == ZNOAUTH || code == ZINVALIDACL ? -EACCES : -EIO;
}

void zookeeper_handle_admitted(struct zookeeper_session *s) {
        if (s->refusing)
                log_event(WITH(EVENT_ZOOKEEPER_ADMITTED, FIELD(ENDPOINT, s->hosts)),
                          "ZooKeeper at %s takes the "
                          "requests of this host again", s->hosts);
        s->refusing = false;
}

/* ---- znodes */

/* A zxid has a leader's epoch in the upper half, and in the lower half a counter that
 * starts again with each leader. Both matter, and the hashes of nearby ones must differ. */
int64_t zookeeper_modified(const struct Stat *stat) {
        uint64_t mixed = (uint64_t)stat->mzxid * UINT64_C(0x9e3779b97f4a7c15);

        mixed >>= 64 - VERSION_BITS;
        return INT64_C(1) << 62 | (int64_t)(mixed << VERSION_BITS) |
               (int64_t)((uint32_t)stat->version & INT32_MAX);
}

int zookeeper_version(int64_t modified) {
        return (int)(modified & INT32_MAX);
}

bool zookeeper_is_folder(const char *value, const struct Stat *stat) {
        return strcmp(value, ZOOKEEPER_FOLDER) == 0 || (value[0] == '\0' && stat->numChildren > 0);
}

char *zookeeper_path(const char *a, const char *b) {
        char *path = NULL;

        return asprintf(&path, "%s%s%s", a, *a && *b ? "/" : "", b) < 0 ? NULL : path;
}
