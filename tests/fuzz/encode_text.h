/* Loads the tokenizer of fuzz_folder, encodes a text and decodes its ids. */
#ifndef ENCODE_TEXT_H
#define ENCODE_TEXT_H

#include "fuzz.h"

void encode_text(fuzz_part text);

#endif
