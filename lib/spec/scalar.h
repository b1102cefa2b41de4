/* spec/scalar.h -- the typing of YAML 1.2's core schema (section 10.3.2): what a plain scalar is.
 * Inner header of lib/spec. Pure. */
#ifndef MUSTER_SPEC_SCALAR_H
#define MUSTER_SPEC_SCALAR_H

#include "base/error.h"
#include "base/value.h"
#include "spec/tree.h"

/* The value of a scalar node; a text borrows the node's. A quoted scalar is always a text. `1e-4`
 * and `.inf` are reals, `0x1F` and `0o17` integers, `on`, `no`, `1_000` and `12:30` texts.
 * ERR_LIMIT: an integer past 64 bits, or a number that a double cannot hold. */
MUST_CHECK error_code scalar_value(const struct spec_node *node, struct value *ret_value);

/* Nothing was written: `key:` alone. (null, ~ and quoted nothing are something.) */
bool scalar_is_missing(const struct spec_node *node);

#endif
