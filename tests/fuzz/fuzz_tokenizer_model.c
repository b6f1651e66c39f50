/* What a fuzzer feeds: any bytes as SentencePiece's tokenizer.model. What opens is used. */
#include <string.h>

#include "tests/fuzz/common.h"
#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sb_tok   *t  = NULL;
    sb_status st = sb_tok_open_bytes("fuzz/tokenizer.model", data, size, NULL, &t);
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE || st == SB_ERR_UNSUPPORTED,
              "a tokenizer, or the file's mistake");
    fuzz_must(st == SB_OK || strstr(sb_error_text(), "fuzz/tokenizer.model") != NULL,
              "an error names the file");
    if (st == SB_OK)
        fuzz_tokenizer_use(t, data, size);
    *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
    sb_tok_close(t);
    return 0;
}
