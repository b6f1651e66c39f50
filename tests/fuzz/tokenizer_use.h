/* What must hold of a tokenizer that was taken, whichever file it came from: it encodes any text.
 */
#ifndef SB_TESTS_FUZZ_TOKENIZER_USE_H
#define SB_TESTS_FUZZ_TOKENIZER_USE_H

#include <stddef.h>
#include <stdint.h>

#include "workloads/tokenizer/tokenizer.h"

void fuzz_tokenizer_use(const sb_tok *t, const uint8_t *data, size_t size); /* data: any text */

#endif
