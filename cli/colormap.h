/* Inferno: a perceptually uniform colour map, black over purple and orange to pale yellow. */
#ifndef UVK_CLI_COLORMAP_H
#define UVK_CLI_COLORMAP_H

#include <stdint.h>

/* value is clamped to 0..1. */
void colormap(double value, uint8_t rgb[3]);

#endif
