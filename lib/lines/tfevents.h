/* lines/tfevents.h -- TensorBoard's event files, read as they grow: TFRecords with checksums, in
 * them protocol buffers, in them scalars (as simple_value, or as a tensor of one number). Pure; one
 * thread at a time. No library of TensorFlow's is needed for so little. */
#ifndef MUSTER_LINES_TFEVENTS_H
#define MUSTER_LINES_TFEVENTS_H

#include "base/buf.h"

struct tfevents;

enum {
    TFEVENTS_RECORD_MAX_BYTES = 1 << 20, /* a longer one (pictures) is passed over */
    TFEVENTS_TAG_MAX = 255,
};

struct tfevents_scalar {
    int64_t step;
    const char *tag; /* until the callback returns; no control characters */
    double value;
};
typedef void tfevents_fn(void *context, const struct tfevents_scalar *scalar);

MUST_CHECK error_code tfevents_new(struct tfevents **ret_events);
void tfevents_free(struct tfevents *events); /* NULL is fine */
/* The next bytes of the file, in any cut. A record whose checksum is wrong is left out; after a
 * length whose checksum is wrong nothing more can be read. ERR_FORMAT: that, from then on;
 * ERR_NO_MEMORY. */
MUST_CHECK error_code tfevents_feed(struct tfevents *events, struct bytes bytes,
                                    tfevents_fn *on_scalar, void *context);
uint64_t tfevents_bad_records(const struct tfevents *events);

/* CRC-32C (Castagnoli), as TFRecord has it before masking. */
uint32_t tfevents_crc32c(struct bytes bytes);

#endif
