/* Columns and plots of the sections. */
#include "results/report/columns.h"

#include <stddef.h>

/* What a row's cell is: the same in most sections. */
#define MODEL                                                                                      \
    {                                                                                              \
        "model", "model", SBI_SHOW_NAME, SBI_FACET                                                 \
    }
#define CELL                                                                                       \
    {"ranks", "ranks", SBI_SHOW_COUNT, SBI_FACET},                                                 \
    {                                                                                              \
        "cell", "compared as", SBI_SHOW_TEXT, SBI_FACET                                            \
    }
#define MACHINE                                                                                    \
    {"decode", "decode", SBI_SHOW_TEXT, SBI_FACET},                                                \
        {"backend", "backend", SBI_SHOW_TEXT, SBI_FACET},                                          \
    {                                                                                              \
        "dtype", "dtype", SBI_SHOW_TEXT, SBI_FACET                                                 \
    }
#define SEED                                                                                       \
    {                                                                                              \
        "seed", "seed", SBI_SHOW_TEXT, SBI_FACET                                                   \
    }
#define DEVICE                                                                                     \
    {"device", "device", SBI_SHOW_TEXT, SBI_FACET},                                                \
    {                                                                                              \
        "oversubscribed", "oversubscribed", SBI_SHOW_FLAG, SBI_FACET                               \
    }
#define INPUT                                                                                      \
    {                                                                                              \
        "input", "input", SBI_SHOW_NAME, SBI_FACET | SBI_BRIEF                                     \
    }
#define METHOD                                                                                     \
    {                                                                                              \
        "method", "method", SBI_SHOW_NAME, SBI_SERIES | SBI_BRIEF                                  \
    }
#define LENGTH                                                                                     \
    {                                                                                              \
        "length", "length", SBI_SHOW_COUNT, SBI_BRIEF                                              \
    }
#define SHARDING                                                                                   \
    {                                                                                              \
        "sharding", "sharding", SBI_SHOW_TEXT, 0                                                   \
    }
#define UNTRAINED                                                                                  \
    {                                                                                              \
        "untrained", "untrained", SBI_SHOW_FLAG, SBI_BRIEF                                         \
    }

const sbi_column sbi_columns_runs[]     = {{"started", "started (UTC)", SBI_SHOW_TIME, SBI_BRIEF},
                                           {"finished", "finished (UTC)", SBI_SHOW_TIME, 0},
                                           {"status", "status", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"sweep", "sweep", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"commit", "commit", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"version", "version", SBI_SHOW_TEXT, 0},
                                           {"backend", "backend", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"device", "device", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"hosts", "hosts", SBI_SHOW_TEXT, 0},
                                           {"ranks", "ranks", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {"threads", "threads a rank", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {"cores", "cores", SBI_SHOW_COUNT, 0},
                                           {"oversubscribed", "oversubscribed", SBI_SHOW_FLAG, 0},
                                           {"comm", "communicator", SBI_SHOW_TEXT, 0},
                                           {"n_samples", "samples", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {"n_counting", "of these newest", SBI_SHOW_COUNT, 0},
                                           {"command", "command", SBI_SHOW_TEXT, 0},
                                           {"config_sha256", "", SBI_SHOW_TEXT, SBI_QUIET},
                                           {"mpi_version", "", SBI_SHOW_TEXT, SBI_QUIET},
                                           {"build", "", SBI_SHOW_TEXT, SBI_QUIET},
                                           {"environment", "", SBI_SHOW_TEXT, SBI_QUIET},
                                           {"uuid", "", SBI_SHOW_TEXT, SBI_QUIET},
                                           {0}};
const sbi_column sbi_columns_ceilings[] = {{"started", "run started (UTC)", SBI_SHOW_TIME, 0},
                                           {"run", "run", SBI_SHOW_TEXT, 0},
                                           {"device", "device", SBI_SHOW_TEXT, 0},
                                           {"ranks", "ranks", SBI_SHOW_COUNT, 0},
                                           {"kind", "ceiling", SBI_SHOW_TEXT, 0},
                                           {"dtype", "dtype", SBI_SHOW_TEXT, 0},
                                           {"flops_per_s", "GFLOP/s", SBI_SHOW_GIGA, 0},
                                           {"bytes_per_s", "GB/s", SBI_SHOW_GIGA, 0},
                                           {0}};

const sbi_column sbi_columns_coverage[] = {
    {"model", "model", SBI_SHOW_NAME, 0},
    {"experiment", "experiment", SBI_SHOW_TEXT, 0},
    {"method", "method", SBI_SHOW_NAME, SBI_BRIEF},
    {"n_points", "points", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_ok", "ok", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_partial", "partial", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_failed", "failed", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_unsupported", "unsupported", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_no_fit", "no fit", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_missing", "missing", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_samples", "samples", SBI_SHOW_COUNT, 0},
    {"n_samples_ok", "samples ok", SBI_SHOW_COUNT, 0},
    {0}};
const sbi_column sbi_columns_failures[] = {{"status", "status", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"method", "method", SBI_SHOW_NAME, SBI_BRIEF},
                                           {"reason", "reason", SBI_SHOW_TEXT, SBI_BRIEF},
                                           {"model", "model", SBI_SHOW_NAME, 0},
                                           {"tasks", "tasks", SBI_SHOW_TEXT, 0},
                                           {"shortest", "from length", SBI_SHOW_COUNT, 0},
                                           {"longest", "to length", SBI_SHOW_COUNT, 0},
                                           {"ranks", "ranks", SBI_SHOW_TEXT, 0},
                                           {"shardings", "sharding", SBI_SHOW_TEXT, 0},
                                           {"n_points", "points", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {"n_samples", "samples", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {0}};

#define SCORE                                                                                      \
    {"score", "score", SBI_SHOW_SHARE, SBI_BRIEF}, {"lo", "95 % from", SBI_SHOW_SHARE, SBI_BRIEF}, \
    {                                                                                              \
        "hi", "to", SBI_SHOW_SHARE, SBI_BRIEF                                                      \
    }
const sbi_column sbi_columns_accuracy_mean[] = {
    MODEL,
    {"suite", "suite", SBI_SHOW_TEXT, SBI_FACET},
    CELL,
    MACHINE,
    SEED,
    LENGTH,
    METHOD,
    SCORE,
    {"n", "n a task", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_total", "n", SBI_SHOW_COUNT, 0},
    {"n_failed", "of n failed", SBI_SHOW_COUNT, 0},
    {"chance", "guessing", SBI_SHOW_SHARE, 0},
    UNTRAINED,
    SHARDING,
    {"interval_kind", "", SBI_SHOW_TEXT, SBI_QUIET},
    {"reason", "no mean because", SBI_SHOW_TEXT, SBI_BRIEF},
    {0}};
const sbi_column sbi_columns_accuracy[] = {MODEL,
                                           {"suite", "suite", SBI_SHOW_TEXT, SBI_FACET},
                                           {"task", "task", SBI_SHOW_NAME, SBI_FACET},
                                           {"metric", "metric", SBI_SHOW_TEXT, SBI_FACET},
                                           CELL,
                                           MACHINE,
                                           SEED,
                                           LENGTH,
                                           METHOD,
                                           SCORE,
                                           {"n", "n", SBI_SHOW_COUNT, SBI_BRIEF},
                                           {"n_failed", "of n failed", SBI_SHOW_COUNT, 0},
                                           {"chance", "guessing", SBI_SHOW_SHARE, 0},
                                           UNTRAINED,
                                           SHARDING,
                                           {"interval_kind", "interval", SBI_SHOW_TEXT, 0},
                                           {0}};
const sbi_plot   sbi_plots_accuracy[]   = {{.draw    = SBI_DRAW_LINES,
                                            .title   = "Accuracy",
                                            .x       = "length",
                                            .x_title = "length, tokens",
                                            .y       = "score",
                                            .y_title = "score, %",
                                            .lo      = "lo",
                                            .hi      = "hi",
                                            .n       = "n",
                                            .scale   = 100,
                                            .flags   = SBI_PERCENT},
                                           {0}};

const sbi_column sbi_columns_losses[] = {
    MODEL,
    {"suite", "suite", SBI_SHOW_TEXT, SBI_FACET},
    CELL,
    MACHINE,
    SEED,
    LENGTH,
    METHOD,
    {"difference", "difference, points", SBI_SHOW_POINTS, SBI_BRIEF},
    {"lo", "95 % from", SBI_SHOW_POINTS, SBI_BRIEF},
    {"hi", "to", SBI_SHOW_POINTS, SBI_BRIEF},
    {"n", "pairs", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    {"p_holm", "p (Holm)", SBI_SHOW_NUMBER, SBI_BRIEF},
    {"verdict", "verdict", SBI_SHOW_TEXT, SBI_BRIEF},
    {"resolution", "resolvable, points", SBI_SHOW_POINTS, 0},
    {"test", "test", SBI_SHOW_TEXT, 0},
    {"p", "", SBI_SHOW_NUMBER, SBI_QUIET},
    {"n_tests", "tests", SBI_SHOW_COUNT, 0},
    {"n_unpaired", "unpaired", SBI_SHOW_COUNT, 0},
    SHARDING,
    {"reason", "none because", SBI_SHOW_TEXT, SBI_BRIEF},
    {0}};
const sbi_plot sbi_plots_losses[] = {{.draw    = SBI_DRAW_LINES,
                                      .title   = "Difference to dense",
                                      .x       = "length",
                                      .x_title = "length, tokens",
                                      .y       = "difference",
                                      .y_title = "points",
                                      .lo      = "lo",
                                      .hi      = "hi",
                                      .n       = "n",
                                      .scale   = 100,
                                      .flags   = SBI_ZERO_LINE},
                                     {0}};

const sbi_column sbi_columns_pareto[] = {MODEL,
                                         {"suite", "suite", SBI_SHOW_TEXT, SBI_FACET},
                                         CELL,
                                         MACHINE,
                                         SEED,
                                         DEVICE,
                                         LENGTH,
                                         METHOD,
                                         SCORE,
                                         {"n", "n a task", SBI_SHOW_COUNT, SBI_BRIEF},
                                         {"ms", "prefill, ms", SBI_SHOW_MS, SBI_BRIEF},
                                         {"ms_lo", "fastest", SBI_SHOW_MS, 0},
                                         {"ms_hi", "95th percentile", SBI_SHOW_MS, 0},
                                         {"n_times", "repetitions", SBI_SHOW_COUNT, 0},
                                         {"frontier", "on the frontier", SBI_SHOW_FLAG, SBI_BRIEF},
                                         {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
                                         UNTRAINED,
                                         {0}};
const sbi_plot   sbi_plots_pareto[]   = {{.draw    = SBI_DRAW_CLOUD,
                                          .title   = "Accuracy and time to first token",
                                          .x       = "ms",
                                          .x_title = "prefill, ms",
                                          .y       = "score",
                                          .y_title = "score, %",
                                          .lo      = "lo",
                                          .hi      = "hi",
                                          .x_lo    = "ms_lo",
                                          .x_hi    = "ms_hi",
                                          .apart   = "length",
                                          .scale   = 100,
                                          .flags   = SBI_PERCENT},
                                         {0}};

const sbi_column sbi_columns_needle[] = {MODEL,
                                         {"suite", "suite", SBI_SHOW_TEXT, SBI_FACET},
                                         CELL,
                                         MACHINE,
                                         SEED,
                                         METHOD,
                                         LENGTH,
                                         {"depth", "depth from", SBI_SHOW_SHARE, 0},
                                         {"found", "answers found", SBI_SHOW_SHARE, 0},
                                         {"n", "n (needles)", SBI_SHOW_COUNT, 0},
                                         {"key_recall", "needle keys seen", SBI_SHOW_SHARE, 0},
                                         {"mass_recall", "needle mass kept", SBI_SHOW_SHARE, 0},
                                         {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
                                         {"tasks", "", SBI_SHOW_TEXT, SBI_QUIET},
                                         {0}};
const sbi_plot   sbi_plots_needle[]   = {{.draw    = SBI_DRAW_HEAT,
                                          .title   = "Answers found",
                                          .x       = "length",
                                          .x_title = "length, tokens",
                                          .y       = "found",
                                          .y_title = "depth, % of the context",
                                          .n       = "n",
                                          .apart   = "method",
                                          .parts   = {"depth"},
                                          .scale   = 100},
                                         {0}};

const sbi_column sbi_columns_speedup[] = {
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    LENGTH,
    METHOD,
    {"attention_x", "attention", SBI_SHOW_FACTOR, SBI_BRIEF},
    {"prefill_x", "prefill", SBI_SHOW_FACTOR, SBI_BRIEF},
    {"density", "density", SBI_SHOW_SHARE, SBI_BRIEF},
    {"recall", "recall", SBI_SHOW_SHARE, SBI_BRIEF},
    {"dense_mfu", "dense reaches", SBI_SHOW_SHARE, SBI_BRIEF},
    {"dense_impl", "dense kernel", SBI_SHOW_TEXT, 0},
    {"compute_x", "compute phase alone", SBI_SHOW_FACTOR, 0},
    {"ideal_speedup", "by FLOP", SBI_SHOW_FACTOR, 0},
    {"attention_norm_x", "attention, dense at 60 %", SBI_SHOW_FACTOR, 0},
    {"mfu", "method reaches", SBI_SHOW_SHARE, 0},
    {"achieved_tflops", "", SBI_SHOW_NUMBER, SBI_QUIET},
    {"attention_lo", "", SBI_SHOW_FACTOR, SBI_QUIET},
    {"attention_hi", "", SBI_SHOW_FACTOR, SBI_QUIET},
    {"prefill_lo", "", SBI_SHOW_FACTOR, SBI_QUIET},
    {"prefill_hi", "", SBI_SHOW_FACTOR, SBI_QUIET},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    {"n", "repetitions", SBI_SHOW_COUNT, 0},
    {"n_fallback", "fell back to dense", SBI_SHOW_COUNT, 0},
    SHARDING,
    {"n_samples", "", SBI_SHOW_COUNT, SBI_QUIET},
    {"reason", "none because", SBI_SHOW_TEXT, SBI_BRIEF},
    {0}};
const sbi_plot sbi_plots_speedup[] = {
    {.draw    = SBI_DRAW_LINES,
     .title   = "Attention, times as fast as dense",
     .x       = "length",
     .x_title = "length, tokens",
     .y       = "attention_x",
     .y_title = "dense time / method time",
     .lo      = "attention_lo",
     .hi      = "attention_hi",
     .scale   = 1,
     .flags   = SBI_LOG_Y | SBI_UNIT_LINE | SBI_BREAK_EVEN | SBI_NO_DENSE},
    {.draw    = SBI_DRAW_LINES,
     .title   = "Whole prefill, times as fast as dense",
     .x       = "length",
     .x_title = "length, tokens",
     .y       = "prefill_x",
     .y_title = "dense time / method time",
     .lo      = "prefill_lo",
     .hi      = "prefill_hi",
     .scale   = 1,
     .flags   = SBI_LOG_Y | SBI_UNIT_LINE | SBI_BREAK_EVEN | SBI_NO_DENSE},
    {.draw    = SBI_DRAW_LINES,
     .title   = "What dense itself reaches",
     .x       = "length",
     .x_title = "length, tokens",
     .y       = "dense_mfu",
     .y_title = "% of the matrix product's rate",
     .apart   = NULL,
     .scale   = 100,
     .flags   = SBI_PERCENT | SBI_ONE_LINE},
    {0}};

const sbi_column sbi_columns_break_even[] = {
    {"part", "of", SBI_SHOW_TEXT, SBI_BRIEF},
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    METHOD,
    {"break_even", "break-even, tokens", SBI_SHOW_COUNT, SBI_BRIEF},
    {"verdict", "verdict", SBI_SHOW_TEXT, SBI_BRIEF},
    {"slower_at", "slower at", SBI_SHOW_COUNT, 0},
    {"faster_at", "faster at", SBI_SHOW_COUNT, 0},
    {"at_longest", "at the longest", SBI_SHOW_FACTOR, SBI_BRIEF},
    {"shortest", "measured from", SBI_SHOW_COUNT, 0},
    {"longest", "to", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_lengths", "lengths", SBI_SHOW_COUNT, 0},
    SHARDING,
    {0}};

const sbi_column sbi_columns_phases[] = {
    MODEL,
    INPUT,
    CELL,
    MACHINE,
    SEED,
    DEVICE,
    LENGTH,
    METHOD,
    {"estimate", "estimate, ms", SBI_SHOW_MS, 0},
    {"select", "select", SBI_SHOW_MS, 0},
    {"permute", "permute", SBI_SHOW_MS, 0},
    {"compute", "compute", SBI_SHOW_MS, 0},
    {"communicate", "communicate", SBI_SHOW_MS, 0},
    {"attention", "attention", SBI_SHOW_MS, SBI_BRIEF},
    {"attention_iqr", "IQR", SBI_SHOW_MS, SBI_BRIEF},
    {"attention_lo", "fastest", SBI_SHOW_MS, 0},
    {"attention_hi", "95th percentile", SBI_SHOW_MS, 0},
    {"prefill", "prefill", SBI_SHOW_MS, SBI_BRIEF},
    {"prefill_iqr", "IQR", SBI_SHOW_MS, SBI_BRIEF},
    {"decode_token", "decode, a token", SBI_SHOW_MS, SBI_BRIEF},
    {"decode_token_iqr", "IQR", SBI_SHOW_MS, SBI_BRIEF},
    {"n", "repetitions", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    SHARDING,
    {0}};
const sbi_plot sbi_plots_phases[] = {
    {.draw    = SBI_DRAW_STACK,
     .title   = "Attention by phase",
     .x       = "attention",
     .x_title = "median, ms",
     .lo      = "attention_lo",
     .hi      = "attention_hi",
     .apart   = "length",
     .parts   = {"estimate", "select", "permute", "compute", "communicate"},
     .scale   = 1},
    {0}};

const sbi_column sbi_columns_fidelity[] = {MODEL,
                                           INPUT,
                                           CELL,
                                           MACHINE,
                                           SEED,
                                           LENGTH,
                                           METHOD,
                                           {"density", "density", SBI_SHOW_SHARE, 0},
                                           {"density_lo", "least of a task", SBI_SHOW_SHARE, 0},
                                           {"density_hi", "most", SBI_SHOW_SHARE, 0},
                                           {"recall", "recall", SBI_SHOW_SHARE, 0},
                                           {"recall_lo", "least of a task", SBI_SHOW_SHARE, 0},
                                           {"recall_hi", "most", SBI_SHOW_SHARE, 0},
                                           {"n_samples", "n", SBI_SHOW_COUNT, 0},
                                           {"tile_density", "density in tiles", SBI_SHOW_SHARE, 0},
                                           {"oracle_gap", "oracle gap", SBI_SHOW_SHARE, 0},
                                           {"rel_l2", "output error", SBI_SHOW_NUMBER, 0},
                                           {"floor", "of dense itself", SBI_SHOW_NUMBER, 0},
                                           {"needle_keys", "needle keys seen", SBI_SHOW_SHARE, 0},
                                           {"flop_ratio", "FLOP", SBI_SHOW_SHARE, 0},
                                           {"estimate_ratio", "of it estimate", SBI_SHOW_SHARE, 0},
                                           {"n_fallback", "fell back to dense", SBI_SHOW_COUNT, 0},
                                           {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
                                           SHARDING,
                                           {0}};
const sbi_plot   sbi_plots_fidelity[]   = {{.draw    = SBI_DRAW_LINES,
                                            .title   = "Density: pairs read",
                                            .x       = "length",
                                            .x_title = "length, tokens",
                                            .y       = "density",
                                            .y_title = "% of the visible pairs",
                                            .lo      = "density_lo",
                                            .hi      = "density_hi",
                                            .n       = "n_samples",
                                            .scale   = 100,
                                            .flags   = SBI_PERCENT},
                                           {.draw    = SBI_DRAW_LINES,
                                            .title   = "Recall: attention mass kept",
                                            .x       = "length",
                                            .x_title = "length, tokens",
                                            .y       = "recall",
                                            .y_title = "% of dense's mass",
                                            .lo      = "recall_lo",
                                            .hi      = "recall_hi",
                                            .n       = "n_samples",
                                            .scale   = 100,
                                            .flags   = SBI_PERCENT},
                                           {0}};

const sbi_column sbi_columns_scaling[] = {
    {"phase", "of", SBI_SHOW_TEXT, SBI_FACET | SBI_BRIEF},
    MODEL,
    INPUT,
    {"cell", "compared as", SBI_SHOW_TEXT, SBI_FACET},
    MACHINE,
    SEED,
    {"device", "device", SBI_SHOW_TEXT, SBI_FACET},
    {"length", "length", SBI_SHOW_COUNT, SBI_FACET | SBI_BRIEF},
    {"base_ranks", "counted from ranks", SBI_SHOW_COUNT, SBI_FACET},
    METHOD,
    {"ranks", "ranks", SBI_SHOW_COUNT, SBI_BRIEF},
    {"speedup", "times as fast", SBI_SHOW_FACTOR, SBI_BRIEF},
    {"efficiency", "efficiency", SBI_SHOW_SHARE, SBI_BRIEF},
    {"ms", "median, ms", SBI_SHOW_MS, SBI_BRIEF},
    {"ms_lo", "fastest", SBI_SHOW_MS, 0},
    {"ms_hi", "95th percentile", SBI_SHOW_MS, 0},
    {"n", "repetitions", SBI_SHOW_COUNT, SBI_BRIEF},
    {"n_tasks", "tasks", SBI_SHOW_COUNT, 0},
    {"speedup_lo", "", SBI_SHOW_FACTOR, SBI_QUIET},
    {"speedup_hi", "", SBI_SHOW_FACTOR, SBI_QUIET},
    SHARDING,
    {0}};
const sbi_plot sbi_plots_scaling[] = {{.draw    = SBI_DRAW_LINES,
                                       .title   = "Times as fast as on the fewest ranks",
                                       .x       = "ranks",
                                       .x_title = "ranks",
                                       .y       = "speedup",
                                       .y_title = "time on fewest / time",
                                       .lo      = "speedup_lo",
                                       .hi      = "speedup_hi",
                                       .scale   = 1,
                                       .flags   = SBI_LOG_Y | SBI_UNIT_LINE | SBI_IDEAL},
                                      {0}};

const sbi_column sbi_columns_memory[] = {MODEL,
                                         CELL,
                                         MACHINE,
                                         LENGTH,
                                         METHOD,
                                         {"arena", "own buffers, MiB", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"predicted", "predicted", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"device", "on the device", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"rss", "process", SBI_SHOW_MIB, SBI_BRIEF},
                                         {"n_samples", "samples", SBI_SHOW_COUNT, 0},
                                         SHARDING,
                                         {0}};
const sbi_plot   sbi_plots_memory[]   = {{.draw    = SBI_DRAW_LINES,
                                          .title   = "Own buffers, most of a rank",
                                          .x       = "length",
                                          .x_title = "length, tokens",
                                          .y       = "arena",
                                          .y_title = "MiB",
                                          .scale   = 1.0 / 1048576,
                                          .flags   = SBI_LOG_Y},
                                         {.draw    = SBI_DRAW_LINES,
                                          .title   = "Device memory, most of a rank",
                                          .x       = "length",
                                          .x_title = "length, tokens",
                                          .y       = "device",
                                          .y_title = "MiB",
                                          .scale   = 1.0 / 1048576,
                                          .flags   = SBI_LOG_Y},
                                         {0}};
