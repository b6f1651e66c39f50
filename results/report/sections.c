/* The sections of the report in their order, and why one may be empty. */
#include "results/report/section.h"

#include <stddef.h>

#include "results/report/columns.h"
#include "results/report/texts.h"

/* Each is the beginning of a statement that gives one cell; an ELSE and its END follow. */
#define NO_SAMPLES                                                                                 \
    "SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM run) THEN 'The database is empty: nothing was "    \
    "run.' WHEN NOT EXISTS (SELECT 1 FROM sample) THEN 'The database has no samples yet.' "        \
    "WHEN NOT EXISTS (SELECT 1 FROM latest_sample WHERE is_anchor = 0) THEN 'Only dense anchors "  \
    "were timed; nothing that was asked for has run.' "
#define NO_TASK                                                                                    \
    "WHEN NOT EXISTS (SELECT 1 FROM point WHERE experiment = 'task') THEN 'Only the operator "     \
    "alone was run (experiment: attention), which answers no questions.' "
#define NO_SCORE                                                                                   \
    NO_SAMPLES NO_TASK "WHEN NOT EXISTS (SELECT 1 FROM latest_score) THEN 'No sample has a "       \
                       "score: none ran to its end, see Coverage.' "
#define NO_OK                                                                                      \
    NO_SAMPLES "WHEN NOT EXISTS (SELECT 1 FROM latest_sample WHERE status = 'ok' AND is_anchor = " \
               "0) THEN 'No sample is ok, see Coverage.' "
#define NO_TIME                                                                                    \
    NO_OK "WHEN NOT EXISTS (SELECT 1 FROM timing WHERE NOT is_warmup) THEN 'Nothing was timed: "   \
          "repetitions 0, or predictions made elsewhere.' "

const sbi_section sbi_sections[] = {
    {.id    = "runs",
     .title = "What ran where",
     .lead  = "Every launch of the program that left facts in this database. Of samples that were "
              "run more than once "
              "the newest counts. CSV also has build, environment and hash of the sweep.",
     .sql   = sbi_report_runs,
     .why   = "SELECT 'The database is empty: nothing was run.'",
     .columns = sbi_columns_runs,
     .level   = 2},
    {.id    = "ceilings",
     .title = "Ceilings",
     .lead = "What the machine of a run can do at most, measured by the run itself; shares of peak "
             "are shares of these.",
     .sql  = sbi_report_ceilings,
     .why  = NO_SAMPLES "ELSE 'No run measured a ceiling: no BLAS was found when it ran, or the "
                        "predictions were made elsewhere.' END",
     .columns = sbi_columns_ceilings,
     .level   = 3},
    {.id    = "accuracy",
     .title = "Accuracy against length",
     .lead = "Mean score over the tasks of a suite, each weighing the same, with its 95 % interval "
             "(stratified bootstrap). n: samples "
             "a task. Points of one length are drawn beside each other so that intervals stay "
             "apart. <b>†</b> marks methods that "
             "need trained weights and were used without: their accuracy says nothing about a "
             "trained model. Scores of the model "
             "<code>probe</code> are those of a constructed model, not of a trained one.",
     .sql  = sbi_report_accuracy_mean,
     .why  = NO_SCORE "ELSE 'No mean over tasks can be made.' END",
     .columns = sbi_columns_accuracy_mean,
     .plots   = sbi_plots_accuracy,
     .level   = 2},
    {.id      = "tasks",
     .title   = "By task",
     .lead    = "Score of each task with its 95 % interval: Wilson where a sample scores 0 or 1, "
                "bootstrap where it scores a fraction. A "
                "failed sample counts as 0.",
     .sql     = sbi_report_accuracy,
     .why     = NO_SCORE "END",
     .columns = sbi_columns_accuracy,
     .plots   = sbi_plots_accuracy,
     .level   = 3},
    {.id    = "losses",
     .title = "Loss against dense",
     .lead  = "Score minus dense's on the same inputs, mean over tasks, in percentage points with "
              "the 95 % interval of the paired "
              "difference. Non-inferior: the interval lies above -1 point. p is corrected over all "
              "methods of a length (Holm).",
     .sql   = sbi_report_losses_mean,
     .why   = NO_SCORE
     "WHEN NOT EXISTS (SELECT 1 FROM latest_score AS l JOIN point AS p ON p.id = l.point_id WHERE "
     "p.method <> "
     "'dense') THEN 'Dense is the only method with scores.' ELSE 'No difference can be made.' END",
     .columns = sbi_columns_losses,
     .plots   = sbi_plots_losses,
     .level   = 3},
    {.id    = "pareto",
     .title = "Accuracy and latency",
     .lead  = "Score beside the time to the first token, a panel a length: up and to the left is "
              "better. The line joins what nobody "
              "beats in both. Times are means over tasks of medians; the bar spans the fastest to "
              "the 95th percentile.",
     .sql   = sbi_report_pareto,
     .why   = NO_SCORE
     "WHEN NOT EXISTS (SELECT 1 FROM timing WHERE NOT is_warmup AND phase = 'prefill') THEN 'No "
     "prefill was "
     "timed.' ELSE 'No group of points has both a mean score and times of all its tasks.' END",
     .columns = sbi_columns_pareto,
     .plots   = sbi_plots_pareto,
     .level   = 2},
    {.id    = "needles",
     .title = "Needles by depth",
     .lead =
         "Percentage of the needles whose answer was found, by length and depth in the context; "
         "the number in brackets counts them, and a field's own text (point at it) has the "
         "95 % interval (Wilson). Where there is no field no needle stood. All tasks of a "
         "suite that hide needles together.",
     .sql     = sbi_report_needle,
     .why     = NO_SCORE "ELSE 'No input has needles.' END",
     .columns = sbi_columns_needle,
     .plots   = sbi_plots_needle,
     .level   = 2},
    {.id    = "speedup",
     .title = "Speed-up against length",
     .lead = "Dense time over method time of the same process, device, shape and sharding; above 1 "
             "is faster. The diamond marks the "
             "break-even. A ratio is worth what its dense is worth: the last panels show which "
             "share of the ceiling dense itself "
             "reaches. Of a model: mean over tasks, the bar spans them.",
     .with = sbi_report_speed,
     .sql  = sbi_report_speedup,
     .why  = NO_OK "END",
     .columns = sbi_columns_speedup,
     .plots   = sbi_plots_speedup,
     .level   = 2},
    {.id    = "break_even",
     .title = "Break-even",
     .lead = "The length from which a method is faster than dense, linear between the two measured "
             "lengths around it.",
     .with = sbi_report_speed,
     .sql  = sbi_report_break_even,
     .why  = NO_TIME "WHEN NOT EXISTS (SELECT 1 FROM latest_sample AS s JOIN point AS p ON p.id = "
                     "s.point_id WHERE p.method <> "
                     "'dense' AND s.status = 'ok') THEN 'Dense is the only method that ran.' ELSE "
                     "'No time stands beside a dense "
                     "time of the same run and cell; the column of reasons above says why.' END",
     .columns = sbi_columns_break_even,
     .level   = 3},
    {.id    = "phases",
     .title = "Where the time goes",
     .lead = "Medians of the phases of attention as one bar: estimate, select and permute make the "
             "index, compute attends, communicate "
             "is what no computation hides. The mark is the median of the whole with the span from "
             "fastest to 95th percentile: medians "
             "do not add up exactly. IQR: interquartile range.",
     .sql  = sbi_report_phases,
     .why  = NO_TIME "ELSE 'No ok sample was timed.' END",
     .columns = sbi_columns_phases,
     .plots   = sbi_plots_phases,
     .level   = 2},
    {.id    = "fidelity",
     .title = "Density and recall against length",
     .lead  = "What a method reads and what it keeps of dense's attention. Linear methods have no "
              "index and neither figure. Of a model: "
              "mean over tasks, the bar spans them.",
     .sql   = sbi_report_fidelity,
     .why   = NO_OK "END",
     .columns = sbi_columns_fidelity,
     .plots   = sbi_plots_fidelity,
     .level   = 2},
    {.id    = "scaling",
     .title = "Scaling with ranks",
     .lead =
         "The same work on more ranks, a sharding at a time: a method's best time on the fewest "
         "ranks that it ran on, whatever its sharding there (on one rank none plays a part), "
         "over its time on more. Efficiency: that over how many times the ranks there are; 100 "
         "% is the grey line. Counted from: the sharding and number of ranks of the best time. "
         "The bar spans the 95th percentile to the fastest repetition. Oversubscribed times "
         "are left out.",
     .sql = sbi_report_scaling,
     .why = NO_TIME "WHEN (SELECT count(DISTINCT ranks) FROM point) < 2 THEN 'Every point has the "
                    "same number of ranks: ' || (SELECT "
                    "max(ranks) FROM point) || '.' ELSE 'No point was timed on two numbers of "
                    "ranks of equal devices (oversubscribed "
                    "times do not count).' END",
     .columns = sbi_columns_scaling,
     .plots   = sbi_plots_scaling,
     .level   = 2},
    {.id    = "weak_scaling",
     .title = "As many tokens on every rank",
     .lead =
         "Attention on R ranks beside the method's best time on one rank with an R-th of the "
         "tokens. A causal method has more to do per rank then, so times are compared per work: "
         "weak efficiency is the time on one rank x how many times its work there is / R, over "
         "the time on R ranks. Work: query-key pairs that the selection keeps, of methods "
         "without an index the tokens. Above 100 %: a rank's rate rises with the length. Strong "
         "efficiency: of the same work on one rank, as above. Of a model: mean over tasks, a pair "
         "of runs each.",
     .sql = sbi_report_weak_scaling,
     .why =
         NO_TIME "WHEN (SELECT max(ranks) FROM point) < 2 THEN 'Every point ran on one rank.' ELSE "
                 "'No point of R ranks has one of one rank with an R-th of its tokens, of the same "
                 "method and device (oversubscribed times do not count).' END",
     .columns = sbi_columns_weak_scaling,
     .level   = 3},
    {.id    = "communication",
     .title = "Communication",
     .lead  = "What moves between ranks in one prefill (of the operator alone: one attention) and "
              "in decoding one answer, on the rank with most: bytes, calls, and the time it waits "
              "for data that no computation hides. Means over samples and tasks; the bar spans the "
              "samples. Of the whole: waits over the time of the same repetition.",
     .sql   = sbi_report_communication,
     .why   = NO_OK
     "WHEN (SELECT max(ranks) FROM point) < 2 THEN 'Every point ran on one rank: nothing moves.' "
     "ELSE 'No sample on several ranks tells what it moved: its repetitions are 0, or the "
     "predictions were made elsewhere.' END",
     .columns = sbi_columns_communication,
     .plots   = sbi_plots_communication,
     .level   = 2},
    {.id    = "balance",
     .title = "Balance over ranks",
     .lead = "How evenly the work of a prefill lies on the ranks, counted, not timed. Most / mean: "
             "work of the rank with most over the mean, 1 is even. In steps: the same where every "
             "step of a ring waits for its slowest rank. Dealt out greedily: what a better layout "
             "could reach. Others' keys needed: share of the keys of other ranks that the "
             "selection reads.",
     .sql  = sbi_report_balance,
     .why =
         NO_OK "WHEN (SELECT max(ranks) FROM point) < 2 THEN 'Every point ran on one rank.' ELSE "
               "'No sample on "
               "several ranks tells how its work was shared out: an older program wrote it, or its "
               "repetitions are 0.' END",
     .columns = sbi_columns_balance,
     .level   = 3},
    {.id    = "memory",
     .title = "Memory",
     .lead  = "The most that a sample of the point took on a rank. Own buffers: keys, values, "
              "activations and workspace that the program "
              "allots; process: high-water mark of the whole process, which also holds what earlier "
              "points took.",
     .sql   = sbi_report_memory,
     .why = NO_SAMPLES "ELSE 'No sample tells its memory: predictions made elsewhere do not.' END",
     .columns = sbi_columns_memory,
     .plots   = sbi_plots_memory,
     .level   = 2},
    {.id    = "energy",
     .title = "Energy",
     .lead  = "Of the devices by their own counters, over the timed repetitions of a sample: one "
              "repetition, and what is above an idle device. Within: two steps of the counter over "
              "the time measured. n: repetitions. Of a model: mean over tasks, the bar spans them.",
     .sql   = sbi_report_energy,
     .why   = NO_OK
     "WHEN EXISTS (SELECT 1 FROM energy) THEN 'What is stored of energy does not tell its "
     "repetitions: an older program wrote it.' ELSE 'No sample has an energy: only GPUs tell it, "
     "and only where the repetitions of a sample last 20 steps of the counter (some 2 s).' END",
     .columns = sbi_columns_energy,
     .plots   = sbi_plots_energy,
     .level   = 2},
    {.id      = "coverage",
     .title   = "Coverage",
     .lead    = "Points that were asked for, by what became of them. A failed sample scores 0; "
                "unsupported and no fit have no score.",
     .sql     = sbi_report_coverage,
     .why     = "SELECT 'The database is empty: nothing was asked for.'",
     .columns = sbi_columns_coverage,
     .level   = 2},
    {.id      = "failures",
     .title   = "What did not run, and why",
     .lead    = "Every reason that stands in the database, with the points it stands at.",
     .sql     = sbi_report_failures,
     .why     = NO_SAMPLES "ELSE 'Nothing: every sample that was asked for is ok.' END",
     .columns = sbi_columns_failures,
     .level   = 3},
    {0}};
