/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "libclient/sfshm.h"

static const struct {
        int error;
        const char *text;
} texts[] = {
        { 0, "success" },
        { EAGAIN, "the call would have to wait: the reservation is used up for this millisecond, "
                  "or a new one is pending; try again at sfshm_retry_at()" },
        { ETIMEDOUT, "the time-out expired, or the daemon did not answer within 5 s: raise the "
                     "time-out with sfshm_set_timeout(), lease more workers to this host "
                     "(workers.count), or see the daemon's log" },
        { EMSGSIZE, "more IDs than the time-out can ever allow: ask for fewer at a time, or raise "
                    "the time-out with sfshm_set_timeout()" },
        { ENOTCONN, "no daemon and no valid reservation: start sfshmd" },
        { EDQUOT, "the daemon refused to attach because a limit is reached: see its log, and "
                  "[limits], [caps] and daemon.max_clients in sfshmd.conf(5)" },
        { ENOSPC, "the daemon has no position left for another client: lease more workers to this "
                  "host (workers.count)" },
        { ETIME, "the daemon holds IDs back because of its clock or its fence: 'sfshm clock', "
                 "sfshm-stat and its log say why and for how long; see sfshm-clock(7)" },
        { EPROTO, "daemon and library are incompatible: they differ in version (install the same "
                  "release of both; the daemon's log names the versions), layout or time "
                  "namespace" },
        { ENOENT, "there is no socket at this address: start sfshmd, or set SFSHM_SOCKET" },
        { ECONNREFUSED, "no process listens on this socket: start sfshmd" },
        { EPROTOTYPE, "the socket at this address is not sfshmd's" },
        { ECONNRESET, "the daemon closed the connection before it answered: see its log" },
        { EACCES, "no permission to use the daemon's socket: see daemon.socket_mode and "
                  "daemon.socket_group in sfshmd.conf(5)" },
        { EINVAL, "invalid argument" },
        { ERANGE, "out of the range of this layout" },
        { ENOBUFS, "the daemon has no file descriptors or memory left for another client: raise "
                   "LimitNOFILE= or MemoryMax= of its unit, see its log" },
        { ENOMEM, "out of memory in this process" },
        { EMFILE, "too many open files in this process" },
        { ENFILE, "too many open files in the system" },
        { ENAMETOOLONG, "the socket's path is longer than 107 bytes" },
};

const char *sfshm_strerror(int error) {
        int positive = error < 0 && error != -error ? -error : error;

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (texts[i].error == positive)
                        return texts[i].text;
        return "unexpected error; see errno(3)";
}
