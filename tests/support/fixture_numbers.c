#include "fixture_numbers.h"

#include <math.h>
#include <string.h>

/* ---- Random numbers: splitmix64, Box-Muller ------------------------------------------------------------------------- */

static uint64_t next(fixture_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double fixture_uniform(fixture_random *r)
{
    return ((double)(next(r) >> 11) + 0.5) * 0x1p-53;
}

double fixture_normal(fixture_random *r)
{
    const double radius = sqrt(-2.0 * log(fixture_uniform(r)));
    return radius * cos(6.283185307179586 * fixture_uniform(r));
}

/* ---- 16-bit floats, rounded to nearest even --------------------------------------------------------------------------- */

uint32_t fixture_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float bits_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* value / 2^shift, to nearest even. */
static uint32_t shift_rounded(uint32_t value, int shift)
{
    const uint32_t half = 1u << (shift - 1), low = value & ((1u << shift) - 1), high = value >> shift;
    return high + (low > half || (low == half && (high & 1)));
}

/* Finite numbers below the largest half only: no weight of a fixture is anything else. */
uint16_t fixture_f16(float x)
{
    const uint32_t bits = fixture_bits(x), sign = (bits >> 16) & 0x8000u;
    const int exponent = (int)((bits >> 23) & 0xff) - 127 + 15;
    const uint32_t mantissa = (bits & 0x7fffffu) | 0x800000u;
    if (exponent < -10)
        return (uint16_t)sign;
    if (exponent < 1)
        return (uint16_t)(sign | shift_rounded(mantissa, 14 - exponent));
    /* A carry out of the mantissa raises the exponent, as it should. */
    return (uint16_t)(sign | (((uint32_t)(exponent - 1) << 10) + shift_rounded(mantissa, 13)));
}

static float from_f16(uint16_t h)
{
    const int exponent = (h >> 10) & 31, mantissa = h & 1023;
    const double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return (float)(h & 0x8000 ? -magnitude : magnitude);
}

uint16_t fixture_bf16(float x)
{
    return (uint16_t)shift_rounded(fixture_bits(x), 16);
}

static float from_bf16(uint16_t h)
{
    return bits_float((uint32_t)h << 16);
}

float fixture_rounded(float x, fixture_dtype dtype)
{
    switch (dtype) {
    case FIXTURE_F16: return from_f16(fixture_f16(x));
    case FIXTURE_BF16: return from_bf16(fixture_bf16(x));
    default: return x;
    }
}
