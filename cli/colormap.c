#include "colormap.h"

/* Seventeen points of inferno (Nathaniel Smith and Stefan van der Walt, CC0). Lightness rises evenly from one to the next, so
 * equal steps of value look equal, in grey and to colour-blind eyes as well. */
static const uint8_t inferno[17][3] = {
    {0, 0, 0},      {11, 6, 44},    {33, 9, 74},    {59, 12, 93},   {86, 17, 104},  {112, 23, 108}, {138, 31, 105}, {162, 41, 96},   {186, 54, 82},
    {207, 69, 62},  {226, 88, 42},  {241, 111, 24}, {249, 138, 15}, {250, 169, 19}, {247, 203, 44}, {243, 234, 93}, {250, 255, 168},
};

void colormap(double value, uint8_t rgb[3])
{
    double place = value <= 0 ? 0 : value >= 1 ? 16 : value * 16;
    int low = place >= 15 ? 15 : (int)place;
    double part = place - low;
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)(inferno[low][c] * (1 - part) + inferno[low + 1][c] * part + 0.5);
}
