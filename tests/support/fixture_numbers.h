/* Numbers as files hold them, written without the library's own conversions. */
#ifndef FIXTURE_NUMBERS_H
#define FIXTURE_NUMBERS_H

#include "model_fixture.h"

uint32_t fixture_bits(float x);
/* Rounded to nearest even. fixture_f16 takes finite numbers below the largest half only: no weight of a fixture is anything else. */
uint16_t fixture_f16(float x);
uint16_t fixture_bf16(float x);
/* What a reader gets back. */
float fixture_rounded(float x, fixture_dtype dtype);

#endif
