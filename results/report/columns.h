/* Columns and plots of the sections, each list ending with {0}; sections.c puts them together. */
#ifndef SB_RESULTS_REPORT_COLUMNS_H
#define SB_RESULTS_REPORT_COLUMNS_H

#include "results/report/section.h"

extern const sbi_column sbi_columns_runs[], sbi_columns_ceilings[], sbi_columns_coverage[],
    sbi_columns_failures[], sbi_columns_accuracy_mean[], sbi_columns_accuracy[],
    sbi_columns_losses[], sbi_columns_pareto[], sbi_columns_needle[], sbi_columns_speedup[],
    sbi_columns_break_even[], sbi_columns_phases[], sbi_columns_fidelity[], sbi_columns_scaling[],
    sbi_columns_memory[];
extern const sbi_plot sbi_plots_accuracy[], sbi_plots_losses[], sbi_plots_pareto[],
    sbi_plots_needle[], sbi_plots_speedup[], sbi_plots_phases[], sbi_plots_fidelity[],
    sbi_plots_scaling[], sbi_plots_memory[];

#endif
