#include "random.h"

#include <math.h>

uint64_t uvk_random_bits(uvk_random *r)
{
    uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uvk_random uvk_random_start(int64_t seed, uint64_t purpose)
{
    uvk_random own = {(uint64_t)seed}, out = {uvk_random_bits(&own) ^ purpose};
    out.state = uvk_random_bits(&out);
    return out;
}

float uvk_random_uniform(uvk_random *r)
{
    return (float)(uvk_random_bits(r) >> 40) * 0x1p-24f;
}

/* Box and Muller; the logarithm's argument is never 0. */
double uvk_random_normal(uvk_random *r)
{
    double u = ((double)(uvk_random_bits(r) >> 11) + 0.5) * 0x1p-53, v = (double)(uvk_random_bits(r) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

int uvk_random_below(uvk_random *r, int below)
{
    return (int)(((uvk_random_bits(r) >> 32) * (uint64_t)below) >> 32);
}
