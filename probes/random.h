/* Numbers drawn from a seed, the same on every machine (splitmix64). */
#ifndef UVK_PROBES_RANDOM_H
#define UVK_PROBES_RANDOM_H

#include <stdint.h>

typedef struct uvk_random { uint64_t state; } uvk_random;

/* A stream of its own for each pair of seed and purpose. */
uvk_random uvk_random_start(int64_t seed, uint64_t purpose);
uint64_t uvk_random_bits(uvk_random *r);
/* In [0, 1), 24 bits: every one is a float. */
float uvk_random_uniform(uvk_random *r);
/* Normal, mean 0, deviation 1. */
double uvk_random_normal(uvk_random *r);
/* 0..below-1. */
int uvk_random_below(uvk_random *r, int below);

#endif
