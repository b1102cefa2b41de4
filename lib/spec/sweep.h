/* spec/sweep.h -- the only parser of sweep files, and the small notations (durations, sizes,
 * amounts, demands on labels) that the command line shares with them. Pure: bytes in, structs out;
 * any thread; nothing blocks.
 *
 * All functions write their ret_ arguments only on success. On failure the code is returned and
 * `report` (may be NULL) tells a person what was wrong and what to write instead: ERR_INVALID a
 * file or text that is wrong ERR_UNSUPPORTED  a key or value of a later release ERR_LIMIT larger,
 * longer or deeper than the limits of spec/types.h ERR_NO_MEMORY    no memory, or the arena is full
 * (a file at the limits needs 8 MiB) */
#ifndef MUSTER_SPEC_SWEEP_H
#define MUSTER_SPEC_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "spec/types.h"

/* Parses the `len` bytes of a sweep file (YAML 1.2, so JSON too), fills in every default and checks
 * all that can be checked without the machine it will run on: the same function serves `muster
 * check` and the head. What ret_spec points to lives in `arena`, nothing of it in `text`.
 * `file_name` (NULL: none) gives the default name and report->file; line and column of the report
 * are 1-based, in characters. */
MUST_CHECK error_code spec_sweep_parse(const char *text, size_t len, const char *file_name,
                                       struct arena *arena, struct sweep_spec *ret_spec,
                                       struct report *report);

/* What a submission says beside the file. Borrowed. */
struct spec_set {
    const char *const *texts; /* PATH=VALUE: a path of keys with dots (or item numbers), YAML */
    uint32_t n_texts;         /* SPEC_SETS_MAX at most */
    bool is_test;             /* one trial, to its first rung or report, without a retry */
    const char
        *from; /* NULL, or the file that the last one of `texts` was read from, for messages */
};

/* The same with settings (NULL: none), which are applied before anything is checked. An error of a
 * setting names it, and no place in the file. */
MUST_CHECK error_code spec_sweep_parse_set(const char *text, size_t len, const char *file_name,
                                           const struct spec_set *set, struct arena *arena,
                                           struct sweep_spec *ret_spec, struct report *report);

/* After a failure of what is made of the spec (tune_check()); the parser does it itself. If the
 * report points into a setting, its text says which one, and it points nowhere in the file; one
 * that points into the file says that there were settings. */
void spec_set_report(const struct spec_set *set, struct report *report);

/* Appends the normalised file, every default written out, as YAML that parses to an equal spec
 * again. Errors are the buffer's: ERR_LIMIT or ERR_NO_MEMORY. */
error_code spec_sweep_print(const struct sweep_spec *spec, struct buf *buf);

/* The word of schedule.type: "asha". */
const char *spec_schedule_word(schedule_type type);

/* One demand on labels: `zone == a`, `zone != a`, `zone in (a, b)`, `zone not in (a, b)`, `ssd`. A
 * label or value is made of letters, digits and _ . : / @ + -; a value may stand in quotes. Strings
 * of ret_require live in `arena`. */
MUST_CHECK error_code spec_require_parse(const char *text, struct arena *arena,
                                         struct require *ret_require, struct report *report);

/* `100ms`, `10s`, `5m`, `12h`, `1d`, `1.5h`, or a bare number of seconds; never negative, at most
 * 3650d. */
MUST_CHECK error_code spec_duration_parse(const char *text, int64_t *ret_ms, struct report *report);
/* `64K`, `1M`, `1.5G`, `2T` (1024-based), or bytes; at most 2^53. */
MUST_CHECK error_code spec_size_parse(const char *text, uint64_t *ret_bytes, struct report *report);
/* A count of CPUs, GPUs or custom units, in steps of 1/10,000: `4`, `0.25`; never negative, at most
 * 1,000,000. */
MUST_CHECK error_code spec_amount_parse(const char *text, amount *ret_amount,
                                        struct report *report);

#endif
