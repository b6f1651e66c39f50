#include <string.h>

#include "workloads/metrics/longbench.h"

/* name, metric, max_gen, rows, in E, first line only, chat wrapper, stop at a line break */
const sb_longbench sb_longbench_datasets[] = {
    {"narrativeqa", "qa_f1@1", 128, 200, 0, 0, 1, 0},
    {"qasper", "qa_f1@1", 128, 200, 1, 0, 1, 0},
    {"multifieldqa_en", "qa_f1@1", 64, 150, 1, 0, 1, 0},
    {"multifieldqa_zh", "qa_f1_zh@1", 64, 200, 0, 0, 1, 0},
    {"hotpotqa", "qa_f1@1", 32, 200, 1, 0, 1, 0},
    {"2wikimqa", "qa_f1@1", 32, 200, 1, 0, 1, 0},
    {"musique", "qa_f1@1", 32, 200, 0, 0, 1, 0},
    {"dureader", "rouge_zh@1", 128, 200, 0, 0, 1, 0},
    {"gov_report", "rouge_l@1", 512, 200, 1, 0, 1, 0},
    {"qmsum", "rouge_l@1", 512, 200, 0, 0, 1, 0},
    {"multi_news", "rouge_l@1", 512, 200, 1, 0, 1, 0},
    {"vcsum", "rouge_zh@1", 512, 200, 0, 0, 1, 0},
    {"trec", "classification@1", 64, 200, 1, 1, 0, 0},
    {"triviaqa", "qa_f1@1", 32, 200, 1, 1, 0, 0},
    {"samsum", "rouge_l@1", 128, 200, 1, 1, 0, 1},
    {"lsht", "classification@1", 64, 200, 0, 1, 0, 0},
    {"passage_count", "count@1", 32, 200, 1, 0, 1, 0},
    {"passage_retrieval_en", "retrieval@1", 32, 200, 1, 0, 1, 0},
    {"passage_retrieval_zh", "retrieval_zh@1", 32, 200, 0, 0, 1, 0},
    {"lcc", "code_sim@1", 64, 500, 1, 0, 0, 0},
    {"repobench-p", "code_sim@1", 64, 500, 1, 0, 0, 0},
    {NULL, NULL, 0, 0, 0, 0, 0, 0},
};

const sb_longbench *sb_longbench_find(const char *dataset)
{
    for (const sb_longbench *d = sb_longbench_datasets; d->name != NULL; d++)
        if (strcmp(d->name, dataset) == 0)
            return d;
    return NULL;
}

sb_text sb_longbench_clean(const sb_longbench *d, sb_text pred)
{
    const char *end;
    if (!d->first_line)
        return pred;
    while (pred.bytes > 0 && pred.data[0] == '\n') {
        pred.data++;
        pred.bytes--;
    }
    end = pred.bytes > 0 ? memchr(pred.data, '\n', pred.bytes) : NULL;
    if (end != NULL)
        pred.bytes = (size_t)(end - pred.data);
    return pred;
}

int32_t sb_longbench_bucket(int64_t length) { return length < 4000 ? 0 : length < 8000 ? 1 : 2; }

const char *sb_longbench_bucket_name(int32_t bucket)
{
    static const char *const names[SB_LONGBENCH_BUCKETS] = {"0-4k", "4-8k", "8k+"};
    return bucket >= 0 && bucket < SB_LONGBENCH_BUCKETS ? names[bucket] : NULL;
}

/* Does `text`, its "*" left out, go on from *at with `want`? Then *at moves behind it. */
static int goes_on(sb_text text, size_t *at, const char *want)
{
    size_t i = *at;
    for (; *want != '\0'; want++, i++) {
        while (i < text.bytes && text.data[i] == '*')
            i++;
        if (i == text.bytes || text.data[i] != *want)
            return 0;
    }
    *at = i;
    return 1;
}

static char letter_after(sb_text text, const char *before, const char *behind)
{
    for (size_t begin = 0; begin < text.bytes; begin++) {
        if (text.data[begin] != before[0])
            continue;
        for (char c = 'A'; c <= 'D'; c++) {
            size_t     at        = begin;
            const char letter[2] = {c, '\0'};
            if (!goes_on(text, &at, before))
                break;
            if (goes_on(text, &at, letter) && goes_on(text, &at, behind))
                return c;
        }
    }
    return 0;
}

char sb_longbench_v2_answer(sb_text response)
{
    char c = letter_after(response, "The correct answer is (", ")");
    return c != 0 ? c : letter_after(response, "The correct answer is ", "");
}
