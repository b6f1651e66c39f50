/* The records of the scorers, one name a line, defined beside their bodies. */
#ifndef SB_WORKLOADS_METRICS_SUITES_H
#define SB_WORKLOADS_METRICS_SUITES_H

#include "workloads/metrics/request.h"

#define SBI_SCORERS(X)                                                                             \
    X(qa_f1)                                                                                       \
    X(qa_f1_zh)                                                                                    \
    X(rouge_l)                                                                                     \
    X(rouge_zh)                                                                                    \
    X(classification)                                                                              \
    X(retrieval)                                                                                   \
    X(retrieval_zh)                                                                                \
    X(count)                                                                                       \
    X(code_sim)                                                                                    \
    X(code_sim_indel)                                                                              \
    X(code_sim_rapidfuzz)                                                                          \
    X(longbench_v2)                                                                                \
    X(longbench_v2_compensated)                                                                    \
    X(infbench_first_int)                                                                          \
    X(infbench_kv_retrieval)                                                                       \
    X(infbench_book_choice)                                                                        \
    X(infbench_dialogue_qa)                                                                        \
    X(infbench_f1_chars_zh)                                                                        \
    X(infbench_rouge_lsum)                                                                         \
    X(infbench_math_find)                                                                          \
    X(infbench_math_calc)                                                                          \
    X(infbench_code_run)                                                                           \
    X(infbench_code_debug)                                                                         \
    X(key_phrase)                                                                                  \
    X(babilong)                                                                                    \
    X(helmet_recall)                                                                               \
    X(helmet_em)                                                                                   \
    X(helmet_sub_em)                                                                               \
    X(helmet_f1)                                                                                   \
    X(helmet_choice_em)                                                                            \
    X(helmet_label_em)                                                                             \
    X(helmet_rouge_l_f1)                                                                           \
    X(helmet_rouge_l_recall)                                                                       \
    X(helmet_rouge_lsum_f1)                                                                        \
    X(helmet_rouge_lsum_recall)                                                                    \
    X(helmet_ndcg_10)                                                                              \
    X(loft_em)                                                                                     \
    X(loft_subspan_em)                                                                             \
    X(loft_f1)                                                                                     \
    X(loft_multi_em)                                                                               \
    X(loft_multi_coverage)                                                                         \
    X(loft_multi_subspan_em)                                                                       \
    X(loft_recall_1)                                                                               \
    X(loft_recall_2)                                                                               \
    X(loft_recall_3)                                                                               \
    X(loft_recall_5)                                                                               \
    X(loft_mrecall_1)                                                                              \
    X(loft_mrecall_2)                                                                              \
    X(loft_mrecall_3)                                                                              \
    X(loft_mrecall_5)                                                                              \
    X(loft_capped_recall_1)                                                                        \
    X(ruler_all)                                                                                   \
    X(ruler_part)                                                                                  \
    X(kvpress_all)                                                                                 \
    X(kvpress_part)                                                                                \
    X(lmeval_part)

#define SBI_DECLARE(id) extern const sb_scorer sbi_scorer_##id;
SBI_SCORERS(SBI_DECLARE)
#undef SBI_DECLARE

/* One record and the function that its `score` points at. */
#define SBI_SCORER(id, name_, source_, binary_, needs_, k_, body_)                                 \
    static sb_status id##_score(const sb_scorer *self, const sb_score_req *in, sb_text_score *out) \
    {                                                                                              \
        return sbi_score(self, in, body_, out);                                                    \
    }                                                                                              \
    const sb_scorer sbi_scorer_##id = {.name      = (name_),                                       \
                                       .source    = (source_),                                     \
                                       .is_binary = (binary_),                                     \
                                       .needs     = (needs_),                                      \
                                       .k         = (k_),                                          \
                                       .score     = id##_score};

#endif
