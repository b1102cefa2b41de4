/* tune/sobol.h -- Sobol's sequence, scrambled. Pure functions; any thread. */
#ifndef MUSTER_TUNE_SOBOL_H
#define MUSTER_TUNE_SOBOL_H

#include <stdint.h>

enum { SOBOL_DIMENSIONS_MAX = 256, SOBOL_BITS = 32 };

/* One dimension: its primitive polynomial (degree, inner coefficients) and the first numbers. */
struct sobol_dimension {
    uint8_t degree;
    uint16_t inner;
    uint16_t first[11];
};

extern const struct sobol_dimension sobol_dimensions[SOBOL_DIMENSIONS_MAX]; /* sobol_table.c */

/* The direction numbers of a dimension (0 on), the highest bit first. */
void sobol_directions(uint32_t dimension, uint32_t ret_directions[SOBOL_BITS]);

/* Point `index` in units of 2^-32, unscrambled. */
uint32_t sobol_point(const uint32_t directions[SOBOL_BITS], uint32_t index);

/* Owen's nested uniform scrambling of a point, a function of `seed`. */
uint32_t sobol_scramble(uint32_t point, uint32_t seed);

#endif
