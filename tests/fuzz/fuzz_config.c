/* What a fuzzer feeds: any bytes as a model's config.json; what is behind a zero byte as its
 * generation_config.json. */
#include <string.h>

#include "tests/fuzz/common.h"
#include "tests/fuzz/model_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char     *text  = size > 0 ? (const char *)data : "";
    const char     *end   = memchr(text, '\0', size);
    size_t          bytes = end == NULL ? size : (size_t)(end - text);
    const char     *more  = end == NULL ? NULL : end + 1;
    sb_model_config c;
    sb_status       st = sb_config_from_json("fuzz/config.json", text, bytes,
                                       more == NULL ? NULL : "fuzz/generation_config.json", more,
                                       more == NULL ? 0 : size - bytes - 1, &c);
    fuzz_must(st == SB_OK || st == SB_ERR_USAGE || st == SB_ERR_UNSUPPORTED,
              "a model, or the file's mistake");
    fuzz_must(st == SB_OK || strncmp(sb_error_text(), "fuzz/", 5) == 0, "an error names the file");
    if (st == SB_OK)
        fuzz_model_config(&c);
    *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
    return 0;
}
