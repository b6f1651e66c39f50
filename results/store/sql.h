/* The SQL files of results/schema and results/queries, embedded at build time
 * (results/embed.cmake). */
#ifndef SB_RESULTS_STORE_SQL_H
#define SB_RESULTS_STORE_SQL_H

extern const char sbi_sql_0001_first[], sbi_sql_0002_quality[], sbi_sql_0003_comparison[],
    sbi_sql_0004_device[], sbi_sql_0005_energy[], sbi_sql_0006_anchor[], sbi_sql_0007_rank_work[],
    sbi_sql_0008_graphs[];
extern const char sbi_sql_latest_sample[], sbi_sql_latest_score[], sbi_sql_interval_key[],
    sbi_sql_phase_time[];
extern const char sbi_sql_mean_member[], sbi_sql_mean_key[], sbi_sql_pair_key[],
    sbi_sql_mean_pair_key[];
extern const char sbi_sql_accuracy_mean[], sbi_sql_ruler_length[], sbi_sql_losses[],
    sbi_sql_losses_mean[];
extern const char sbi_sql_accuracy[], sbi_sql_latency[], sbi_sql_speedup[], sbi_sql_coverage[];
extern const char sbi_sql_fidelity[], sbi_sql_needle_recall[], sbi_sql_energy_use[],
    sbi_sql_balance[], sbi_sql_weak_scaling[];
extern const char sbi_sql_figures_key[], sbi_sql_figures_stale[];
extern const char sbi_sql_words[]; /* for the schema page only */

#endif
