/* muster.h -- the trainer's side of muster, in C. Link with -lmuster (pkg-config muster); it needs
 * libc only.
 *
 * A trainer opens its trial, reads its parameters, reports a step at a time and obeys what the
 * report returns:
 *
 *     muster_trial *t = muster_open(MUSTER_CAN_CHECKPOINT);
 *     double lr = 0.1;
 *     muster_f64(t, "lr", &lr);
 *     if (muster_restore(t) != NULL) load(muster_restore(t));
 *     for (int64_t step = muster_step(t) + 1; step <= epochs; step++) {
 *         double loss = train_one(lr);
 *         if (muster_save_at(t) == step) {
 *             const char *folder = muster_save_begin(t, step);
 *             if (folder != NULL && write_model(folder) == 0) muster_save_commit(t);
 *         }
 *         int acts = muster_report(t, step, 1, (const char *[]){"loss"}, &loss);
 *         if (acts < 0) { fprintf(stderr, "%s\n", muster_error(t)); continue; }
 *         if (acts & MUSTER_CHECKPOINT) save(t, step);                 (as above)
 *         if (acts & MUSTER_EXPLOIT && muster_exploit(t) == 0) {    (MUSTER_CAN_EXPLOIT)
 *             load(muster_restore(t));
 *             muster_f64(t, "lr", &lr);
 *             step = muster_step(t);
 *         }
 *         outcome = acts & MUSTER_PAUSE ? MUSTER_PAUSED : MUSTER_DONE;
 *         if (acts & (MUSTER_PAUSE | MUSTER_STOP)) break;
 *     }
 *     muster_close(t, outcome, NULL);
 *
 * Without MUSTER_SOCKET in the environment the same program runs by itself: parameters come from
 * MUSTER_P_<name> if set, reports go to stderr, nothing asks it to stop.
 *
 * Thread-safe: calls on one trial are taken one after another. No call ends the process. A muster
 * that does not answer never holds training longer than ten seconds without a byte; training then
 * goes on. */
#ifndef MUSTER_H
#define MUSTER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MUSTER_API __attribute__((visibility("default")))
#else
#define MUSTER_API
#endif

typedef struct muster_trial muster_trial;

/* What muster_report() returns: bits, obeyed in the order checkpoint, exploit, pause, stop.
 * MUSTER_CHECKPOINT asks for a snapshot of the weights as they are at that report; it is left out
 * if that snapshot is committed already. */
enum { MUSTER_CHECKPOINT = 1, MUSTER_PAUSE = 2, MUSTER_STOP = 4, MUSTER_EXPLOIT = 8 };
/* What the trainer is able to do, for muster_open(). */
enum { MUSTER_CAN_CHECKPOINT = 1, MUSTER_CAN_PAUSE = 2, MUSTER_CAN_EXPLOIT = 4 };
/* How it ended, for muster_close(). */
enum {
    MUSTER_DONE = 0,
    MUSTER_PAUSED = 1,
    MUSTER_INVALID = 2 /* these parameters make no sense: never tried again */,
    MUSTER_ERROR = 3
};
/* Negative results. muster_error() has the words. Their low eight bits are 0, so that a bit of
 * muster_report()'s result can be tested without looking at its sign. */
enum {
    MUSTER_ERR_NAME = -0x100,
    MUSTER_ERR_TYPE = -0x200,
    MUSTER_ERR_REFUSED = -0x300, /* muster said no */
    MUSTER_ERR_SILENT = -0x400,  /* muster said nothing, or is gone */
};

/* Never NULL but without memory. Blocks for one round trip (at most ten seconds). */
MUSTER_API muster_trial *muster_open(unsigned can);
/* Says good-bye (blocks until that is on disk, or ten silent seconds) and frees the trial, which no
 * other thread may use any more. `note` is cut after 1,024 bytes. NULL is fine. */
MUSTER_API void muster_close(muster_trial *trial, int outcome, const char *note);

/* A parameter: 0 and *ret_value written, or MUSTER_ERR_NAME (no such parameter) or MUSTER_ERR_TYPE
 * (no number, or no whole one); *ret_value is then as it was. true and false are the numbers 1 and
 * 0. */
MUSTER_API int muster_f64(muster_trial *trial, const char *name, double *ret_value);
MUSTER_API int muster_i64(muster_trial *trial, const char *name, int64_t *ret_value);
/* Text as people see it ("0.01", "adamw"); NULL if there is none. Owned by the trial, until it is
 * closed or exploits. */
MUSTER_API const char *muster_str(muster_trial *trial, const char *name);
/* "12.41", or "" when it runs by itself. */
MUSTER_API const char *muster_id(muster_trial *trial);
/* The trial's own seed, the same in every attempt; 0 when it runs by itself without MUSTER_SEED. */
MUSTER_API uint64_t muster_seed(muster_trial *trial);
/* Of a trial that is several processes: which one this is, from 0, and how many there are; 0 and 1
 * where it is one. From MUSTER_RANK and MUSTER_WORLD, else RANK and WORLD_SIZE. Every rank may open
 * the trial. The metrics of rank 0 count; what muster_report() returns is the same for all ranks at
 * the same step, if each reports every step that rank 0 reports; a save is made by all ranks
 * together, into one folder, and committed when the last of them commits; an exploit gives all of
 * them the same weights. Each report then costs a round trip, and waits at a milestone for the
 * others. */
MUSTER_API int muster_rank(muster_trial *trial);
MUSTER_API int muster_world(muster_trial *trial);
/* Folder of the snapshot to start from (read only), or NULL; valid until the trial is closed or
 * exploits. */
MUSTER_API const char *muster_restore(muster_trial *trial);
/* Steps done by the weights in muster_restore(); 0 from nothing. Reports do not change it, an
 * exploit does. */
MUSTER_API int64_t muster_step(muster_trial *trial);

/* Metrics after `step` (> every step reported before). Returns the act bits (>= 0), or
 * MUSTER_ERR_REFUSED: muster did not take this report, or one before it whose answer came only now
 * (muster_error() says why; training may go on). Below the milestone it costs microseconds; at the
 * milestone it waits for the decision. 0 also when muster is silent or gone. Non-finite values are
 * legal. */
MUSTER_API int muster_report(muster_trial *trial, int64_t step, size_t n, const char *const names[],
                             const double values[]);
/* The step before whose report a snapshot is wanted; -1: none. It may change with every report. */
MUSTER_API int64_t muster_save_at(muster_trial *trial);
/* 1 if a snapshot is wanted before reporting `step`: `step` is muster_save_at() or the first one
 * after it, or `is_last` and the sweep keeps the end. 0 once the snapshot of `step` is committed.
 */
MUSTER_API int muster_save_due(muster_trial *trial, int64_t step, int is_last);
/* An empty folder to write the snapshot of `step` into; NULL: none now (muster_error()). One at a
 * time. */
MUSTER_API const char *muster_save_begin(muster_trial *trial, int64_t step);
/* The folder is complete: it becomes a snapshot, whole or not at all. 0, or a negative result. */
MUSTER_API int muster_save_commit(muster_trial *trial);
/* In-place exploit, after MUSTER_EXPLOIT: asks for the donor's snapshot and the new parameters.
 * After 0 muster_restore(), muster_step(), muster_f64() and the others give the new ones, and the
 * next report is of the step after muster_step(). A parameter that is not among the new ones does
 * not exist any more. MUSTER_ERR_REFUSED: none was ordered, or it is not wanted any more;
 * everything is as it was. MUSTER_ERR_SILENT: no answer yet. Training may go on, but until this
 * call gives 0 or MUSTER_ERR_REFUSED nothing of it is told (muster could not know of whose weights
 * it is): muster_report() returns MUSTER_EXPLOIT at once, and the next muster_exploit() waits for
 * the same answer. Where the connection is gone altogether it stays MUSTER_ERR_SILENT. No other
 * thread may report or save meanwhile: it could only speak of the old weights. */
MUSTER_API int muster_exploit(muster_trial *trial);
/* Words for the last negative result, NULL or silence; "" if there was none. The caller's thread
 * keeps them until its next call of muster_error(). */
MUSTER_API const char *muster_error(muster_trial *trial);

#ifdef __cplusplus
}
#endif
#endif
