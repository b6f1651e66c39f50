/* What a fuzzer feeds: any bytes as a machine file. What is taken is written as a machine file that
 * reads back, and is written the same again. */
#include <stdlib.h>
#include <string.h>

#include "harness/config/machine.h"
#include "tests/fuzz/common.h"

static char *written(const sb_machine *m, size_t *n)
{
    char *text = NULL;
    FILE *f    = open_memstream(&text, n);
    fuzz_must(f != NULL && sb_machine_write(m, "as written", f) == SB_OK, "write");
    fuzz_must(fclose(f) == 0, "fclose");
    return text;
}

static void check(const sb_machine *m)
{
    sb_machine *again = NULL;
    size_t      n, n2;
    char       *text = written(m, &n), *text2;
    if (sb_machine_parse("again", text, n, stderr, &again) != SB_OK) {
        (void)fprintf(stderr, "%s\n", text);
        fuzz_must(0, "what was written reads back");
    }
    text2 = written(again, &n2);
    if (n != n2 || memcmp(text, text2, n) != 0) {
        (void)fprintf(stderr, "%s\n%s\n", text, text2);
        fuzz_must(0, "and is the same");
    }
    free(text);
    free(text2);
    sb_machine_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file(0, data, size);
    sb_machine *m    = NULL;
    fuzz_errors e;
    fuzz_errors_open(&e);
    sb_status st = sb_machine_load(path, e.to, &m);
    if (fuzz_errors_close(&e, st, m, path))
        check(m);
    sb_machine_free(m);
    return 0;
}
