/* Columns and plots of the sections, each list ending with {0}; sections.c puts them together. */
#ifndef SB_RESULTS_REPORT_COLUMNS_H
#define SB_RESULTS_REPORT_COLUMNS_H

#include "results/report/section.h"

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
        "input", "input", SBI_SHOW_NAME, SBI_FACET                                                 \
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
/* The beginning of a plot of lines over the lengths. */
#define OVER_LENGTH .draw = SBI_DRAW_LINES, .x = "length", .x_title = "length, tokens"

extern const sbi_column sbi_columns_runs[], sbi_columns_ceilings[], sbi_columns_coverage[],
    sbi_columns_failures[], sbi_columns_accuracy_mean[], sbi_columns_accuracy[],
    sbi_columns_losses[], sbi_columns_pareto[], sbi_columns_needle[], sbi_columns_speedup[],
    sbi_columns_break_even[], sbi_columns_phases[], sbi_columns_fidelity[], sbi_columns_scaling[],
    sbi_columns_weak_scaling[], sbi_columns_memory[], sbi_columns_communication[],
    sbi_columns_balance[], sbi_columns_energy[];
extern const sbi_plot sbi_plots_accuracy[], sbi_plots_losses[], sbi_plots_pareto[],
    sbi_plots_needle[], sbi_plots_speedup[], sbi_plots_phases[], sbi_plots_fidelity[],
    sbi_plots_scaling[], sbi_plots_memory[], sbi_plots_communication[], sbi_plots_energy[];

#endif
