/* sys/failpoints.h -- places at which a test can make a daemon die, stop, wait or fail, by name.
 * Any thread. One table lists them all; `muster debug failpoints` prints it.
 *
 * In a build without them (the option MUSTER_FAILPOINTS of CMake, off but in the presets dev, asan
 * and chaos) both macros are compiled to nothing. With them, the environment of a daemon drives:
 *
 *   MUSTER_FAILPOINTS   rules, separated by commas: [ROLE/]POINT=ACTION[:ARGUMENT][@N | %P]
 *     ROLE              head, worker or supervisor; none: whichever passes the point
 *     ACTION            kill (SIGKILL), stop (SIGSTOP), delay:MILLISECONDS; where the table says
 * that the point can fail also error:ENOSPC (EIO, ...)
 *     @N                at the N-th passage of the process, and only then; %P: at P of 100
 * passages, drawn from the seed; neither: at each MUSTER_FAILPOINTS_SEED   of %P, a number; default
 * 0 MUSTER_FAILPOINTS_MARKS  a folder: a rule makes a file with its point's name there before it
 * acts, and one whose file is there acts no more. So a rule acts once however often its process is
 * started again, and a test sees that it did. */
#ifndef MUSTER_SYS_FAILPOINTS_H
#define MUSTER_SYS_FAILPOINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* X(id, name, can it fail, where) */
#define FAILPOINTS(X)                                                                              \
    X(STORE_SEND, "store.send", false, "head: a batch is about to be sent to Redis")               \
    X(STORE_REPLY, "store.reply", true,                                                            \
      "head: Redis has answered a batch; failing, the answer is lost and the batch sent again")    \
    X(STORE_APPLIED, "store.applied", false,                                                       \
      "head: a batch is on disk, and nobody has been told of it")                                  \
    X(STORE_TAKE, "store.take", false, "head: about to take the store over")                       \
    X(STORE_TAKEN, "store.taken", false, "head: has taken the store over, and read nothing yet")   \
    X(STORE_LOAD, "store.load", false, "head: a slice of a table was read, at the start")          \
    X(LEASE_SEND, "lease.send", false, "head: a lease is about to leave")                          \
    X(RANGES_SEND, "ranges.send", false, "head: tasks of an array are about to be leased ahead")   \
    X(ORDER_SEND, "order.send", false, "head: an order is about to leave")                         \
    X(ACK_SEND, "ack.send", false, "head: events are about to be acknowledged to an agent")        \
    X(WELCOME_SEND, "welcome.send", false, "head: an agent is about to be welcomed")               \
    X(EVENTS_RECEIVE, "events.receive", false, "head: an agent's events have come")                \
    X(HTTP_ANSWER, "http.answer", false, "head: a client is about to get its answer")              \
    X(DEPOT_WRITE, "depot.write", true, "head: a piece of a work folder is written to the depot")  \
    X(DEPOT_SYNC, "depot.sync", true, "head: a whole one is about to be synced")                   \
    X(DEPOT_RENAME, "depot.rename", true, "head: it is about to get its name")                     \
    X(FILE_WRITE, "file.write", true, "any: a state file is written beside the old one")           \
    X(FILE_SYNC, "file.sync", true, "any: it is about to be synced")                               \
    X(FILE_RENAME, "file.rename", true, "any: it is about to take the old one's place")            \
    X(DIR_SYNC, "dir.sync", true, "any: a folder is about to be synced, after a rename in it")     \
    X(LOG_WRITE, "log.write", true, "worker: an attempt's output is about to be written")          \
    X(LEASE_RECEIVE, "lease.receive", false, "worker: a lease has come")                           \
    X(RANGES_RECEIVE, "ranges.receive", false, "worker: tasks of an array have come")              \
    X(ORDER_APPLY, "order.apply", false, "worker: an order has come and is about to be applied")   \
    X(EVENTS_SEND, "events.send", false, "worker: events are about to be sent to the head")        \
    X(ATTEMPT_START, "attempt.start", false, "worker: an attempt is about to be made")             \
    X(ATTEMPT_END, "attempt.end", false, "worker: an attempt's processes are gone, untold")        \
    X(LANE_START, "lane.start", false, "worker: a task of an array is about to be made")           \
    X(LANE_END, "lane.end", false, "worker: processes of an array's task are gone, untold")        \
    X(LANE_WRITE, "lane.write", true,                                                              \
      "worker: an array's output is about to be written, of one task behind another")              \
    X(LANE_INDEX, "lane.index", true, "worker: where such output lies is about to be written")     \
    X(TRIAL_HELLO, "trial.hello", false, "worker: a trainer has said hello, and no more")          \
    X(TRIAL_REPORT, "trial.report", false, "worker: a trainer's report was read, and no more")     \
    X(TRIAL_SAVE, "trial.save", false, "worker: a trainer wants to save; that was read, no more")  \
    X(TRIAL_COMMIT, "trial.commit", false, "worker: a trainer has saved; that was read, no more")  \
    X(TRIAL_EXPLOIT, "trial.exploit", false, "worker: a trainer asks for another one's weights")   \
    X(TRIAL_BYE, "trial.bye", false, "worker: a trainer's good-bye was read, and no more")         \
    X(TRIAL_ANSWER, "trial.answer", false, "worker: a trainer is about to get an answer")          \
    X(SNAPSHOT_WRITE, "snapshot.write", true, "worker: a snapshot's list is about to be written")  \
    X(SNAPSHOT_RENAME, "snapshot.rename", true, "worker: a snapshot is about to get its place")    \
    X(SNAPSHOT_COMMITTED, "snapshot.committed", false, "worker: it has it, and nobody was told")   \
    X(LEND_SEND, "lend.send", false, "worker: another node is about to get a piece of a snapshot") \
    X(COPY_WRITE, "copy.write", true, "worker: a piece of another node's snapshot is written")     \
    X(COPY_PROVE, "copy.prove", false, "worker: all pieces are there, and none was proven")        \
    X(COPY_RENAME, "copy.rename", true, "worker: a copied snapshot is about to get its place")     \
    X(COPY_TELL, "copy.tell", false, "worker: it has it, and nobody was told")                     \
    X(BLOB_UNPACK, "blob.unpack", true, "worker: a piece of a work folder is unpacked")            \
    X(BLOB_RENAME, "blob.rename", true, "worker: an unpacked work folder is about to appear")      \
    X(ROLE_START, "role.start", false, "supervisor: a role is about to be started")                \
    X(ROLE_STARTED, "role.started", false, "supervisor: it was started, and is not known yet")     \
    X(ROLE_ADOPT, "role.adopt", false, "supervisor: a role of a killed supervisor was found")

typedef enum {
#define X(id, name, can_fail, where) FAILPOINT_##id,
    FAILPOINTS(X)
#undef X
        FAILPOINTS_COUNT
} failpoint_id;

struct failpoint_about {
    const char *name;
    bool can_fail;
    const char *where;
};
extern const struct failpoint_about failpoint_table[FAILPOINTS_COUNT];

/* True in a build that has them. */
bool failpoints_are_built(void);
/* Once, at a daemon's start, before its threads: reads the rules. ERR_INVALID: one cannot be read;
 * ERR_UNSUPPORTED: there are rules, and this build has no failpoints. */
MUST_CHECK error_code failpoints_open(const char *role, struct report *report);

#ifdef MUSTER_FAILPOINTS
/* True: the caller fails as if a call had, with errno. May not come back. */
bool failpoint_pass(failpoint_id id);
/* A place to pass; one that cannot fail. */
#define FAILPOINT(id) ((void)failpoint_pass(FAILPOINT_##id))
/* One that can: true, with errno set, where it shall. */
#define FAILPOINT_FAILS(id) failpoint_pass(FAILPOINT_##id)
#else
#define FAILPOINT(id) ((void)0)
#define FAILPOINT_FAILS(id) false
#endif

#endif
