/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * All events of the daemon's log, each once. The code names them by identifier, so that a
 * misspelt one does not compile; tests/tree/events.py writes the list in sfshmd(8) from here,
 * and compares both with the calls in the sources. What an event is about is only text here.
 *
 * X(identifier, "name", level, "other levels", "fields", "message ID", "meaning", "to do")
 *   level         of log_event(); a log_failure() is always an error
 *   other levels  of calls with log_at(), and "error" of log_failure()
 *   fields        of at least one call; a log_failure() has ERRNO by itself
 *   message ID    random and for ever, as systemd-id128 new gives it
 *   meaning, to do  for the manual page; both empty: as in the row before. `Backquotes` mark
 *                 keys, commands, files and names of events.
 */
#include "daemon/util/log_field.h"

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
};

struct log_event {
        const char *name, *message_id;
        enum log_level level;
        const struct log_field *fields; /* up to one without a name; NULL: none */
};

static inline struct log_event log_at(enum log_level level, struct log_event event) {
        event.level = level;
        return event;
}

static inline struct log_event log_with(const struct log_field *fields, struct log_event event) {
        event.fields = fields;
        return event;
}
#define WITH(event, ...) log_with((const struct log_field[]){ __VA_ARGS__, { 0 } }, event)

/* clang-format off */
#define LOG_EVENTS_PROCESS(X) \
        X(START, "start", INFO, "error", "WORKER WORKER_COUNT SOCKET", \
          "ce9e90c382c99bb859b7bcf17c281d60", \
          "The daemon serves, with these worker IDs; or it could not start, and the line says " \
          "why.", \
          "nothing; after an error, as the line says.") \
        X(STOP, "stop", INFO, "", "", \
          "b25b741a32d0f5063098b5c07574bd15", \
          "A signal stopped the daemon. Clients continue with what they hold.", \
          "nothing.") \
        X(RESUMED, "resumed", WARNING, "", "DURATION_NS", \
          "2043347ffadec85e1b42a2c3e07a80b1", \
          "The daemon did not run for a while: it was stopped, frozen or starved. Clients used " \
          "up what they held.", \
          "find out what did it, if not you.") \
        X(RELOAD, "reload", NOTICE, "error", "", \
          "8cfc539fccb188e1a51c65d1b49ef5b2", \
          "`SIGHUP` was received: the configuration was read again, or was refused.", \
          "after an error, correct the keys that the lines before name, and send the signal " \
          "again.") \
        X(RELOAD_KEY, "reload.key", NOTICE, "error", "KEY", \
          "03ef3123c3cbe003d868a397ecb6b0c4", \
          "This key has changed; or it differs and cannot change while the daemon runs.", \
          "after an error, restore the value or restart the daemon.") \
        X(THREAD_SILENT, "thread-silent", WARNING, "", "THREAD DURATION_NS", \
          "aa440e6c6d3931354bf98733286ea5be", \
          "A thread has not answered the watchdog, so the service manager will restart the " \
          "daemon.", \
          "find out what stops the thread: a debugger, or too little processor time.") \
        X(THREAD_ANSWERS, "thread-answers", NOTICE, "", "THREAD", \
          "1c25e78412f7ce9eafac351b18a3110f", \
          "The thread answers again.", \
          "nothing.") \
        X(SERVER, "server", ERROR, "", "", \
          "39ba0d7c54a8890d740c00f76c1b0091", \
          "The daemon cannot wait for events of the kernel.", \
          "as the line says; the service manager restarts the daemon.") \
        X(LOG_LOST, "log-lost", WARNING, "", "", \
          "759f7e216559f6148f29f14a992e8dbd", \
          "Standard error or the journal could not take so many lines.", \
          "see who reads the log, and make room.") \
        X(PASSED, "passed", ERROR, "", "", \
          "b9de64fa8cab71c177a1fa160fa4a29b", \
          "The descriptors that systemd passed cannot be read.", \
          "correct the units.") \
        X(MACHINE, "machine", INFO, "notice warning", "", \
          "3d18cc8a6405d2c1a66b7604f1f9645d", \
          "The daemon can or cannot watch for copies of the machine, or events of the kernel " \
          "were lost.", \
          "as the line says.") \
        X(STEPS, "steps", NOTICE, "", "", \
          "5e845e9d5d0762f0e25e0f71e73261e8", \
          "The kernel does not report steps of the wall clock, so the ticker looks for them.", \
          "nothing.") \
        X(SEGMENT_CREATE, "segment.create", ERROR, "", "", \
          "14629162478e0b2a1f257da06b6406b4", \
          "A segment of the shared memory cannot be made.", \
          "as the line says.") \
        X(SEGMENT_MEMORY, "segment.memory", ERROR, "", "FILE", \
          "ccb74a68591d4702d5f9c98ca79ba433", \
          "", \
          "") \
        X(SEGMENT_FULL, "segment.full", ERROR, "", "FILE", \
          "6f8c364a721ac9f7dbe75ff27e8bc8df", \
          "`/dev/shm` has no room for a segment.", \
          "make room there.") \
        X(SEGMENT_DIRECTORY, "segment.directory", ERROR, "", "", \
          "67f7e713458d63074005a92ae9dead4e", \
          "The directory of the shared memory, or a segment in it, has a wrong owner, mode or " \
          "name.", \
          "correct what the line names.") \
        X(SEGMENT_NAME, "segment.name", ERROR, "", "", \
          "7a6448719be45bd35ba9c71a5028d0a9", \
          "", \
          "") \
        X(SEGMENT_OPEN, "segment.open", ERROR, "", "FILE", \
          "ac9a99e3facf618ac1286d1361a089f2", \
          "", \
          "") \
        X(SEGMENT_GROUP, "segment.group", ERROR, "", "FILE", \
          "95e7e53ef451e0bde98051d1580c95ce", \
          "A segment cannot be given to the group `daemon.socket_group`, or cannot get its " \
          "mode.", \
          "make the daemon's user a member of that group.") \
        X(SEGMENT_MODE, "segment.mode", ERROR, "", "FILE", \
          "f1cf0194a10f0162ee81135778f67fb5", \
          "", \
          "") \
        X(SEGMENT_SQUATTED, "segment.squatted", ERROR, "", "FILE", \
          "d088eb90874d3bc0a020080b1fd3610d", \
          "Somebody else has made a file with the name of a segment.", \
          "remove it, or set another `daemon.shm`.") \
        X(SEGMENT_PUBLISH, "segment.publish", ERROR, "", "", \
          "1d1dc7dfc95b7ce3feac35b2fda3716b", \
          "A segment cannot be given its name.", \
          "as the line says.") \
        X(SEGMENT_REPLACED, "segment.replaced", NOTICE, "", "FILE", \
          "b7964cec6a6763ea839322d6838c5d24", \
          "A segment that was found could not be used, and a new one replaces it.", \
          "nothing.") \
        X(HISTORY, "history", WARNING, "", "", \
          "850c1e31fa5e55949643695ff5b84901", \
          "There is no history segment, so `sfshm who` learns nothing of this daemon. IDs do not " \
          "depend on it.", \
          "as the line before it says, then restart the daemon.") \
        X(VERSION, "version", WARNING, "notice", "FILE", \
          "03b6b7d2b29c12f18980e7a1c5f327fe", \
          "A segment is of another version; see `Upgrade` above.", \
          "as the line says.")

#define LOG_EVENTS_CONFIG(X) \
        X(CONFIG_READ, "config.read", ERROR, "", "FILE", \
          "0c6aac69bf6f127d77586b4fa180694a", \
          "The configuration cannot be read.", \
          "as the line says.") \
        X(CONFIG_MEMORY, "config.memory", ERROR, "", "", \
          "ebedc76ab0150254a8f618eaa7b3ed1f", \
          "", \
          "") \
        X(CONFIG_SYNTAX, "config.syntax", ERROR, "", "ORIGIN", \
          "b4731eec8a221b6512aa7eff4ec79068", \
          "A line of the configuration is neither a section nor a key.", \
          "correct the line.") \
        X(CONFIG_SET, "config.set", ERROR, "", "", \
          "51e80c80565170b5deb611ccda76db52", \
          "An argument of `--set` has no equals sign.", \
          "write `--set section.key=value`.") \
        X(CONFIG_UNKNOWN, "config.unknown", ERROR, "", "KEY ORIGIN", \
          "bff64c0c816627b366028ced53d4923d", \
          "There is no section or key of this name.", \
          "correct the name.") \
        X(CONFIG_DUPLICATE, "config.duplicate", ERROR, "", "KEY ORIGIN", \
          "444bf982aecee2731b5c819bfbdefebf", \
          "A file sets the same key twice.", \
          "remove one of the two.") \
        X(CONFIG_VALUE, "config.value", ERROR, "", "KEY ORIGIN", \
          "435938d3ac96a4b841f2c16214157c7f", \
          "A key does not take this value.", \
          "correct the value; the line says what is allowed.") \
        X(CONFIG_LAYOUT, "config.layout", ERROR, "", "KEY", \
          "79872bf943e4d2304d99297fde7bd6b3", \
          "The numbers of bits, or the region, do not fit an ID.", \
          "correct the keys that the line names.") \
        X(CONFIG_REGION, "config.region", ERROR, "", "KEY", \
          "b86d6114371d0a6132363ade5241dc9e", \
          "", \
          "") \
        X(CONFIG_BACKEND, "config.backend", ERROR, "", "KEY", \
          "c5e21ca6466858529201f36c8fbd767b", \
          "A key is not used with this `workers.backend`, or is missing for it.", \
          "as the line says.") \
        X(CONFIG_FIRST, "config.first", ERROR, "", "KEY", \
          "7d773ea7bc805609797560e443ef6881", \
          "`workers.first` is missing, or is not used with a coordinator.", \
          "give this host worker IDs of its own, or remove the key.") \
        X(WORKERS_FIRST, "workers-first", ERROR, "", "", \
          "4036832c6a23b274053302201d19da4c", \
          "", \
          "") \
        X(CONFIG_RUN, "config.run", ERROR, "", "KEY", \
          "6bfc9a78b518c660e6efe22d8d34483d", \
          "So many worker IDs do not exist, or are more than one host can use.", \
          "lower the number that the line names.") \
        X(CONFIG_HORIZON, "config.horizon", ERROR, "", "KEY", \
          "252e66732f1db0492ae41a5039be8402", \
          "`workers.horizon` is shorter than `reserve.standing`.", \
          "make it longer.")

#define LOG_EVENTS_CLOCK(X) \
        X(CLOCK_NONE, "clock-none", NOTICE, "", "OFFSET_NS", \
          "33a0572ff601138dfc4a28ba215cb6fd", \
          "The guarded clock follows the wall clock again.", \
          "nothing.") \
        X(CLOCK_SLEWING, "clock-slewing", NOTICE, "", "OFFSET_NS", \
          "667f3d5d77fe0440a5841bc2522afe07", \
          "A small difference to the wall clock is slewed away, or a forward step is followed " \
          "once the fence is above it.", \
          "nothing; if stepping lasts, the disk is slow or full.") \
        X(CLOCK_STEPPING, "clock-stepping", NOTICE, "", "OFFSET_NS", \
          "ac7de9fa1f49763a56b3e1d71af2fdea", \
          "", \
          "") \
        X(CLOCK_OFFSET, "clock-offset", WARNING, "error", "OFFSET_NS", \
          "67c8a414c5f2f075724cb6e1a3f03755", \
          "The wall clock was set back a little. IDs are ahead of it until it catches up.", \
          "nothing.") \
        X(CLOCK_HELD, "clock-held", ERROR, "", "OFFSET_NS", \
          "bc60108651d014b724fbe90fcedf7913", \
          "The wall clock jumped ahead by more than `clock.max_forward_step`. IDs carry the " \
          "time of before.", \
          "if it is right now, `sfshm clock accept`; else set it back.") \
        X(CLOCK_FENCE, "clock-fence", WARNING, "error", "OFFSET_NS", \
          "e0869998ff34d66272bc011ac10986c7", \
          "IDs up to the fence may exist, so none is handed out until the clock has passed it.", \
          "nothing; `sfshm clock` tells for how long.") \
        X(CLOCK_ROLLBACK, "clock-rollback", WARNING, "error", "OFFSET_NS", \
          "b391c1cb785d60afea5599cffac4fd5f", \
          "The wall clock was set back. No IDs are handed out.", \
          "set it right; if it is right, `sfshm clock accept`.") \
        X(CLOCK_UNSYNCHRONISED, "clock-unsynchronised", WARNING, "error", "OFFSET_NS", \
          "9d3644fceb320ca83193fb427faad87f", \
          "`clock.require_sync` is set, and the wall clock is not synchronised.", \
          "start a time service.") \
        X(CLOCK_STUCK, "clock-stuck", ERROR, "", "OFFSET_NS", \
          "0b6142a0ed7208a85b9af6958fe3bfd7", \
          "The clock has passed the fence, which cannot be raised.", \
          "repair the disk, or check the coordinator.") \
        X(CLOCK_END, "clock-end", ERROR, "", "OFFSET_NS", \
          "4f4eae457522e982e9b062d077167918", \
          "The last tick of `id.layout` is reached. There are no more IDs.", \
          "move to a new ID space.") \
        X(CLOCK_CLONED, "clock-cloned", ERROR, "", "OFFSET_NS", \
          "4524e189a108f3eba7321d8616bb88d5", \
          "The hypervisor says that this machine was cloned or reverted.", \
          "if no other copy runs, `sfshm clock accept`; else give this one its own worker IDs " \
          "and an empty state directory.") \
        X(CLOCK_ACCEPT, "clock-accept", NOTICE, "warning", "UID PID", \
          "4ccd2799f2dbbdf76dd401139d80ddae", \
          "Somebody asked to accept the wall clock; the line says who, and what became of it.", \
          "nothing.") \
        X(CLOCK, "clock", ERROR, "", "TICK", \
          "2008fdf4fcfe03ca95e8b545925077bd", \
          "IDs exist up to a tick above which this layout and epoch have no time.", \
          "as the line says.") \
        X(EPOCH_END, "epoch-end", WARNING, "", "TICK", \
          "834699cd8d1ec48e8d441f0e0dc9871e", \
          "The last tick of `id.layout` comes within a year.", \
          "plan the move to a new ID space.") \
        X(SUSPEND, "suspend", INFO, "", "DURATION_NS", \
          "19ac5242c1d931e21285a7a069e7774e", \
          "The machine was suspended, and the clock ran on.", \
          "nothing.") \
        X(SYNCHRONISED, "synchronised", INFO, "", "", \
          "dd0f159a0897e20ab5149dd29e176fea", \
          "The kernel says that the wall clock is synchronised, or is not any more.", \
          "check the time service if it is not.")

#define LOG_EVENTS_STATE(X) \
        X(FIRST_START, "first-start", NOTICE, "", "", \
          "538fe6ded07b3040965083aab0e20c4f", \
          "The state directory is empty: this is the first start with it.", \
          "nothing; if it is not the first, its disk is missing: stop the daemon and mount it.") \
        X(STATE, "state", ERROR, "", "", \
          "9475148d5e00c486a50c281719ea23be", \
          "The state directory or the shared memory cannot be used, or another daemon uses it.", \
          "as the line says.") \
        X(STATE_LOCK, "state-lock", ERROR, "", "DIRECTORY", \
          "29cc029ddeb46cf5e3d7d4f4a2c8d95e", \
          "", \
          "") \
        X(STATE_DIR, "state-dir", ERROR, "", "DIRECTORY", \
          "4ae9371ef911416fe908e3e03ded91b9", \
          "The state directory has a wrong owner or mode, or cannot be made.", \
          "as the line says.") \
        X(STATE_MISSING, "state-missing", ERROR, "", "", \
          "ca31245a35c3b00660417a755482fa88", \
          "The fence was lost or is damaged, so IDs could be issued twice.", \
          "put back a good copy, or `sfshm fence --above`.") \
        X(STATE_DAMAGED, "state-damaged", ERROR, "", "FILE", \
          "971ab189cda3c964b3ee89fd5ef6164e", \
          "", \
          "") \
        X(STATE_MACHINE, "state-machine", ERROR, "", "", \
          "3f7a6943610d63851cd1bf1a6d10b711", \
          "The state directory was written on another machine.", \
          "give this host other worker IDs and an empty state directory; if it replaces the " \
          "other, `sfshm fence --above`.") \
        X(STATE_VERSION, "state-version", ERROR, "", "FILE", \
          "57c9b92786d18f412f2d2660950b8bd5", \
          "Another version of sfshmd wrote the state directory.", \
          "run that version.") \
        X(STATE_LAYOUT, "state-layout", ERROR, "", "", \
          "082a7f58226af68a79e069f05354e93c", \
          "`id.layout`, `id.region_bits` or `id.epoch` is not that of the state directory.", \
          "restore the value, or begin a new ID space with an empty state directory.") \
        X(STATE_EPOCH, "state-epoch", ERROR, "", "", \
          "6f7fa4cff11a20f992e709ab9f0eff0a", \
          "", \
          "") \
        X(STATE_WORKERS, "state-workers", NOTICE, "", "WORKER WORKER_COUNT", \
          "c519a33641f5c8694070355a04e8c74c", \
          "The worker IDs of the configuration are others than before; the fence stays.", \
          "nothing.") \
        X(MACHINE_ID, "machine-id", WARNING, "error", "", \
          "1728941464244cafe9b1569c04321d7c", \
          "`/etc/machine-id` is missing or cannot be read, so a copied disk would not be " \
          "noticed.", \
          "run `systemd-machine-id-setup`.")

#define LOG_EVENTS_CLIENTS(X) \
        X(SOCKET, "socket", ERROR, "", "SOCKET PID", \
          "ecffc6917edd6b9c6573de11710ad7a9", \
          "The socket cannot be used.", \
          "as the line says.") \
        X(SOCKET_SHM, "socket.shm", WARNING, "", "FILE", \
          "371b32e424d9a6b32dfc5e3dadaa997e", \
          "The daemon cannot leave the name of its shared memory beside its socket, where the " \
          "tools look for it.", \
          "let its user write to the directory of the socket.") \
        X(REFUSED, "refused", WARNING, "", "UID PID", \
          "3ec26cd67ab742419270fe093099ddd3", \
          "A client was refused; the line says why.", \
          "as the line says.") \
        X(PROTOCOL, "protocol", WARNING, "", "UID PID", \
          "4fb7bbd9987494338e0356bf3c04d741", \
          "A connection was closed because it broke the protocol.", \
          "look for that program of the user that the line names.") \
        X(PENDING, "pending", WARNING, "", "UID PID", \
          "84de624e06abade81ba038fcdf035387", \
          "A user opens connections and sends nothing, so the oldest was closed.", \
          "look for that program of the user that the line names.") \
        X(DESCRIPTORS, "descriptors", WARNING, "", "", \
          "4cb35fe2e5e4164124fa4ea6e8e63e4d", \
          "No file descriptor is left, so new connections are closed.", \
          "raise `LimitNOFILE=`, or lower `daemon.max_clients`.") \
        X(ADOPTED, "adopted", INFO, "", "CLIENTS", \
          "f6593772689f340f3af9f547eed0dc0f", \
          "Clients of the earlier daemon continue with this one.", \
          "nothing.") \
        X(NOT_ADOPTED, "not-adopted", NOTICE, "", "", \
          "7372ce639b5343c37fe3d31575736016", \
          "What the descriptor store had of a client cannot be used. The client attaches anew.", \
          "nothing.") \
        X(FDSTORE, "fdstore", WARNING, "", "", \
          "945c4ac382d24db48ac1002c1901fed3", \
          "The service manager does not store the descriptors of clients.", \
          "compare `FileDescriptorStoreMax=` with three times `daemon.max_clients`.")

#define LOG_EVENTS_LEASE(X) \
        X(LEASE_CLAIMED, "lease-claimed", INFO, "", "REGION WORKER WORKER_COUNT TICK", \
          "f6d98f61f2311082834b10ba2901a891", \
          "The daemon has claimed these worker IDs. It hands out only IDs above the fence " \
          "named.", \
          "nothing.") \
        X(LEASE_CONFLICT, "lease-conflict", INFO, "", "REGION", \
          "2189b22921cdf32d8bd87171191ba8b6", \
          "Another host claimed the worker IDs first.", \
          "nothing; the daemon tries others at once.") \
        X(WORKERS_NONE, "workers-none", ERROR, "", "REGION", \
          "4ffc1dfd3d1bf6b24710cbe6f932a4d9", \
          "No run of worker IDs is free: live hosts hold them, or they rest.", \
          "see `sfshm workers`; stop a host, free the worker IDs of a dead one, lower " \
          "`workers.count`, or give `id.layout` more worker bits.") \
        X(WORKER_HELD, "worker-held", ERROR, "", "WORKER UID", \
          "065907d3556f11c100868e0283ce290f", \
          "Another daemon of this host hands out IDs of one of these worker IDs, in the same " \
          "ID space; the line names its process and user. At the start the daemon exits with " \
          "status 3. Later, with a coordinator, only the run does not grow.", \
          "stop one of the two, or give them different worker IDs. If their IDs never meet, " \
          "set `workers.space`. If the process is none of yours, its user keeps your daemon " \
          "from starting: end it.") \
        X(WORKER_LOCK, "worker-lock", WARNING, "error", "", \
          "d7595bcbb4fc5103efdcd57fb28ed2da", \
          "The daemon cannot use `/dev/shm` to make sure that no other daemon of this host has " \
          "the same worker IDs.", \
          "make room there, or correct its mode; the line says which.") \
        X(LEASE_EXPIRED, "lease-expired", WARNING, "", "", \
          "c4d702c14092a128fc3e7d374741e377", \
          "The coordinator has confirmed no renewal for the length of a session, or has ended " \
          "the session. IDs continue up to the fence.", \
          "check the coordinator if `lease-revived` does not follow.") \
        X(LEASE_RESUMED, "lease-resumed", WARNING, "", "WORKER WORKER_COUNT TICK FENCE_UNIX_MS", \
          "10c73364547eb46c2b0de57467bf1c38", \
          "The coordinator did not answer at a start. The host goes on with the worker IDs " \
          "that it had, up to the fence that it remembers.", \
          "check the coordinator before that fence, whose time the line says.") \
        X(LEASE_REVIVED, "lease-revived", NOTICE, "", "", \
          "c1a6823db3cb2735b8b81c3264a899a3", \
          "A new session has begun, with the same worker IDs.", \
          "nothing.") \
        X(LEASE_LOST, "lease-lost", ERROR, "", "", \
          "4366b1152626df62642a296140e2c982", \
          "Another host or daemon has the worker IDs, or their record is gone. The daemon " \
          "withdraws at once what its clients hold, and ends with status 1. Clients wait for " \
          "the next one.", \
          "restart the daemon. Find out why the coordinator did not hear from it for so long, " \
          "or which other daemon was started from a copy of its state directory.") \
        X(RUN_GROWN, "run-grown", NOTICE, "", "WORKER WORKER_COUNT", \
          "75263f4f413e7b48147c2ca0bd3ef88c", \
          "Callers waited for room, so the run has more worker IDs; see `workers.max_count` in " \
          "sfshmd.conf(5).", \
          "nothing.") \
        X(RUN_SHRINKS, "run-shrinks", INFO, "", "WORKER_COUNT", \
          "973c03c33eb96df6528b701f63c86354", \
          "The end of the run is no longer needed. It is given back when what clients hold of " \
          "it has run out.", \
          "nothing.") \
        X(RUN_FULL, "run-full", NOTICE, "", "WORKER_COUNT", \
          "11ba7a380a5e98ea071f353bd6818dd2", \
          "Callers wait for room, and the run cannot grow: the worker IDs that follow it " \
          "belong to another host, or rest, or the coordinator does not serve. The daemon " \
          "retries with growing pauses.", \
          "if it lasts, see `sfshm workers`, or raise `workers.count`.") \
        X(LEASE_RELEASED, "lease-released", INFO, "", "TICK", \
          "8fdbb5fd62a25803edad28a1e22cc6d6", \
          "A clean stop has given the worker IDs back.", \
          "nothing.") \
        X(FENCE_WRITE, "fence-write", ERROR, "", "TICK FENCE_UNIX_MS", \
          "53fe471661d81fb852a23e9b02b82169", \
          "The fence could not be raised. The daemon retries with growing pauses.", \
          "check the coordinator or the disk before the fence is reached; `sfshm-stat` shows " \
          "how far ahead it is.") \
        X(FENCE_FOUND, "fence-found", WARNING, "", "TICK", \
          "5992334b5fdb78f6b74f73d076d736a1", \
          "The shared memory of this host has a higher fence than the state directory: the " \
          "directory was lost, changed, or restored from a copy since the host started. The " \
          "daemon uses the higher one.", \
          "check `daemon.state_dir`.") \
        X(LEDGER_DAMAGED, "ledger-damaged", WARNING, "", "UID", \
          "462507fe5d254919aea2b2847fba6e55", \
          "The ledger, in shared memory, has a number that no daemon wrote: an end above the " \
          "fence, positions that were not granted, or a client number that was used before. " \
          "What the damaged record can have promised rests until then, at most until the fence " \
          "that was durable; nobody else gets it, and no fence rises by it. Its client " \
          "attaches anew. Everything else is adopted.", \
          "test the memory of this host.") \
        X(MEMORY_DAMAGED, "memory-damaged", WARNING, "", "TICK", \
          "99da762697af1f04a32a40f1dd17131e", \
          "The same for a number in the head of the ledger or in the clock segment: the fence, " \
          "the first tick, or the guarded clock itself. The fence of the state directory or of " \
          "the other segment counts instead; a clock that is damaged begins anew, above the " \
          "fence.", \
          "test the memory of this host.") \
        X(FENCE_RECOVERED, "fence-recovered", NOTICE, "", "TICK FENCE_UNIX_MS", \
          "862707aa63c50e0c01fd58c65ab3ff13", \
          "The fence can be raised again.", \
          "nothing.") \
        X(FENCE_RELEASE, "fence-release", WARNING, "", "TICK", \
          "1d928fc8a7bd0041f659bd6fa8a693e0", \
          "A clean stop could not lower the fence; it waits two seconds for a coordinator.", \
          "nothing; the worker IDs rest longer, and a restart of this host goes on with them.") \
        X(ETCD_AWAY, "etcd-away", WARNING, "", "ENDPOINT", \
          "ae453f3c3b8d0e35febb5a5583be0a4e", \
          "A request to the coordinator failed; the line says at which endpoint, why, and what " \
          "can be done. The daemon tries the other endpoints in turn, with growing pauses. " \
          "There is one such line for each incident, however many requests fail, until " \
          "`etcd-back` or `zookeeper-back`.", \
          "as the line says. Of an etcd whose database is full (NOSPACE) all writes fail, and " \
          "no fence rises: remove its old revisions with `etcdctl compact`, `etcdctl defrag " \
          "--cluster` and `etcdctl alarm disarm`. The daemons continue by themselves. A " \
          "ZooKeeper ends the connection at a request that is longer than its " \
          "`jute.maxbuffer`: raise that at all servers.") \
        X(ZOOKEEPER_AWAY, "zookeeper-away", WARNING, "", "ENDPOINT", \
          "d91020a45e87bc77f9ab00025e67d84e", \
          "", \
          "") \
        X(ETCD_ENDPOINT, "etcd-endpoint", INFO, "", "ENDPOINT", \
          "53c54931aae1de80300674facc216190", \
          "Another endpoint failed during the same incident, and why.", \
          "as the line says.") \
        X(ETCD_BACK, "etcd-back", NOTICE, "", "ENDPOINT DURATION_NS", \
          "a40c005fa7b9e142514c8ea2c401114b", \
          "The incident is over: what failed first succeeds again, or a commit does. The line " \
          "names the endpoint, and how long it took.", \
          "nothing.") \
        X(ZOOKEEPER_BACK, "zookeeper-back", NOTICE, "", "ENDPOINT DURATION_NS", \
          "1ac8385f13f70fce08cefdf5a52cb765", \
          "", \
          "") \
        X(ETCD_CLAIM, "etcd-claim", WARNING, "", "", \
          "e28784897fc1cbd08baf0a1788deae87", \
          "The daemon waits for its worker IDs: the coordinator does not serve.", \
          "check the coordinator; the daemon tries again by itself.") \
        X(ZOOKEEPER_CLAIM, "zookeeper-claim", WARNING, "", "", \
          "610d04695e2b30f9ebd093dcd27f2000", \
          "", \
          "") \
        X(ETCD_ACCESS, "etcd-access", ERROR, "", "", \
          "2dc511768d087aa80ff51505073b8fb7", \
          "The coordinator denies this host access, or is not the one for which the " \
          "certificates were made.", \
          "correct user and password, the role in the coordinator, or the TLS files: the line " \
          "before says which.") \
        X(ZOOKEEPER_ACCESS, "zookeeper-access", ERROR, "", "", \
          "8ed6e1108a3c8ca1fd3dd30aec33d125", \
          "", \
          "") \
        X(ZOOKEEPER_PASSWORD, "zookeeper-password", ERROR, "", "", \
          "8096c63a23cc400f53c203581959de25", \
          "`zookeeper.password_file` cannot be read, or its first line is no password.", \
          "correct its path, its permissions or the line.") \
        X(ZOOKEEPER_USER, "zookeeper-user", NOTICE, "", "", \
          "c5f365c6fef4fff2e4e62c9f87dbef95", \
          "The password in `zookeeper.password_file` has changed.", \
          "nothing.") \
        X(ETCD_REFUSED, "etcd-refused", WARNING, "", "ENDPOINT", \
          "7524c035cb8bc227d97643d69ae4f737", \
          "The coordinator denies a request; the line says which, and why.", \
          "as the line says, before the fence is reached.") \
        X(ZOOKEEPER_REFUSED, "zookeeper-refused", WARNING, "", "KEY", \
          "e665b36b8cde2045630906f7988e8bd1", \
          "", \
          "") \
        X(ETCD_ADMITTED, "etcd-admitted", NOTICE, "", "ENDPOINT", \
          "ce9162ead363246f318145fb11b86e7f", \
          "The coordinator grants access again.", \
          "nothing.") \
        X(ZOOKEEPER_ADMITTED, "zookeeper-admitted", NOTICE, "", "ENDPOINT", \
          "51c0d507b7be899168834336b186305f", \
          "", \
          "") \
        X(ETCD_CLUSTER, "etcd-cluster", WARNING, "", "ENDPOINT", \
          "32ba3d02329ed23d152fdc7c4264ceca", \
          "All endpoints that answer are members of another cluster than before, as after it " \
          "was restored from a snapshot. The daemon goes on with it.", \
          "make sure that the old cluster has ended.") \
        X(ETCD_OLD_COPY, "etcd-old-copy", ERROR, "", "", \
          "a53eba67b2902201876501e8fa727462", \
          "The revision of etcd went back, as after it was restored from a backup. The daemon " \
          "looks whether its worker IDs are still there; see `coordinator-old`.", \
          "if nobody restored it, make sure that the endpoints are members of one cluster.") \
        X(COORDINATOR_CONTRACT, "coordinator-contract", ERROR, "", "", \
          "9b0ed41a1eaeaa9e3fff61d848c95184", \
          "The hosts of this coordinator have another layout, epoch or number of region bits.", \
          "correct the configuration, or give this host another prefix.") \
        X(COORDINATOR_OTHER, "coordinator-other", ERROR, "", "", \
          "d5a16eed1e57687baf9b941780ce4664", \
          "The host had worker IDs of another coordinator or prefix.", \
          "correct the address or the prefix. To move to another one, stop all hosts, wait for " \
          "`workers.horizon`, and start each host with an empty state directory.") \
        X(COORDINATOR_EMPTY, "coordinator-empty", ERROR, "", "", \
          "3b2f430d9e61a574bf2dcf2003a3e65f", \
          "No ID space was begun at the address and below the prefix of the configuration.", \
          "correct them, or begin a space before the first host starts: `sfshm workers " \
          "--begin`. If hosts had worker IDs there, the coordinator was emptied: as for " \
          "`coordinator-lost`.") \
        X(COORDINATOR_LOST, "coordinator-lost", WARNING, "error", "KEY REGION", \
          "15b40c25e386116af91e84cef2898eec", \
          "A key that existed is missing.", \
          "restore the key by hand. For a lost record run `sfshm fence --above`: until then " \
          "its worker IDs are refused. For a lost contract, or when all keys are gone, " \
          "continue the space by `sfshm workers --begin --above`.") \
        X(COORDINATOR_OLD, "coordinator-old", ERROR, "", "TICK", \
          "ea6055c23413b2fcd2e3ac5c85b319f9", \
          "The coordinator shows less than this host was told: it was put back to an old copy, " \
          "or a key was lost. A daemon that runs writes its record again, and lets every claim " \
          "begin above all that may have been issued. A start is refused until then.", \
          "find out who put it back; a new host that started in between may have issued IDs " \
          "twice. If no daemon runs any more, as the daemon's user on one host, `sfshm workers " \
          "--begin --above time`, with now plus `workers.horizon`: then all hosts continue.") \
        X(COORDINATOR_DAMAGED, "coordinator-damaged", WARNING, "error", "KEY REGION WORKER", \
          "7baddf68ebd6e6a298b315687bbdb073", \
          "A key has a wrong value, or is an old copy.", \
          "as for `coordinator-lost`.") \
        X(COORDINATOR_TWICE, "coordinator-twice", WARNING, "", "WORKER", \
          "60c0372905d896f1a653b622d661ab89", \
          "Two records have the same worker ID, which is refused.", \
          "as for `coordinator-lost`; find out which host was started from a copy.") \
        X(COORDINATOR_VERSION, "coordinator-version", ERROR, "", "KEY REGION", \
          "405d4ef80e7bdb7541de0dbe3c661045", \
          "A key is from another version of sfshmd.", \
          "run that version.") \
        X(LEASE, "lease", ERROR, "", "", \
          "c1f70d4c39210afa35dd2c100c28be42", \
          "The lease of worker IDs cannot be set up.", \
          "as the line says.") \
        X(ETCD, "etcd", ERROR, "", "", \
          "9a35d00156c96f397bc1bd5ffa2f97d6", \
          "The backend cannot be set up.", \
          "as the line says.") \
        X(ZOOKEEPER, "zookeeper", ERROR, "", "", \
          "20e4a9a0785f41080995f1b6bb3fed5f", \
          "", \
          "")

#define LOG_EVENTS_COMMANDS(X) \
        X(WORKERS, "workers", WARNING, "error", "", \
          "269f8e4fe80e787e5e2faad515cea7f6", \
          "A command of `sfshm workers` failed, or warns; or the configured run of worker IDs " \
          "does not fit.", \
          "as the line says.") \
        X(WORKERS_BEGIN, "workers-begin", ERROR, "", "", \
          "4af8b427a75db573c26371321842be93", \
          "`sfshm workers` did not begin a space, or free worker IDs.", \
          "as the line says.") \
        X(WORKERS_RELEASE, "workers-release", ERROR, "", "", \
          "6e3721ee7d23d081c28bfb80d1089bdf", \
          "", \
          "") \
        X(FENCE_ABOVE, "fence-above", ERROR, "", "", \
          "7a7a322b31e9bf27761b8f4dbc3649c3", \
          "`sfshm fence --above` did not raise the fence.", \
          "as the line says.") \
        X(COORDINATOR, "coordinator", ERROR, "", "", \
          "238ca2cc2689017ddc977110b93706c5", \
          "`workers.backend` has no coordinator.", \
          "run the command where there is one.")

#define LOG_EVENTS(X) \
        LOG_EVENTS_PROCESS(X) LOG_EVENTS_CONFIG(X) LOG_EVENTS_CLOCK(X) \
        LOG_EVENTS_STATE(X) LOG_EVENTS_CLIENTS(X) LOG_EVENTS_LEASE(X) LOG_EVENTS_COMMANDS(X)
/* clang-format on */

#define LOG_DECLARE(identifier, ...) extern const struct log_event EVENT_##identifier;
LOG_EVENTS(LOG_DECLARE)
#undef LOG_DECLARE
