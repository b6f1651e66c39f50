/* What a fuzzer feeds: any bytes as a tokenizer file (GGUF where they start with its magic, a
 * tokenizer.model, else JSON). What opens is used. Built for libFuzzer with SPAN_FUZZ=ON;
 * test_tokenizer_fuzz.c calls the same function with seeded mutations. */
#include "tests/fuzz/common.h"

#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_tok        *t   = NULL;
    sb_tok_options opt = {size % 4 == 3 ? "qwen2" : NULL};
    if (sb_tok_open_bytes("fuzz", data, size, size >= 4 && data[0] == 'G' ? &opt : NULL, &t) !=
        SB_OK)
        return 0;
    fuzz_tokenizer_use(t, data, size);
    sb_tok_close(t);
    return 0;
}
