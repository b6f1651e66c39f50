/* The files of results/report/queries and the style sheet, embedded at build time. */
#ifndef SB_RESULTS_REPORT_TEXTS_H
#define SB_RESULTS_REPORT_TEXTS_H

extern const char sbi_report_runs[], sbi_report_ceilings[], sbi_report_accuracy_mean[],
    sbi_report_accuracy[], sbi_report_losses_mean[], sbi_report_pareto[], sbi_report_needle[],
    sbi_report_speed[], sbi_report_speedup[], sbi_report_break_even[], sbi_report_phases[],
    sbi_report_fidelity[], sbi_report_scaling[], sbi_report_weak_scaling[], sbi_report_memory[],
    sbi_report_communication[], sbi_report_energy[], sbi_report_balance[], sbi_report_coverage[],
    sbi_report_failures[], sbi_report_style[];

#endif
